import Catalog
import Multiformats
import PeerCrypto
import Testing

@Suite("The log") struct UpdateLogTests {
    static let key = KeyPair(seed: [UInt8](repeating: 7, count: 32))
    static let recovery = RecoveryKey(seed: SecretBytes([UInt8](repeating: 9, count: 32)))
    static let peer = KeyPair(seed: [UInt8](repeating: 3, count: 32)).peerID

    static func memory(_ limits: LogLimits = LogLimits()) throws -> UpdateLog {
        try UpdateLog(CatalogDatabase(path: ":memory:"), limits: limits)
    }

    static func profile(_ name: String) -> UpdateBody {
        var body = ProfileBody()
        body.name = .set(name)
        return .profile(body)
    }

    @Test("What one node publishes another takes, and knows the second time") func publishAndIngest() async throws {
        let source = try Self.memory()
        let first = try source.create(key: Self.key, recovery: Self.recovery.hash, now: 1_000)
        let author = first.author
        let second = try source.publish(Self.profile("Lena"), author: author, key: Self.key, now: 900)
        #expect(second.time == 1_001)
        #expect(second.seq == 1)
        let target = try Self.memory()
        let report = try await target.ingest([first.block, second.block], from: .pull, now: 2_000)
        #expect(report.results.map(\.result) == [.accepted, .accepted])
        #expect(report.added.map(\.id) == [first.id, second.id])
        let again = try await target.ingest([second.block, first.block], from: .pull, now: 2_000)
        #expect(again.results.map(\.result) == [.known, .known])
        let summary = try target.author(author)
        #expect(summary?.heads == [second.id])
        #expect(summary?.updates == 2)
        #expect(try target.blocks([second.id])[0]?.block == second.block)
        #expect(target.counters.accepted == 2)
    }

    @Test("An update waits for what it continues, and comes in with it") func heldUntilComplete() async throws {
        let source = try Self.memory()
        let first = try source.create(key: Self.key, recovery: Self.recovery.hash, now: 1_000)
        let second = try source.publish(Self.profile("a"), author: first.author, key: Self.key, now: 1_100)
        let third = try source.publish(Self.profile("b"), author: first.author, key: Self.key, now: 1_200)
        let target = try Self.memory()
        let early = try await target.ingest([third.block, second.block], from: .push(from: Self.peer), now: 2_000)
        #expect(early.results.map(\.result) == [.held(missing: [second.id]), .held(missing: [first.id])])
        let late = try await target.ingest([first.block], from: .push(from: Self.peer), now: 2_500)
        #expect(late.released.map(\.id) == [second.id, third.id])
        #expect(late.released.allSatisfy { $0.result == .accepted })
        #expect(try target.author(first.author)?.heads == [third.id])
    }
}
