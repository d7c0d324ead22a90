import Catalog
import Foundation
import Multiformats
import NIOCore
import PeerCrypto
import SansIO

/// The catalog: what it costs to find the differences of two sets, and to take signed updates in.
///
/// `CATALOG=1000000` for the full size of a first sync; the default is a tenth of it.
enum CatalogBench {
    /// Updates of a catalog.
    static var size: Int { ProcessInfo.processInfo.environment["CATALOG"].flatMap { Int($0) } ?? 100_000 }

    static func run(_ folder: Folders, into table: inout ResultTable) async throws {
        try await reconcile(into: &table)
        try await FirstSync(folder: folder.disk + "/catalog", count: size).run(into: &table)
        try? FileManager.default.removeItem(atPath: folder.disk + "/catalog")
    }

    // MARK: Finding differences

    private static func build(_ keys: [UpdateKey]) -> (set: SumTree, seconds: Double) {
        var set = SumTree()
        let seconds = Scratch.seconds { set = SumTree(unsorted: keys) }
        return (set, seconds)
    }

    /// Two sets of a million keys, their differences anywhere in a year, half of them on either side.
    private static func reconcile(into table: inout ResultTable) async throws {
        var luck = SeededGenerator(seed: 1)
        let span: UInt64 = 365 * 86_400_000
        func key() -> UpdateKey {
            UpdateKey(
                time: 1_700_000_000_000 + luck.next() % span,
                digest: Digest32(words: (luck.next(), luck.next(), luck.next(), luck.next())))
        }
        let keys = (0..<1_000_000).map { _ in key() }
        let (common, building) = build(keys)
        table.atMost("set of 1,000,000 updates from any order", building, 1.5, unit: "s")
        table.atMost("its memory", Double(common.memory) / 1e6, 60, unit: "MB")
        for different in [0, 100, 1_000, 10_000] {
            var ends = [BenchEnd(.initiator, seed: 2), BenchEnd(.responder, seed: 3)]
            for end in 0...1 { ends[end].set = common }
            for number in 0..<different {
                var bytes = ByteBuffer(integer: 1_700_000_000_000 + luck.next() % span)
                bytes.writeInteger(UInt64(number))
                bytes.writeRepeatingByte(7, count: 400 - 16)
                ends[number % 2].add(SyncBlock(bytes: bytes, headerLength: 280))
            }
            var (bytes, compared, messages, seconds, sessions) = (0, 0, 0, 0.0, 0)
            var isWhole = false
            // A session compares so many ranges at most; the next one goes on.
            while !isWhole, sessions < 8 {
                let pipe = BenchPipe(ends)
                seconds += try await Scratch.seconds { isWhole = try await pipe.run() }
                let figures = pipe.ends[0].session.figures
                bytes += figures.bytesSent + figures.bytesReceived
                compared += figures.comparedBytesSent + figures.comparedBytesReceived
                messages += figures.rounds + pipe.ends[1].session.figures.rounds
                sessions += 1
                ends = pipe.ends
                for end in 0...1 {
                    ends[end].renew(end == 0 ? .initiator : .responder, seed: UInt64(sessions * 2 + end))
                }
            }
            guard isWhole, ends[0].set.digest == ends[1].set.digest else { throw BenchFailure.differ }
            table.atMost(
                "\(different) of 1,000,000 updates differ: bytes", Double(bytes) / 1e3,
                Double(different * 800 + 100_000) / 1e3, unit: "KB")
            table.note(
                "- of them to compare; messages; sessions; time of both ends",
                String(
                    format: "%.1f KB; %d; %d; %.0f ms", Double(compared) / 1e3, messages, sessions, seconds * 1e3))
        }
    }
}

enum BenchFailure: Error { case differ, ended([SyncOutcome.Result]) }

/// One end of a session without a network.
struct BenchEnd {
    var session: SyncSession
    var set = SumTree()
    var blocks: [UpdateID: SyncBlock] = [:]
    /// The log in place of `blocks`.
    var log: UpdateLog?

    init(_ role: SyncSession.Role, seed: UInt64) {
        session = SyncSession(
            role: role, generator: SeededGenerator(seed: seed), time: { $0.getInteger(at: $0.readerIndex) })
    }

    /// Begins another session with what the end has by now.
    mutating func renew(_ role: SyncSession.Role, seed: UInt64) {
        session = SyncSession(
            role: role, generator: SeededGenerator(seed: seed), time: { $0.getInteger(at: $0.readerIndex) })
    }

    /// An end with a log and all that it knows of.
    init(_ role: SyncSession.Role, log: UpdateLog) throws {
        session = SyncSession(role: role, generator: SeededGenerator(seed: 4))
        set = try SumTree(log)
        self.log = log
    }

    mutating func add(_ block: SyncBlock) {
        guard let time: UInt64 = block.bytes.getInteger(at: block.bytes.readerIndex),
            let digest = UpdateID(ContentHash.sha256(block.header))
        else { return }
        set.insert(UpdateKey(time: time, digest: digest))
        blocks[digest] = block
    }

    mutating func store(_ new: [SyncBlock]) async throws {
        guard let log else {
            for block in new { add(block) }
            return
        }
        let report = try await log.ingest(
            new.map { Array($0.bytes.readableBytesView) }, from: .pull, now: FirstSync.now)
        for (time, id) in report.added { set.insert(UpdateKey(time: time, digest: id)) }
    }

    func answer(_ ids: [UpdateID]) -> SyncSession.Input {
        if let log { return log.answer(ids) }
        return .blocks(ids.map { blocks[$0] })
    }
}

/// Carries what one end says to the other until both are done.
final class BenchPipe {
    var ends: [BenchEnd]
    private var events = CircularBuffer<(end: Int, input: SyncSession.Input)>()
    private var results: [SyncOutcome.Result] = []

    init(_ ends: [BenchEnd]) { self.ends = ends }

    /// Whether everything was compared; if not, another session goes on.
    func run() async throws -> Bool {
        events.append((0, .open))
        while let (end, input) = events.popFirst() {
            var effects: [SyncSession.Effect] = []
            ends[end].session.handle(input, set: ends[end].set, now: .zero, into: &effects)
            var hasSent = false
            for effect in effects {
                switch effect {
                case .send(let bytes):
                    hasSent = true
                    events.append((1 - end, .received(bytes)))
                case .read(let ids): events.append((end, ends[end].answer(ids)))
                case .store(let blocks): try await ends[end].store(blocks)
                case .finished(let outcome): results.append(outcome.result)
                }
            }
            if hasSent { events.append((end, .drained)) }
        }
        guard results == [.whole, .whole] || results == [.partial, .partial] else { throw BenchFailure.ended(results) }
        return results == [.whole, .whole]
    }
}
