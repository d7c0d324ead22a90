import Foundation
import Multiformats
import NIOCore
import PeerCrypto
import PeerNode
import Storage
import TestSupport
import Testing

@Suite("A node looks after its repo", .timeLimit(.minutes(2)))
struct MaintenanceTests {
    @Test("Damaged blocks are found, quarantined and fetched again")
    func mend() async throws {
        try await withTemporaryFolder { folder in
            var a = try await makeNode(folder, "a")
            let content = noise(2_000_000, seed: 1)
            let cid = try await a.add(content)
            var b = try await makeNode(folder, "b")
            try await b.connect(a.addresses[0])
            try await b.pin(cid, recursive: true)
            await b.stop()

            // A bit flips on the disk while nobody looks.
            let packs = folder.appendingPathComponent("b/packs")
            let name = try #require(
                try FileManager.default.contentsOfDirectory(atPath: packs.path).first { $0.contains("large") })
            let path = packs.appendingPathComponent(name)
            var bytes = [UInt8](try Data(contentsOf: path))
            bytes[bytes.count / 2] ^= 0x10
            try Data(bytes).write(to: path)

            // Without the other, which it would find again and ask by itself.
            await a.stop()
            b = try await makeNode(folder, "b")
            let alone = try await b.verify()
            #expect(alone.report.damaged.count == 1)
            #expect(!alone.isClean)
            a = try await makeNode(folder, "a")
            try await b.connect(a.addresses[0])
            #expect(try await b.content(cid) == content)
            #expect(try await b.verify().isClean)
            await a.stop()
            await b.stop()
        }
    }

    @Test("Garbage collection takes what nothing keeps, and nothing else")
    func garbage() async throws {
        try await withNodes("a") { nodes, _ in
            let node = nodes[0]
            let kept = try await node.add(noise(900_000, seed: 2))
            let dropped = try await node.add(noise(900_000, seed: 3))
            try await node.unpin(dropped)
            _ = try await node.collectGarbage()
            #expect(try await node.content(kept).readableBytes == 900_000)
            await #expect(throws: (any Error).self) { try await node.content(dropped, timeout: .milliseconds(100)) }
            #expect(try await node.verify().isClean)
        }
    }

    @Test("A second process is refused with a clear message; a restart finds everything")
    func oneProcess() async throws {
        try await withTemporaryFolder { folder in
            let first = try await makeNode(folder, "a")
            let cid = try await first.add(noise(300_000, seed: 4))
            let id = first.peerID
            await #expect(throws: (any Error).self) { try await makeNode(folder, "a") }
            await first.stop()
            let again = try await makeNode(folder, "a")
            #expect(again.peerID == id)
            #expect(try await again.content(cid).readableBytes == 300_000)
            await again.stop()
        }
    }

    @Test("Networks with different keys do not meet")
    func privateNetworks() async throws {
        try await withTemporaryFolder { folder in
            func key(_ name: String, _ digit: String) throws -> String {
                let path = folder.appendingPathComponent(name).path
                let text = "/key/swarm/psk/1.0.0/\n/base16/\n" + String(repeating: digit, count: 32) + "\n"
                try Data(text.utf8).write(to: URL(fileURLWithPath: path))
                return path
            }
            let (one, two) = (try key("one.key", "1a"), try key("two.key", "2b"))
            let a = try await makeNode(folder, "a") { $0.network.swarmKeyFile = one }
            let b = try await makeNode(folder, "b") { $0.network.swarmKeyFile = one }
            let c = try await makeNode(folder, "c") { $0.network.swarmKeyFile = two }
            let content = noise(400_000, seed: 5)
            let cid = try await a.add(content)
            try await b.connect(a.addresses[0])
            #expect(try await b.content(cid) == content)
            await #expect(throws: (any Error).self) { try await c.connect(a.addresses[0]) }
            for node in [a, b, c] { await node.stop() }
        }
    }
}
