import Catalog
import Foundation
import Multiformats
import PeerCrypto
import Testing

@Suite("How much the log takes") struct LogLimitsTests {
    let key = UpdateLogTests.key
    let peer = UpdateLogTests.peer

    /// An author's first updates, made in a log of their own.
    func updates(_ count: Int, key: KeyPair = UpdateLogTests.key, start: UInt64 = 1_000) throws -> [Update] {
        let source = try UpdateLogTests.memory()
        var updates = [try source.create(key: key, recovery: UpdateLogTests.recovery.hash, now: start)]
        while updates.count < count {
            updates.append(
                try source.publish(
                    UpdateLogTests.profile("\(updates.count)"), author: updates[0].author, key: key,
                    now: start + UInt64(updates.count)))
        }
        return updates
    }

    func store(_ updates: [Update], _ log: UpdateLog, from origin: UpdateOrigin, now: UInt64) throws -> [IngestResult] {
        try log.store(updates.map { VerifiedUpdate($0.block) }, from: origin, now: now).results.map(\.result)
    }

    @Test("Gossip of one author is taken at a rate, and pulls are not held to it") func authorRate() throws {
        var limits = LogLimits()
        limits.burst = 5
        let updates = try updates(10)
        let log = try UpdateLogTests.memory(limits)
        let results = try store(updates, log, from: .push(from: peer), now: 10_000)
        #expect(results.prefix(5).allSatisfy { $0 == .accepted })
        #expect(results.dropFirst(5).allSatisfy { $0 == .ignored(.authorRate) })
        #expect(try store([updates[5]], log, from: .push(from: peer), now: 10_900) == [.ignored(.authorRate)])
        #expect(try store([updates[5]], log, from: .push(from: peer), now: 11_000) == [.accepted])
        // A repeat is charged to nobody.
        #expect(try store([updates[0]], log, from: .push(from: peer), now: 11_000) == [.known])
        #expect(try store(Array(updates[6...]), log, from: .pull, now: 11_000).allSatisfy { $0 == .accepted })
        #expect(log.counters.ignored[.authorRate] == 6)
    }

    @Test("Gossip of one author may have so many bytes a minute") func byteRate() throws {
        var limits = LogLimits()
        let updates = try updates(3)
        limits.bytesPerMinute = updates[0].block.count + updates[1].block.count
        let log = try UpdateLogTests.memory(limits)
        let results = try store(updates, log, from: .push(from: peer), now: 10_000)
        #expect(results == [.accepted, .accepted, .ignored(.authorRate)])
        #expect(try store([updates[2]], log, from: .push(from: peer), now: 70_000) == [.accepted])
    }

    @Test("A forwarder brings so many new authors a minute") func newAuthors() throws {
        var limits = LogLimits()
        limits.newAuthorsPerMinute = 2
        let log = try UpdateLogTests.memory(limits)
        let firsts = try (0..<3).map { number in
            try updates(1, key: KeyPair(seed: [UInt8](repeating: UInt8(number + 20), count: 32)))[0]
        }
        let results = try store(firsts, log, from: .push(from: peer), now: 10_000)
        #expect(results == [.accepted, .accepted, .ignored(.newAuthors)])
        let other = UpdateOrigin.push(from: key.peerID)
        #expect(try store([firsts[2]], log, from: other, now: 10_000) == [.accepted])
    }

    @Test("Gossip far ahead of the clock or without its body is ignored, and a pull takes it") func aheadAndBare()
        throws
    {
        let updates = try updates(2, start: 10_000_000)
        let log = try UpdateLogTests.memory()
        let now = updates[0].time - 600_001
        #expect(try store([updates[0]], log, from: .push(from: peer), now: now) == [.ignored(.ahead)])
        #expect(try store([updates[0]], log, from: .push(from: peer), now: now + 1) == [.accepted])
        let bare = VerifiedUpdate(Array(updates[1].headerBytes))
        let pushed = try log.store([bare], from: .push(from: peer), now: 10_000_000)
        #expect(pushed.results[0].result == .ignored(.noBody))
        let pulled = try log.store([bare], from: .pull, now: 0)
        #expect(pulled.results[0].result == .accepted)
        #expect(try log.missing(limit: 10).map(\.id) == [updates[1].id])
        #expect(try store([updates[1]], log, from: .pull, now: 0) == [.completed])
        #expect(try log.missing(limit: 10).isEmpty)
        #expect(try log.blocks([updates[1].id])[0]?.block == updates[1].block)
    }

