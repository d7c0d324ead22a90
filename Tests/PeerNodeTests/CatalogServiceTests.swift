import Catalog
import Foundation
import Multiformats
import NIOCore
import PeerCrypto
import PeerNode
import SansIO
import Synchronization
import TestSupport
import Testing
import Transport

/// What a node says and hears in its catalog: alone, and by pulls.
@Suite struct CatalogServiceTests {
    @Test("An author is made, publishes and is read without a network")
    func offline() async throws {
        try await withTemporaryFolder { folder in
            var node = try await makeNode(folder, "a", online: false)
            #expect(try node.catalog.currentAuthor() == nil)
            await #expect(throws: CatalogServiceError.noAuthor) { try await node.publish(name: "Nobody") }
            let (author, recovery) = try await node.catalog.createAuthor(name: "ann")
            #expect(recovery.words.count == 33)
            try await node.publish(name: "Ann")
            #expect(try node.name(of: author) == "Ann")
            let digest = try await node.catalog.digest()
            let status = try await node.catalog.status()
            #expect(status.updates == 2 && status.held == 2 && status.authors == 1 && status.digest == digest)
            await #expect(throws: NodeError.self) { try await node.catalog.sync() }
            await node.stop()
            // All of it is there after a restart: the author in use, the log, the view, the fingerprint.
            node = try await makeNode(folder, "a", online: false)
            #expect(try node.catalog.currentAuthor() == author)
            let after = try await node.catalog.digest()
            #expect(after == digest)
            let update = try await node.publish(name: "Anna")
            #expect(update.seq == 2)
            #expect(try node.name(of: author) == "Anna")
            let found = try await node.catalog.verify()
            #expect(found.isClean && found.updates == 3)
            await node.stop()
        }
    }

    @Test("A passphrase is asked for once")
    func locked() async throws {
        try await withTemporaryFolder { folder in
            var node = try await makeNode(folder, "a", online: false)
            let (author, _) = try await node.catalog.createAuthor(name: "ann", passphrase: "secret words")
            // The key was just made; it is at hand until the node stops.
            try await node.publish(name: "Ann")
            await node.stop()
            node = try await makeNode(folder, "a", online: false)
            await #expect(throws: CatalogServiceError.locked(author)) { try await node.publish(name: "Anna") }
            await #expect(throws: (any Error).self) { try await node.catalog.unlock(author, passphrase: "others") }
            try await node.catalog.unlock(author, passphrase: "secret words")
            try await node.publish(name: "Anna")
            #expect(try node.name(of: author) == "Anna")
            await node.stop()
        }
    }

    @Test("What was published is on the disk, whatever happens to the process next")
    func killed() async throws {
        try await withTemporaryFolder { folder in
            let node = try await makeNode(folder, "a", online: false)
            let (author, _) = try await node.catalog.createAuthor(name: "ann")
            for round in 1...4 {
                let update = try await node.publish(name: "Ann \(round)")
                // The disk at this moment, while the other process is still there: nothing was closed.
                let copy = "copy\(round)"
                try FileManager.default.copyItem(
                    at: folder.appendingPathComponent("a"), to: folder.appendingPathComponent(copy))
                let reborn = try await makeNode(folder, copy, online: false)
                let summary = try await reborn.catalog.author(author)
                #expect(summary?.heads == [update.id])
                #expect(try reborn.name(of: author) == "Ann \(round)")
                #expect(try reborn.catalog.currentAuthor() == author)
                let next = try await reborn.publish(name: "again")
                #expect(next.seq == update.seq + 1)
                await reborn.stop()
            }
            await node.stop()
        }
    }

