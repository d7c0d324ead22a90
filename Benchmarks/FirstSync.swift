import Catalog
import Foundation
import Multiformats
import PeerCrypto
import SansIO

/// Signed updates on their way into a log: by batches, and by one session into a node that has nothing.
final class FirstSync {
    /// Milliseconds since 1970.
    static let now: UInt64 = 1_780_000_000_000

    private struct Author {
        let key: KeyPair
        let id: AuthorID
        var last: Update
    }

    private let folder: String
    private let count: Int
    private var authors: [Author] = []
    private var luck = SeededGenerator(seed: 9)
    private var knownRate: Double?

    init(folder: String, count: Int) {
        self.folder = folder
        self.count = count
    }

    func run(into table: inout ResultTable) async throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let source = try log("source", hasView: false)
        var viewed = Ingest(log: try log("viewed", hasView: true))
        var plain = Ingest(log: source)
        var bytes = 0
        var left = count
        var (verifying, verified) = (0.0, 0)
        while left > 0 {
            let batch = try (0..<min(1_000, left)).map { _ in try make() }
            left -= batch.count
            bytes += batch.reduce(0) { $0 + $1.count }
            if verified < 5_000 {
                verifying += FirstSync.secondsToVerify(batch)
                verified += batch.count
            }
            try await plain.take(batch)
            // A tenth of a million says it as well.
            if viewed.count < 100_000 { try await viewed.take(batch) }
        }
        let rate = Double(verified) / verifying
        table.note(
            "limit: Ed25519 signatures verified, one core",
            String(format: "%.0f a second", try signatureRate()))
        table.note("updates read and verified, one core", String(format: "%.0f a second", rate))
        try report(plain, "a log", bytes / count, into: &table)
        try report(viewed, "a log with its view", bytes / count, into: &table)
        try await pull(from: source, bytes, into: &table)
    }

    /// What taking updates into one log costs.
    private struct Ingest {
        let log: UpdateLog
        var count = 0
        var seconds = 0.0
        var cpu = 0.0

        init(log: UpdateLog) { self.log = log }

        mutating func take(_ batch: [[UInt8]]) async throws {
            let log = log
            let before = try ProcessFigures(pid: getpid()).cpu
            seconds += try await Scratch.seconds { _ = try await log.ingest(batch, from: .pull, now: FirstSync.now) }
            cpu += try ProcessFigures(pid: getpid()).cpu - before
            count += batch.count
        }
    }

    private func report(_ ingest: Ingest, _ what: String, _ size: Int, into table: inout ResultTable) throws {
        table.note(
            "updates ingested into \(what) on disk (\(ingest.count), \(size) bytes each)",
            String(format: "%.0f a second", Double(ingest.count) / ingest.seconds))
        let (perCore, limit) = (Double(ingest.count) / max(ingest.cpu, 1e-9), try signatureRate())
        table.note(
            "- for each core used", String(format: "%.0f a second", perCore),
            String(
                format: "%.0f %% of Ed25519, goal 70 %%: %@", perCore / limit * 100,
                perCore >= 0.7 * limit ? "met" : "MISSED"))
    }

    /// Signatures over as many bytes as a header has that one core verifies in a second; measured once.
    private func signatureRate() throws -> Double {
        if let rate = knownRate { return rate }
        let key = KeyPair(seed: [UInt8](repeating: 1, count: 32))
        let message = [UInt8](repeating: 2, count: 280)
        let signature = key.sign(message)
        var valid = 0
        let seconds = Scratch.seconds {
            for _ in 0..<5_000 { valid += key.publicKey.verify(signature: signature, message: message) ? 1 : 0 }
        }
        let rate = Double(valid) / seconds
        knownRate = rate
        return rate
    }

    private static func secondsToVerify(_ blocks: [[UInt8]]) -> Double {
        Scratch.seconds { for block in blocks { _ = VerifiedUpdate(block) } }
    }

    /// A node that has nothing pulls everything, with a view to fill.
    private func pull(from source: UpdateLog, _ bytes: Int, into table: inout ResultTable) async throws {
        // The peak counts from here.
        try? "5".write(toFile: "/proc/self/clear_refs", atomically: false, encoding: .utf8)
        let target = try log("target", hasView: true)
        let pipe = BenchPipe([try BenchEnd(.initiator, log: target), try BenchEnd(.responder, log: source)])
        var isWhole = false
        let seconds = try await Scratch.seconds { isWhole = try await pipe.run() }
        guard isWhole, pipe.ends[0].set.digest == pipe.ends[1].set.digest else { throw BenchFailure.differ }
        let figures = pipe.ends[0].session.figures
        table.note("first sync of \(figures.updatesReceived) updates, view included", String(format: "%.1f s", seconds))
        table.note(
            "- bytes, of which updates",
            String(format: "%.1f MB, %.1f MB", Double(figures.bytesReceived) / 1e6, Double(bytes) / 1e6))
        let peak = try ProcessFigures(pid: getpid()).peak
        table.atMost("- peak resident, both nodes and this program", Double(peak) / 1e6, 150, unit: "MB")
    }

    private func log(_ name: String, hasView: Bool) throws -> UpdateLog {
        let database = try CatalogDatabase(path: folder + "/\(name).sqlite")
        if hasView { try CatalogView.open(database) }
        var limits = LogLimits()
        limits.authorUpdates = .max
        limits.authorBytes = .max
        return try UpdateLog(database, limits: limits, sink: hasView ? CatalogView() : nil)
    }

    /// The next update: a new author, a track, or something that somebody does with one.
    private func make() throws -> [UInt8] {
        if authors.count < 20 || luck.next() % 200 == 0 {
            let key = KeyPair(seed: (0..<32).map { _ in UInt8(truncatingIfNeeded: luck.next() >> 9) })
            let body = UpdateBody.authorCreate(AuthorCreateBody(recovery: Digest32(words: (1, 2, 3, luck.next()))))
            let first = try Update.sign(
                body, author: nil, prev: [], seq: 0, time: FirstSync.now - 90_000_000, with: key)
            authors.append(Author(key: key, id: first.author, last: first))
            return first.block
        }
        let index = Int(luck.next() % UInt64(authors.count))
        let author = authors[index]
        // Another one: nobody may follow or save what is their own.
        let other = authors[(index + 1 + Int(luck.next() % UInt64(authors.count - 1))) % authors.count].id
        let target = EntityRef(other, "track \(luck.next() % 50)")
        let body: UpdateBody
        switch luck.next() % 4 {
        case 0:
            var content = ContentBody(id: "track \(luck.next() % 50)")
            content.title = .set("A song number \(luck.next() % 10_000)")
            content.description = .set("words about it: \(luck.next()) \(luck.next()) \(luck.next())")
            body = .content(content)
        case 1: body = .edge(EdgeBody(.save, .content(target)))
        case 2: body = .edge(EdgeBody(.follow, .author(other)))
        default:
            body = .comment(CommentBody(id: "\(luck.next())", on: target, text: "what somebody thinks of it"))
        }
        let last = author.last
        let time = last.time + 1 + luck.next() % 1_000
        let update = try Update.sign(
            body, author: author.id, prev: [last.id], seq: last.seq + 1, time: time, with: author.key)
        authors[index].last = update
        return update.block
    }
}