    @Test("What waits is limited by author, in all and in time") func held() throws {
        var limits = LogLimits()
        limits.heldPerAuthor = 3
        let updates = try updates(8)
        let log = try UpdateLogTests.memory(limits)
        let results = try store(Array(updates[2...].reversed()), log, from: .push(from: peer), now: 10_000)
        #expect(results.filter { $0 == .ignored(.missingAncestors) }.count == 3)
        let late = try log.store([], from: .pull, now: 70_000)
        #expect(late.expired == [updates[7].id, updates[6].id, updates[5].id])
        #expect(try store([updates[0], updates[1]], log, from: .pull, now: 70_000) == [.accepted, .accepted])
        #expect(try log.author(updates[0].author)?.updates == 2)
    }

    @Test("Beyond the quota of an author ids are kept and bytes are not, unless somebody here follows") func quota()
        throws
    {
        var limits = LogLimits()
        limits.authorUpdates = 3
        let updates = try updates(5)
        let log = try UpdateLogTests.memory(limits)
        let results = try store(updates, log, from: .pull, now: 10_000)
        #expect(results == [.accepted, .accepted, .accepted, .notHeld, .notHeld])
        #expect(try log.totals().updates == 5)
        #expect(try log.totals().held == 3)
        let bytes = updates[..<3].map(\.block.count).reduce(0, +)
        #expect(try log.totals().bytes == Int64(bytes))
        #expect(try log.blocks([updates[4].id])[0] == nil)
        #expect(try store([updates[4]], log, from: .pull, now: 10_000) == [.known])
        try log.setFollowed([updates[0].author])
        #expect(try store([updates[4], updates[3]], log, from: .pull, now: 10_000) == [.completed, .completed])
        #expect(try log.blocks([updates[4].id])[0]?.block == updates[4].block)
        #expect(try log.totals().held == 5)
    }

    @Test("Of a blocked author only ids are kept, and an unblocked one can be asked for again") func blocked() throws {
        let updates = try updates(4)
        let sink = RecordingSink()
        let log = try UpdateLog(CatalogDatabase(path: ":memory:"), sink: sink)
        let author = updates[0].author
        _ = try store(Array(updates[..<3]), log, from: .pull, now: 0)
        try log.block(author, now: 0)
        #expect(try log.blocked() == [author])
        #expect(sink.owners == [author: [updates[0].id]])
        #expect(try store([updates[3]], log, from: .push(from: peer), now: 2_000) == [.ignored(.blocked)])
        #expect(try store([updates[3]], log, from: .pull, now: 0) == [.notHeld])
        #expect(try log.missing(limit: 10).isEmpty)
        try log.unblock(author, now: 0)
        #expect(try log.missing(limit: 10).map(\.id) == updates[1...].map(\.id))
        #expect(try store(updates, log, from: .pull, now: 0) == [.known, .completed, .completed, .completed])
        #expect(sink.owners == [author: Set(updates.map(\.id))])
        #expect(try log.totals().bytes == Int64(updates.map(\.block.count).reduce(0, +)))
    }
}

extension LogLimitsTests {
    /// An update that says it is `author`'s and continues what nobody has, signed by a key of its own.
    func stray(_ author: AuthorID, key: KeyPair, _ number: UInt64) throws -> Update {
        try Update.sign(
            UpdateLogTests.profile("\(number)"), author: author, prev: [Digest32(words: (1, 2, 3, number))], seq: 9,
            time: 9_000 + number, with: key)
    }