    @Test("A damaged file is set aside, and what is left goes on")
    func damaged() async throws {
        try await withTemporaryFolder { folder in
            var node = try await makeNode(folder, "a", online: false)
            let (author, _) = try await node.catalog.createAuthor(name: "ann")
            try await node.publish(name: "Ann")
            await node.stop()
            let file = folder.appendingPathComponent("a/catalog.sqlite")
            try Data(repeating: 7, count: 8_192).write(to: file)
            node = try await makeNode(folder, "a", online: false)
            let status = try await node.catalog.status()
            #expect(status.updates == 0 && status.setAside != nil)
            // The key is still there, and its first update with it.
            let update = try await node.publish(name: "Anna")
            #expect(update.seq == 1)
            #expect(try node.name(of: author) == "Anna")
            await node.stop()
        }
    }

    @Test("Two nodes that wrote apart, and one that comes late, have the same catalog by pulls alone")
    func converge() async throws {
        try await withTemporaryFolder { folder in
            var authors: [AuthorID] = []
            for name in ["a", "b"] {
                let node = try await makeNode(folder, name, online: false)
                authors.append(try await node.catalog.createAuthor(name: name).author)
                for number in 0..<20 { try await node.publish(name: "\(name) \(number)") }
                await node.stop()
            }
            let a = try await makeNode(folder, "a") { $0.pubsub.enabled = false }
            let b = try await makeNode(folder, "b") { $0.pubsub.enabled = false }
            let before = try await a.catalog.digest()
            try await a.connect(to: b)
            try await eventually {
                let (one, other) = (try await a.catalog.digest(), try await b.catalog.digest())
                return one == other && one != before
            }
            #expect(try b.name(of: authors[0]) == "a 19" && a.name(of: authors[1]) == "b 19")
            let late = try await makeNode(folder, "c") { $0.pubsub.enabled = false }
            try await late.connect(to: b)
            try await late.reaches(try await a.catalog.digest())
            #expect(try late.name(of: authors[0]) == "a 19" && late.name(of: authors[1]) == "b 19")
            let status = try await late.catalog.status()
            #expect(status.updates == 42 && status.peers >= 1 && status.counters.accepted == 42)
            for node in [late, a, b] { await node.stop() }
            // And after a restart nothing is pulled again.
            let again = try await makeNode(folder, "c", online: false)
            let digest = try await again.catalog.digest()
            #expect(digest == status.digest)
            await again.stop()
        }
    }

    @Test("What one publishes reaches nodes two steps away by gossip, before any pull is due")
    func pushed() async throws {
        try await withNodes("a", "b", "c") { nodes, _ in
            let (a, c) = (nodes[0], nodes[2])
            try await a.connect(to: nodes[1])
            try await nodes[1].connect(to: c)
            // Pulls come first, so that the next ones are a minute away.
            try await eventually {
                var whole = 0
                for node in nodes { whole += try await node.catalog.status().pulls.whole }
                return whole >= 4
            }
            let (author, _) = try await a.catalog.createAuthor(name: "ann")
            let start = ContinuousClock.now
            for number in 0..<10 { try await a.publish(name: "\(number)") }
            try await c.reaches(try await a.catalog.digest())
            #expect(ContinuousClock.now - start < .seconds(20))
            #expect(try c.name(of: author) == "9")
            let gossip = try await c.catalog.status().gossip
            #expect(gossip.accepted > 0 && gossip.rejected == 0)
        }
    }

    @Test("A backup that was restored learns what its author said since, before it signs anything")
    func restored() async throws {
        try await withTemporaryFolder { folder in
            var a = try await makeNode(folder, "a", online: false)
            let (author, _) = try await a.catalog.createAuthor(name: "ann")
            try await a.publish(name: "before")
            await a.stop()
            let (place, backup) = (folder.appendingPathComponent("a"), folder.appendingPathComponent("backup"))
            try FileManager.default.copyItem(at: place, to: backup)
            a = try await makeNode(folder, "a", online: false)
            let last = try await a.publish(name: "after")
            await a.stop()
            a = try await makeNode(folder, "a")
            let witness = try await makeNode(folder, "witness")
            try await witness.connect(to: a)
            try await witness.reaches(try await a.catalog.digest())
            await a.stop()
            // The witness gave the old one a session; a third node has it from the witness and takes the new one's.
            let third = try await makeNode(folder, "third")
            try await third.connect(to: witness)
            try await third.reaches(try await witness.catalog.digest())
            try FileManager.default.removeItem(at: place)
            try FileManager.default.moveItem(at: backup, to: place)
            a = try await makeNode(folder, "a") {
                $0.network.bootstrap = third.addresses.map(\.description)
            }
            let next = try await a.publish(name: "restored")
            #expect(next.seq == last.seq + 1 && next.header.prev == [last.id])
            let summary = try await a.catalog.author(author)
            #expect(summary?.isEquivocated == false)
            for node in [a, witness, third] { await node.stop() }
        }
    }

