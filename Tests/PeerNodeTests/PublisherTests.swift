import Catalog
import Foundation
import Media
import PeerNode
import Storage
import Synchronization
import TestSupport
import Testing

/// Publishing within one process: given up, twice at once, and from under a writer.
@Suite struct PublisherTests {
    /// A second of sound that differs from those of other seeds: mono, 8 bits, 8,000 samples a second.
    private static func wav(seed: UInt8, seconds: Int = 1) -> Data {
        func little(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(value >> (8 * $0) & 0xff) } }
        let samples = (0..<8_000 * seconds).map { UInt8(truncatingIfNeeded: ($0 / 7_919 + $0) &* 31) &+ seed }
        let format = little(1, 2) + little(1, 2) + little(8_000, 4) + little(8_000, 4) + little(1, 2) + little(8, 2)
        let body =
            Array("WAVEfmt ".utf8) + little(16, 4) + format + Array("data".utf8) + little(samples.count, 4) + samples
        return Data(Array("RIFF".utf8) + little(body.count, 4) + body)
    }

    private static func album(_ folder: URL, _ count: Int, seconds: Int = 1) throws -> String {
        let album = folder.appendingPathComponent("Album")
        try FileManager.default.createDirectory(at: album, withIntermediateDirectories: true)
        for number in 1...count {
            try wav(seed: UInt8(number), seconds: seconds).write(to: album.appendingPathComponent("\(number).wav"))
        }
        return album.path
    }

    private static func published(_ node: Node, by author: AuthorID) throws -> [String] {
        try node.catalog.reader.contents(by: EntityID(.author, author), isOwner: true, PageRequest(limit: 100)).rows
            .map(\.title).sorted()
    }

    /// Runs it in a task that is cancelled from within, at the first event that `stop` knows.
    private static func givenUp(
        _ request: PublishRequest, _ node: Node, at stop: @escaping @Sendable (PublishEvent) -> Bool
    ) async -> Result<Void, any Error> {
        let handle = Mutex<Task<Void, any Error>?>(nil)
        let (ready, start) = AsyncStream.makeStream(of: Void.self)
        let task = Task {
            for await _ in ready { break }
            let publisher = Publisher(request, node: node) { event in
                if stop(event) { handle.withLock { $0?.cancel() } }
            }
            try await publisher.run()
        }
        handle.withLock { $0 = task }
        start.yield()
        return await task.result
    }

    @Test("Given up at any step, nothing half-said is left, and the next try says the rest")
    func givenUpAndResumed() async throws {
        try await withTemporaryFolder { folder in
            let path = try Self.album(folder, 4)
            let node = try await makeNode(folder, "a", online: false)
            let (author, _) = try await node.catalog.createAuthor(name: "ann")
            let stored = await Self.givenUp(PublishRequest([path]), node) {
                if case .stored = $0 { true } else { false }
            }
            #expect(throws: (any Error).self) { try stored.get() }
            #expect(try Self.published(node, by: author).isEmpty)
            let half = await Self.givenUp(PublishRequest([path]), node) {
                if case .published(_, let title, _, _) = $0 { title == "2" } else { false }
            }
            #expect(throws: CancellationError.self) { try half.get() }
            #expect(try Self.published(node, by: author) == ["1", "2"])
            try await Publisher(PublishRequest([path]), node: node).run()
            #expect(try Self.published(node, by: author) == ["1", "2", "3", "4"])
            // The author, four tracks, a list and its four items.
            let status = try await node.catalog.status()
            #expect(status.updates == 10)
            await node.stop()
        }
    }

    @Test("Two that publish the same at once say it once")
    func together() async throws {
        try await withTemporaryFolder { folder in
            let path = try Self.album(folder, 5)
            let node = try await makeNode(folder, "a", online: false)
            let (author, _) = try await node.catalog.createAuthor(name: "ann")
            try await withThrowingTaskGroup { group in
                for _ in 0..<4 { group.addTask { try await Publisher(PublishRequest([path]), node: node).run() } }
                try await group.waitForAll()
            }
            #expect(try Self.published(node, by: author) == ["1", "2", "3", "4", "5"])
            let status = try await node.catalog.status()
            #expect(status.updates == 12)
            let lists = try node.catalog.reader.lists(by: EntityID(.author, author), PageRequest(limit: 10)).rows
            #expect(lists.map(\.itemCount) == [5])
            await node.stop()
        }
    }

    @Test("A file that grows while it is read is not published")
    func changed() async throws {
        try await withTemporaryFolder { folder in
            let path = try Self.album(folder, 1, seconds: 400)
            let file = path + "/1.wav"
            let node = try await makeNode(folder, "a", online: false)
            let (author, _) = try await node.catalog.createAuthor(name: "ann")
            let publisher = Publisher(PublishRequest([path]), node: node) { event in
                guard case .found = event, let handle = FileHandle(forWritingAtPath: file) else { return }
                _ = try? handle.seekToEnd()
                try? handle.write(contentsOf: Data(repeating: 7, count: 100_000))
                try? handle.close()
            }
            await #expect(throws: PublishError.changed(path: file)) { try await publisher.run() }
            #expect(try Self.published(node, by: author).isEmpty)
            await node.stop()
        }
    }

    @Test("What no update could say is refused before anything is stored")
    func refused() async throws {
        try await withTemporaryFolder { folder in
            let path = try Self.album(folder, 1)
            let node = try await makeNode(folder, "a", online: false)
            await #expect(throws: CatalogServiceError.noAuthor) {
                try await Publisher(PublishRequest([path]), node: node).run()
            }
            _ = try await node.catalog.createAuthor(name: "ann")
            let cases: [(PublishError, (inout PublishRequest) -> Void)] = [
                (.badWish("title", most: 200, given: 201), { $0.title = String(repeating: "ü", count: 201) }),
                (.emptyWish("title"), { $0.title = "" }),
                (.badWish("genre", most: 64, given: 65), { $0.genre = String(repeating: "x", count: 65) }),
                (.badWish("tags", most: 30, given: 31), { $0.tags = (0..<31).map { "t\($0)" } }),
                (.badProfile("nope"), { $0.profile = "nope" }),
            ]
            for (error, change) in cases {
                var request = PublishRequest([path])
                change(&request)
                let wish = request
                await #expect(throws: error) { try await Publisher(wish, node: node).run() }
            }
            let space = try node.blocks.stat()
            #expect(space.blocks == 0)
            await node.stop()
        }
    }
}
