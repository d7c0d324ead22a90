import DHT
import Foundation
import Logging
import Multiformats
import NIOCore
import PeerNode
import Synchronization
import TestSupport
import Testing
import Transport

@Suite("The way into the network", .timeLimit(.minutes(2)))
struct BootstrapTests {
    @Test("Bootstrap peers are added to and taken from the file, and nothing else in it changes")
    func editing() async throws {
        try await withTemporaryFolder { folder in
            let node = try await makeNode(folder, "a", online: false)
            let peer = try await makeNode(folder, "b", online: false)
            let path = folder.appendingPathComponent("a/config.toml").path
            let before = try String(contentsOfFile: path, encoding: .utf8)
            let address = try Multiaddr("/ip4/192.0.2.1/tcp/4101").appending(peer.peerID)
            try node.addBootstrap(address)
            try node.addBootstrap(address)
            #expect(node.bootstrapPeers() == [address])
            #expect(
                try NodeConfiguration.load(repository: folder.appendingPathComponent("a").path).network.bootstrap
                    == [address.description])
            let after = try String(contentsOfFile: path, encoding: .utf8)
            for line in before.split(separator: "\n") { #expect(after.contains(line)) }
            #expect(try node.removeBootstrap(address))
            #expect(try !node.removeBootstrap(address))
            try node.addBootstrap(address)
            #expect(try node.removeAllBootstrap() == [address])
            #expect(node.bootstrapPeers().isEmpty)
            #expect(throws: NodeError.self) { try node.addBootstrap(try Multiaddr("/ip4/192.0.2.1/tcp/4101")) }
            #expect(throws: NodeError.self) { try node.addDefaultBootstrap() }
            await node.stop()
            await peer.stop()
        }
    }

    @Test("The public network's peers are offered to its nodes only")
    func defaults() async throws {
        try await withTemporaryFolder { folder in
            let node = try await makeNode(folder, "a", online: false) { $0.network.name = "ipfs" }
            let all = try node.addDefaultBootstrap()
            #expect(all.count == 6)
            #expect(node.bootstrapPeers() == all)
            await node.stop()
        }
    }

    @Test("In the public network a loopback node serves the local DHT, and only asks in the wide one")
    func publicNetwork() async throws {
        try await withSwarm(.streams) { swarm in
            let a = try await swarm.start("a") { $0.network.name = "ipfs" }
            let b = try await swarm.start("b", bootstrap: a) { $0.network.name = "ipfs" }
            let status = try await a.dhtStatus()
            #expect(status.map(\.name) == ["wan", "lan"])
            #expect(status.map(\.mode) == [.client, .server])
            #expect(status.map(\.protocolID) == ["/ipfs/kad/1.0.0", "/ipfs/lan/kad/1.0.0"])
            try await b.knows(a)
            let content = noise(3_000, seed: 1)
            let cid = try await a.add(content)
            try await b.learns(that: a, has: cid)
            #expect(try await b.content(cid) == content)
            // Loopback addresses are never of the wide network.
            #expect(try await b.dhtStatus()[0].peerCount == 0)
        }
    }

    @Test("A bootstrap peer that comes up late is found")
    func lateBootstrap() async throws {
        try await withSwarm(.streams) { swarm in
            let hub = try await swarm.start("hub")
            let address = hub.addresses[0]
            await swarm.stop("hub")
            let node = try await swarm.start("node") { $0.network.bootstrap = [address.description] }
            let port = try #require(address.tcp?.port)
            let again = try await swarm.start("hub") { $0.network.listen = ["/ip4/127.0.0.1/tcp/\(port)"] }
            try await node.knows(again)
        }
    }

    @Test("Peers are told the addresses that the owner set, and only those")
    func announcedAddresses() async throws {
        try await withSwarm(.datagrams) { swarm in
            let told = "/ip4/192.0.2.7/tcp/4101"
            let node = try await swarm.start("node") { $0.network.announce = [told] }
            #expect(node.addresses.map(\.withoutPeerID.description) == [told])
        }
        await #expect(throws: (any Error).self) {
            try await withSwarm(.streams) { try await $0.start("node") { $0.network.announce = ["nonsense"] } }
        }
    }

    @Test("A node that listens on loopback only looks for no neighbours")
    func noMulticast() async throws {
        try await withTemporaryFolder { folder in
            let medium = CountingMedium()
            try await makeNode(folder, "a", online: false).stop()
            var configuration = try NodeConfiguration.load(repository: folder.appendingPathComponent("a").path)
            configuration.network.listen = Ways.datagrams.listen
            let node = try await Node.open(configuration, logger: .init(label: "test"), discovery: medium)
            try await node.start()
            #expect(node.addresses.contains { $0.description.contains("/udp/") })
            await node.stop()
            #expect(medium.looks.withLock { $0 } == 0)
        }
    }
}

/// Counts how often anybody looks for links.
private final class CountingMedium: DiscoveryMedium {
    let looks = Mutex(0)

    func links() -> [LocalDiscovery.Link] {
        looks.withLock { $0 += 1 }
        return []
    }

    func open(
        _ link: LocalDiscovery.Link, on loop: any EventLoop,
        receive: @escaping @Sendable (_ packet: [UInt8], _ from: IPAddress) -> Void
    ) async throws -> any DiscoverySocket {
        throw CancellationError()
    }
}