    @Test("A pull on demand says what it did; a second waits its turn")
    func demanded() async throws {
        try await withTemporaryFolder { folder in
            let a = try await makeNode(folder, "a", online: false)
            _ = try await a.catalog.createAuthor(name: "ann")
            await a.stop()
            let one = try await makeNode(folder, "a") { $0.catalog.settleTime = .zero }
            let other = try await makeNode(folder, "b")
            await #expect(throws: CatalogServiceError.noPeers) { try await other.catalog.sync() }
            try await other.connect(to: one)
            let service = other.catalog
            let report = try await service.sync(with: one.peerID)
            #expect(report.outcome.result == .whole && report.accepted == 1 && report.peer == one.peerID)
            let digests = [try await one.catalog.digest(), try await service.digest()]
            #expect(digests[0] == digests[1])
            let stranger = KeyPair(seed: [UInt8](repeating: 77, count: 32)).peerID
            await #expect(throws: NodeError.self) { try await service.sync(with: stranger) }
            await other.stop()
            await one.stop()
        }
    }

    @Test("Events come in order, from any place on, and over a restart")
    func events() async throws {
        try await withTemporaryFolder { folder in
            var node = try await makeNode(folder, "a", online: false)
            let (author, _) = try await node.catalog.createAuthor(name: "ann")
            let live = node.catalog.events()
            let first = try await node.publish(name: "1")
            let second = try await node.publish(name: "2")
            var ids: [UpdateID] = []
            for await event in live {
                ids.append(event.update.id)
                if ids.count == 2 { break }
            }
            #expect(ids == [first.id, second.id])
            await node.stop()
            node = try await makeNode(folder, "a", online: false)
            let all = try await node.catalog.updates(of: author)
            #expect(all.map(\.update.seq) == [0, 1, 2] && all.map(\.id) == all.map(\.id).sorted())
            let stream = node.catalog.events(after: all[1].id)
            var iterator = stream.makeAsyncIterator()
            let next = await iterator.next()
            #expect(next?.update.id == second.id)
            let third = try await node.publish(name: "3")
            let last = await iterator.next()
            #expect(last?.update.id == third.id)
            await node.stop()
            let end = await iterator.next()
            #expect(end == nil)
        }
    }

