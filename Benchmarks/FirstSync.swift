import Catalog
import Foundation
import Multiformats
import PeerCrypto
import SansIO

/// Signed updates on their way into a log: by batches, and by one session into a node that has nothing.
final class FirstSync {
    /// Milliseconds since 1970.
    static let now: UInt64 = 1_800_000_000_000

    private struct Author {
        let key: KeyPair
        let id: AuthorID
        var last: Update
    }

    private let folder: String
    private let count: Int
    private var authors: [Author] = []
    private var luck = SeededGenerator(seed: 9)

    init(folder: String, count: Int) {
        self.folder = folder
        self.count = count
    }

    func run(into table: inout ResultTable) async throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let source = try log("source", hasView: false)
        var bytes = 0
        var left = count
        var (ingesting, cpu, verifying, verified) = (0.0, 0.0, 0.0, 0)
        while left > 0 {
            let batch = try (0..<min(1_000, left)).map { _ in try make() }
            left -= batch.count
            bytes += batch.reduce(0) { $0 + $1.count }
            if verified < 5_000 {
                verifying += FirstSync.secondsToVerify(batch)
                verified += batch.count
            }
            let before = try ProcessFigures(pid: getpid()).cpu
            ingesting += try await Scratch.seconds {
                _ = try await source.ingest(batch, from: .pull, now: FirstSync.now)
            }
            cpu += try ProcessFigures(pid: getpid()).cpu - before
        }
        let rate = Double(verified) / verifying
        table.note("limit: updates verified, one core", String(format: "%.0f a second", rate))
        table.note(
            "updates ingested into a log on disk (\(count), \(bytes / count) bytes each)",
            String(format: "%.0f a second", Double(count) / ingesting))
        let perCore = Double(count) / max(cpu, 1e-9)
        table.note(
            "- for each core used", String(format: "%.0f a second", perCore),
            String(
                format: "%.0f %% of verifying, goal 70 %%: %@", perCore / rate * 100,
                perCore >= 0.7 * rate ? "met" : "MISSED"))
        try await pull(from: source, bytes, into: &table)
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
        let seconds = try await Scratch.seconds { try await pipe.run() }
        guard pipe.ends[0].set.digest == pipe.ends[1].set.digest else { throw BenchFailure.differ }
        let figures = pipe.ends[0].session.figures
        table.note("first sync of \(figures.updatesReceived) updates, view included", String(format: "%.1f s", seconds))
        table.note(
            "- bytes, of which updates",
            String(format: "%.1f MB, %.1f MB", Double(figures.bytesReceived) / 1e6, Double(bytes) / 1e6))
        let peak = try ProcessFigures(pid: getpid()).peak
        table.note("- peak resident, both nodes and this program", String(format: "%.0f MB", Double(peak) / 1e6))
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
        let other = authors[Int(luck.next() % UInt64(authors.count))].id
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
        let update: Update
        do {
            update = try Update.sign(
                body, author: author.id, prev: [last.id], seq: last.seq + 1, time: time, with: author.key)
        } catch UpdateError.aboutOneself {
            return try make()
        }
        authors[index].last = update
        return update.block
    }
}
