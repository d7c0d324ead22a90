import Catalog
import GRDB
import Multiformats
import NIOCore
import PeerCrypto
import SansIO
import Testing

/// Sessions between logs of signed updates.
@Suite struct LogSyncTests {
    /// A node with a log and the set beside it, as a shell keeps them.
    struct Node: SyncNode {
        let log: UpdateLog
        var tree = SumTree()
        var now: UInt64

        init(now: UInt64, limits: LogLimits = LogLimits(), hasView: Bool = false) throws {
            let database = try CatalogDatabase(path: ":memory:")
            if hasView { try CatalogView.open(database) }
            log = try UpdateLog(database, limits: limits, sink: hasView ? CatalogView() : nil)
            self.now = now
        }

        func answer(_ ids: [UpdateID]) -> SyncSession.Input { (log as any UpdateSource).answer(ids) }

        mutating func take(_ blocks: [SyncBlock]) -> Bool {
            let batch = blocks.map { VerifiedUpdate(Array($0.bytes.readableBytesView)) }
            guard let report = try? log.store(batch, from: .pull, now: now) else { return false }
            for (time, id) in report.added { tree.insert(UpdateKey(time: time, digest: id)) }
            return !report.results.contains { result in
                if case .rejected = result.result { true } else { false }
            }
        }

        mutating func note(_ update: Update) { tree.insert(UpdateKey(update)) }
    }

    private struct Writer {
        let key: KeyPair
        var author: AuthorID?

        init(_ number: Int) { key = KeyPair(seed: [UInt8](repeating: UInt8(number + 1), count: 32)) }
    }

    private static func body(_ generator: inout SeededGenerator) -> UpdateBody {
        var body = ProfileBody()
        body.name = .set("name \(generator.next() % 1_000)")
        return .profile(body)
    }

    private static func sync(_ one: Node, _ other: Node, seed: UInt64) -> SyncPair<Node> {
        var pair = SyncPair(one, other, seed: seed, time: UpdateKey.time(ofHeader:))
        pair.run()
        return pair
    }

    /// Authors write on any node that knows them, so that logs fork; nodes pull from random others meanwhile. In the
    /// end all are equal: the sets, the logs, and what a log says after a start.
    @Test(arguments: 1...8 as ClosedRange<UInt64>)
    func allLogsBecomeEqual(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var clock: UInt64 = 1_700_000_000_000
        var nodes = try (0..<5).map { _ in try Node(now: clock) }
        var writers = (0..<4).map(Writer.init)
        let recovery = RecoveryKey(seed: SecretBytes([UInt8](repeating: 9, count: 32)))
        for _ in 0..<160 {
            clock += UInt64.random(in: 0..<3, using: &generator)
            let index = Int.random(in: 0..<nodes.count, using: &generator)
            nodes[index].now = clock
            if Int.random(in: 0..<8, using: &generator) == 0 {
                let other = (index + Int.random(in: 1..<nodes.count, using: &generator)) % nodes.count
                let pair = LogSyncTests.sync(nodes[index], nodes[other], seed: generator.next())
                #expect(pair.outcomes.map { $0?.result } == [.whole, .whole] && pair.isEqual, "seed \(seed)")
                (nodes[index], nodes[other]) = (pair.shelves[0], pair.shelves[1])
                continue
            }
            let writer = Int.random(in: 0..<writers.count, using: &generator)
            if let author = writers[writer].author {
                // A node that does not know the author yet cannot write for it.
                guard try nodes[index].log.author(author) != nil else { continue }
                let update = try nodes[index].log.publish(
                    LogSyncTests.body(&generator), author: author, key: writers[writer].key, now: clock)
                nodes[index].note(update)
            } else {
                let update = try nodes[index].log.create(
                    key: writers[writer].key, recovery: recovery.hash, now: clock)
                writers[writer].author = update.author
                nodes[index].note(update)
            }
        }
        var rounds = 0
        while Set(nodes.map(\.tree.digest)).count > 1, rounds < 20 {
            rounds += 1
            for index in nodes.indices.shuffled(using: &generator) {
                let other = (index + Int.random(in: 1..<nodes.count, using: &generator)) % nodes.count
                let pair = LogSyncTests.sync(nodes[index], nodes[other], seed: generator.next())
                (nodes[index], nodes[other]) = (pair.shelves[0], pair.shelves[1])
            }
        }
        #expect(rounds < 10, "seed \(seed): \(rounds)")
        for node in nodes {
            #expect(try SumTree(node.log).digest == nodes[0].tree.digest, "seed \(seed)")
            for author in writers.compactMap(\.author) {
                let (mine, first) = (try node.log.author(author), try nodes[0].log.author(author))
                #expect(mine?.heads == first?.heads && mine?.updates == first?.updates, "seed \(seed)")
                #expect(mine?.isEquivocated == first?.isEquivocated, "seed \(seed)")
            }
        }
    }

