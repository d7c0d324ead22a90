import HTTPAPI
import Multiformats
import PeerCrypto
import Synchronization
import Testing

@Suite("Asking the network who has a file")
struct ProviderFinderTests {
    private static let peers = (1...30).map { KeyPair(seed: [UInt8](repeating: $0, count: 32)).peerID }

    /// Counts from any task.
    private final class Counter: Sendable {
        private let count = Mutex(0)
        var value: Int { count.withLock { $0 } }
        func add() { count.withLock { $0 += 1 } }
    }

    private static func file(_ name: String) -> CID {
        CID(codec: .raw, multihash: ContentHash.sha256(Array(name.utf8)))
    }

    @Test("What was found is told again without asking, each peer once and not too many")
    func remembers() async throws {
        let finder = ProviderFinder()
        let asked = Counter()
        for _ in 0..<3 {
            let found = await finder.providers(of: Self.file("a")) { found in
                asked.add()
                for peer in Self.peers + Self.peers { found(peer) }
            }
            #expect(found == Array(Self.peers.prefix(ProviderFinder.maximumProviders)))
        }
        #expect(asked.value == 1)
        let forgetful = ProviderFinder(life: .zero)
        for count in 1...3 {
            _ = await forgetful.providers(of: Self.file("a")) { _ in asked.add() }
            #expect(asked.value == 1 + count)
        }
    }

    @Test("Who does not answer in time is not waited for, and what came by then counts")
    func patience() async throws {
        let finder = ProviderFinder(patience: .milliseconds(1))
        let found = await finder.providers(of: Self.file("slow")) { found in
            found(Self.peers[0])
            // Ends when its task is cancelled, as a query does.
            let (never, _) = AsyncStream.makeStream(of: Void.self)
            for await _ in never {}
            found(Self.peers[1])
        }
        #expect(found.first == Self.peers[0])
    }

    @Test("Only a few questions are under way; others hear what is known, and remembered answers are bounded")
    func bounded() async throws {
        let finder = ProviderFinder(patience: .seconds(60))
        let gates = (0..<ProviderFinder.maximumSearches).map { _ in AsyncStream.makeStream(of: Void.self) }
        let begun = Counter()
        await withTaskGroup(of: [PeerID].self) { group in
            for index in 0..<ProviderFinder.maximumSearches {
                group.addTask {
                    await finder.providers(of: Self.file("\(index)")) { found in
                        begun.add()
                        for await _ in gates[index].stream {}
                        found(Self.peers[index])
                    }
                }
            }
            while begun.value < ProviderFinder.maximumSearches { await Task.yield() }
            let refused = await finder.providers(of: Self.file("more")) { $0(Self.peers[9]) }
            #expect(refused.isEmpty)
            for gate in gates { gate.continuation.finish() }
            var all: Set<PeerID> = []
            for await found in group { all.formUnion(found) }
            #expect(all == Set(Self.peers.prefix(ProviderFinder.maximumSearches)))
        }
        for index in 0..<2 * ProviderFinder.maximumAnswers {
            _ = await finder.providers(of: Self.file("many \(index)")) { $0(Self.peers[0]) }
        }
        let later = await finder.providers(of: Self.file("more")) { $0(Self.peers[9]) }
        #expect(later == [Self.peers[9]])
    }
}