    @Test("Nobody uses up the rate of another by naming them, nor the places in which others wait") func strangers()
        throws
    {
        var limits = LogLimits()
        limits.burst = 5
        limits.heldPerAuthor = 3
        limits.newAuthorsPerMinute = 6
        let updates = try updates(4)
        let author = updates[0].author
        let log = try UpdateLogTests.memory(limits)
        #expect(try store([updates[0]], log, from: .push(from: peer), now: 10_000) == [.accepted])
        let thief = KeyPair(seed: [UInt8](repeating: 66, count: 32))
        let strays = try (0..<9).map { try stray(author, key: thief, $0) }
        let results = try store(strays, log, from: .push(from: peer), now: 10_000)
        // Three wait, two found no place, and then the key that signed them has no rate left.
        #expect(results.filter { if case .held = $0 { true } else { false } }.count == 3)
        #expect(results.filter { $0 == .ignored(.missingAncestors) }.count == 2)
        #expect(results.filter { $0 == .ignored(.authorRate) }.count == 4)
        // The author's own still wait, and come in.
        let late = try store([updates[3], updates[2]], log, from: .push(from: peer), now: 10_000)
        #expect(late == [.held(missing: [updates[2].id]), .held(missing: [updates[1].id])])
        #expect(try store([updates[1]], log, from: .push(from: peer), now: 10_000) == [.accepted])
        #expect(try log.author(author)?.heads == [updates[3].id])
        // However many keys somebody makes, one peer brings so many of them a minute.
        let many = try (0..<5).map {
            try stray(author, key: KeyPair(seed: [UInt8](repeating: 70 + $0, count: 32)), 100)
        }
        let counted = try store(many, log, from: .push(from: peer), now: 10_000)
        #expect(counted.dropFirst().allSatisfy { $0 == .ignored(.newAuthors) })
        let other = try store([many[4]], log, from: .push(from: key.peerID), now: 10_000)
        #expect(other == [.held(missing: many[4].header.prev)])
    }

    @Test("What a small quota leaves counts as it does everywhere", arguments: 51...58 as ClosedRange<UInt64>)
    func quotaAndRights(seed: UInt64) throws {
        let history = try RandomHistory(seed: seed, authors: 4, updates: 160)
        let obvious = ObviousRights(history.updates)
        var limits = LogLimits()
        limits.authorUpdates = 12
        let log = try UpdateLogTests.memory(limits)
        let batch = history.updates.map { VerifiedUpdate($0.block) }
        let report = try log.store(batch, from: .pull, now: 0)
        #expect(report.results.contains { $0.result == .notHeld })
        func check(_ note: Comment) throws {
            for update in history.updates {
                guard let entry = try log.entry(update.id) else { continue }
                #expect(entry.counts == obvious.counts(update), "\(note): seed \(seed), \(update.kind)")
            }
            for author in history.authors {
                #expect(try log.author(author.id)?.heads == obvious.heads(of: author.id), "\(note): seed \(seed)")
            }
        }
        try check("beyond the quota")
        // All that did not find room comes after all.
        try log.setFollowed(Set(history.authors.map(\.id)))
        _ = try log.store(batch, from: .pull, now: 0)
        #expect(try log.totals().held >= history.updates.filter { obvious.counts($0) }.count)
        try check("with everything")
    }

    @Test("Whoever changes rights all the time to keep others busy is not listened to, unless followed") func work()
        throws
    {
        let source = try UpdateLogTests.memory()
        let first = try source.create(key: key, recovery: UpdateLogTests.recovery.hash, now: 1_000)
        var updates = [first]
        for number in 0..<10 {
            let last = try source.publish(
                UpdateLogTests.profile("\(number)"), author: first.author, key: key, now: 2_000)
            updates += [
                last, try source.publish(.forget(ForgetBody([last.id])), author: first.author, key: key, now: 2_000),
            ]
        }
        var limits = LogLimits()
        limits.work = 100
        let log = try UpdateLogTests.memory(limits)
        let results = try updates.map { try store([$0], log, from: .pull, now: 0)[0] }
        let stop = try #require(results.firstIndex(of: .ignored(.work)))
        #expect(updates[stop].kind == .forget)
        #expect(results[..<stop].allSatisfy { $0 == .accepted })
        #expect(stop > 4)
        // It is forgiven with time: an honest author comes late, not never.
        #expect(try store([updates[stop]], log, from: .pull, now: 0) == [.ignored(.work)])
        for _ in 0..<2 { _ = try log.sweep(now: 10) }
        #expect(try store([updates[stop]], log, from: .pull, now: 0) == [.accepted])
        try log.setFollowed([first.author])
        // What had waited for it comes in with it, and is known when its own turn comes.
        let rest = try store(Array(updates[(stop + 1)...]), log, from: .pull, now: 0)
        #expect(rest.allSatisfy { $0 == .accepted || $0 == .known })
        #expect(try log.totals().updates == updates.count)
    }
}