    /// Histories with rotations, grants, revokes and forgetting, of which every node has another part: after pulls in
    /// random order all have equal sets and equal views, and the view is that of everything merged at once.
    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func allViewsBecomeEqual(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let history = try RandomHistory(seed: seed, authors: 4, updates: 120)
        let obvious = ObviousRights(history.updates)
        let expected = try CatalogDatabase(path: ":memory:").write { database in
            _ = try CatalogView.prepare(database)
            try CatalogView().apply(history.updates.filter { obvious.counts($0) }, in: database)
            return try ViewFingerprint.of(database)
        }
        var nodes = try (0..<5).map { _ in try Node(now: 1_000, hasView: true) }
        for index in nodes.indices {
            for (number, author) in history.authors.enumerated() {
                // A beginning of each log, and all of one's own.
                let count =
                    number == index ? author.updates.count : Int.random(in: 0...author.updates.count, using: &generator)
                let blocks = author.updates.prefix(count).map { SyncBlock($0) }
                let isValid = nodes[index].take(blocks)
                #expect(isValid, "seed \(seed)")
            }
        }
        var rounds = 0
        while Set(nodes.map(\.tree.digest)).count > 1, rounds < 20 {
            rounds += 1
            let one = Int.random(in: 0..<5, using: &generator)
            let other = (one + Int.random(in: 1..<5, using: &generator)) % 5
            let pair = LogSyncTests.sync(nodes[one], nodes[other], seed: generator.next())
            #expect(pair.outcomes.map { $0?.result } == [.whole, .whole], "seed \(seed)")
            (nodes[one], nodes[other]) = (pair.shelves[0], pair.shelves[1])
        }
        let everything = SumTree(history.updates.map { UpdateKey($0) })
        for node in nodes {
            #expect(node.tree.digest == everything.digest, "seed \(seed) after \(rounds) pulls")
            let view = try node.log.database.read { try ViewFingerprint.of($0) }
            #expect(view == expected, "seed \(seed)")
        }
    }

    /// A late joiner has the whole log after one session, and every update verified.
    @Test func lateJoiner() throws {
        var generator = SeededGenerator(seed: 71)
        var source = try Node(now: 1_700_000_000_000)
        let recovery = RecoveryKey(seed: SecretBytes([UInt8](repeating: 9, count: 32)))
        let writer = Writer(0)
        let first = try source.log.create(key: writer.key, recovery: recovery.hash, now: source.now)
        source.note(first)
        for number in 0..<300 {
            let update = try source.log.publish(
                LogSyncTests.body(&generator), author: first.author, key: writer.key, now: source.now + UInt64(number))
            source.note(update)
        }
        let pair = LogSyncTests.sync(try Node(now: source.now), source, seed: 5)
        #expect(pair.outcomes[0]?.result == .whole && pair.isEqual)
        #expect(pair.sessions[0].figures.updatesReceived == 301)
        #expect(pair.shelves[0].log.counters.accepted == 301)
        #expect(try pair.shelves[0].log.author(first.author)?.heads == source.log.author(first.author)?.heads)
    }

    /// A full log keeps the ids of what it does not hold: it neither asks for it again nor fails those that ask it.
    @Test func quotasDoNotRepeatThemselves() throws {
        var generator = SeededGenerator(seed: 72)
        var source = try Node(now: 1_700_000_000_000)
        let recovery = RecoveryKey(seed: SecretBytes([UInt8](repeating: 9, count: 32)))
        let writer = Writer(0)
        let first = try source.log.create(key: writer.key, recovery: recovery.hash, now: source.now)
        source.note(first)
        for number in 0..<60 {
            let update = try source.log.publish(
                LogSyncTests.body(&generator), author: first.author, key: writer.key, now: source.now + UInt64(number))
            source.note(update)
        }
        var limits = LogLimits()
        limits.authorUpdates = 20
        let small = LogSyncTests.sync(try Node(now: source.now, limits: limits), source, seed: 1)
        #expect(small.isEqual && small.shelves[0].log.counters.notHeld == 41)
        let again = LogSyncTests.sync(small.shelves[0], source, seed: 2)
        #expect(again.sessions[0].figures.updatesReceived == 0)
        #expect(again.outcomes[0]?.result == .whole)
        // From the small one a third node gets what there is, and from the large one the rest.
        let third = LogSyncTests.sync(try Node(now: source.now), small.shelves[0], seed: 3)
        #expect(third.outcomes.map { $0?.result } == [.whole, .whole] && third.shelves[0].tree.count == 20)
        let rest = LogSyncTests.sync(third.shelves[0], source, seed: 4)
        #expect(rest.isEqual && rest.sessions[0].figures.updatesReceived == 41)
    }

    /// A session in which an update with a bad signature comes ends there.
    @Test func invalidUpdatesEndIt() throws {
        let source = try Node(now: 1_700_000_000_000)
        let recovery = RecoveryKey(seed: SecretBytes([UInt8](repeating: 9, count: 32)))
        let update = try source.log.create(key: Writer(0).key, recovery: recovery.hash, now: source.now)
        var bytes = update.block
        // The last byte of the author's key: the bytes are in order, the signature is another's.
        let key = Writer(0).key.publicKey.data
        let place = bytes.indices.first { bytes[$0...].starts(with: key) } ?? 0
        bytes[place + 31] ^= 1
        let block = SyncBlock(bytes: ByteBuffer(bytes: bytes), headerLength: update.headerLength)
        var session = SyncSession(role: .initiator, generator: SeededGenerator(seed: 1))
        var victim = try Node(now: source.now)
        var effects: [SyncSession.Effect] = []
        session.handle(.open, set: victim.tree, now: .zero, into: &effects)
        let frames: [UInt8] = [2, 1, 1, 1, 3, 2, 4, 1]
        let payload = [5] + SyncVictim.bytes(of: block)
        effects = []
        let sent = frames + Varint.bytes(UInt64(payload.count)) + payload
        session.handle(.received(ByteBuffer(bytes: sent)), set: victim.tree, now: .zero, into: &effects)
        let blocks = effects.flatMap { effect in
            if case .store(let blocks) = effect { blocks } else { [SyncBlock]() }
        }
        #expect(blocks.count == 1)
        let isValid = victim.take(blocks)
        #expect(!isValid && victim.tree.isEmpty)
        session.handle(.invalid, set: victim.tree, now: .zero, into: &effects)
        guard case .finished(let outcome)? = effects.last else {
            Issue.record("not over")
            return
        }
        #expect(outcome.result == .failed(.invalidUpdates))
    }
}