    @Test("An export holds everything; a damaged one is told")
    func transfer() async throws {
        try await withTemporaryFolder { folder in
            let a = try await makeNode(folder, "a", online: false)
            let (author, _) = try await a.catalog.createAuthor(name: "ann")
            for number in 0..<30 { try await a.publish(name: "\(number)") }
            let path = folder.appendingPathComponent("all.catalog").path
            let length = try await a.catalog.export(to: path)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count == length)
            let b = try await makeNode(folder, "b", online: false)
            let report = try await b.catalog.import(from: path)
            #expect(report.read == 31 && report.accepted == 31 && report.rejected == 0)
            let digests = [try await a.catalog.digest(), try await b.catalog.digest()]
            #expect(digests[0] == digests[1])
            #expect(try b.name(of: author) == "29")
            let again = try await b.catalog.import(from: path)
            #expect(again.known == 31 && again.accepted == 0)
            // Cut anywhere, or with a byte changed, it is refused; and what is no export is told as such.
            let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            let c = try await makeNode(folder, "c", online: false)
            let broken = folder.appendingPathComponent("broken").path
            for length in [20, bytes.count / 2, bytes.count - 1] {
                try bytes.prefix(length).write(to: URL(fileURLWithPath: broken))
                await #expect(throws: CatalogServiceError.self) { try await c.catalog.import(from: broken) }
            }
            // What came before a damage is good, and nothing else is taken.
            var changed = bytes
            changed[changed.count - 100] ^= 1
            try changed.write(to: URL(fileURLWithPath: broken))
            let d = try await makeNode(folder, "d", online: false)
            let rest = try await d.catalog.import(from: broken)
            #expect(rest.accepted == 30 && rest.rejected == 1)
            let missing = folder.appendingPathComponent("nowhere").path
            await #expect(throws: CatalogServiceError.cannotRead(missing)) { try await c.catalog.import(from: missing) }
            try Data("something else".utf8).write(to: URL(fileURLWithPath: broken))
            await #expect(throws: CatalogServiceError.notAnExport(broken)) {
                try await c.catalog.import(from: broken)
            }
            for node in [a, b, c, d] { await node.stop() }
        }
    }

    @Test("A clock is judged by the median of five peers, those heard last")
    func clocks() async throws {
        let clocks = PeerClocks(now: { 0 })
        func peer(_ number: UInt8) -> PeerID { KeyPair(seed: [UInt8](repeating: number, count: 32)).peerID }
        for (number, theirs) in [1_000, 900, 5_000_000, 1_100].enumerated() {
            clocks.note(peer(UInt8(number)), theirs: UInt64(theirs), ours: 1_000)
        }
        #expect(clocks.offset == nil)
        clocks.note(peer(4), theirs: 0, ours: 1_000)
        #expect(clocks.offset == 0)
        // The same peer counts once; the oldest make room.
        for _ in 0..<9 { clocks.note(peer(4), theirs: .max, ours: 1_000) }
        #expect(clocks.offset == -100)
        for number in 5..<10 { clocks.note(peer(UInt8(number)), theirs: 1_000, ours: 400_000) }
        #expect(clocks.offset == 399_000)
        // Nodes tell each other their time, and here all have the same.
        try await withNodes("a", "b", "c", "d", "e", "f") { nodes, _ in
            for node in nodes.dropFirst() { try await node.connect(to: nodes[0]) }
            try await eventually { try await nodes[0].catalog.status().clockOffset != nil }
            let offset = try await nodes[0].catalog.status().clockOffset
            #expect((offset ?? .max).magnitude < 10_000)
        }
    }

    @Test("Of a blocked author nothing is kept or shown; what went comes back when the block does not")
    func blocked() async throws {
        try await withTemporaryFolder { folder in
            let a = try await makeNode(folder, "a", online: false)
            let (author, _) = try await a.catalog.createAuthor(name: "ann")
            try await a.publish(name: "Ann")
            let path = folder.appendingPathComponent("all.catalog").path
            _ = try await a.catalog.export(to: path)
            let b = try await makeNode(folder, "b", online: false)
            _ = try await b.catalog.import(from: path)
            #expect(try b.name(of: author) == "Ann")
            try await b.catalog.block(author, reason: "noise")
            #expect(try b.name(of: author) == nil)
            var status = try await b.catalog.status()
            #expect(status.blocked == [author])
            // Ids stay, so that the fingerprints agree.
            let digests = [try await a.catalog.digest(), try await b.catalog.digest()]
            #expect(digests[0] == digests[1])
            try await b.catalog.unblock(author)
            status = try await b.catalog.status()
            #expect(status.blocked.isEmpty && status.missing == 1)
            let report = try await b.catalog.import(from: path)
            #expect(report.completed == 1)
            #expect(try b.name(of: author) == "Ann")
            await b.stop()
            await a.stop()
        }
    }
}
