import DHT
import Multiformats
import SansIO
import Testing

/// The walk alone, against a network that is a list of tables.
@Suite("Lookups") struct LookupTests {
    struct World {
        var peers: [(peer: PeerID, key: KadKey)] = []
        /// Whom each peer knows.
        var known: [[Int]] = []

        init(_ count: Int, _ generator: inout SeededGenerator) {
            for _ in 0..<count {
                let peer = TestSwarm.peer(&generator)
                peers.append((peer, KadKey(peer)))
            }
            // Full k-buckets, drawn at random: what a healthy table has.
            for own in peers.indices {
                var buckets: [Int: [Int]] = [:]
                for other in peers.indices.shuffled(using: &generator) where other != own {
                    buckets[peers[own].key.commonPrefixLength(with: peers[other].key), default: []].append(other)
                }
                known.append(buckets.keys.sorted().flatMap { buckets[$0]?.prefix(20) ?? [] })
            }
        }

        func closest(to target: KadKey, among some: [Int], count: Int = 20) -> [Int] {
            Array(some.sorted { (peers[$0].key ^ target) < (peers[$1].key ^ target) }.prefix(count))
        }

        func entry(_ index: Int) -> (peer: PeerID, key: KadKey, addresses: [Multiaddr]) {
            (peers[index].peer, peers[index].key, [TestSwarm.address(index)])
        }
    }

    private static func settings(paths: Int) -> Lookup.Settings {
        Lookup.Settings(k: 20, beta: 3, paths: paths, parallelism: paths > 1 ? 2 : 10, joinedParallelism: 10)
    }

    /// Runs a lookup; `reply` gives a peer's answer, nil for none.
    private func run(
        _ lookup: inout Lookup, _ world: World, _ generator: inout SeededGenerator, reply: (Int) -> [Int]?
    ) -> [Int] {
        let places = Dictionary(uniqueKeysWithValues: world.peers.enumerated().map { ($0.element.peer, $0.offset) })
        var waiting: [Int] = []
        var asked: [Int] = []
        while true {
            for contact in lookup.next() {
                waiting.append(contact)
                asked.append(places[lookup.contacts[contact].peer]!)
            }
            guard !lookup.isFinished else { break }
            guard !waiting.isEmpty else {
                Issue.record("nothing under way, and not finished")
                break
            }
            let contact = waiting.remove(at: Int(generator.next() % UInt64(waiting.count)))
            if generator.next() % 5 == 0 { lookup.slow(contact) }
            if let closer = reply(places[lookup.contacts[contact].peer]!) {
                lookup.answered(contact, closer: closer.map { (world.peers[$0].peer, nil, [TestSwarm.address($0)]) })
            } else {
                lookup.failed(contact)
            }
        }
        return asked
    }

    /// The slow and obvious way: asks the closest not asked yet, one after the other, until the 20 closest of
    /// those that answer were all asked.
    private func naive(_ target: KadKey, _ world: World, from start: Int, dead: Set<Int>) -> [Int] {
        var met = Set(world.closest(to: target, among: world.known[start]))
        var asked: Set<Int> = []
        while true {
            let living = world.closest(to: target, among: met.filter { !(asked.contains($0) && dead.contains($0)) })
            guard let next = living.first(where: { !asked.contains($0) }) else { return living }
            asked.insert(next)
            if !dead.contains(next) { met.formUnion(world.closest(to: target, among: world.known[next])) }
        }
    }

    @Test(
        "They find what a naive lookup finds, and with good tables what looking at everyone finds",
        arguments: [1, 8], [1, 2, 3] as [UInt64])
    func complete(paths: Int, seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let world = World(300, &generator)
        for share in [0, 5] {
            var found = (truth: 0, naive: 0, byNaive: 0)
            for _ in 0..<20 {
                let target = KadKey(TestSwarm.peer(&generator))
                let start = Int(generator.next() % 300)
                let dead = Set((0..<300).filter { _ in share > 0 && generator.next() % UInt64(share) == 0 })
                    .subtracting([start])
                var lookup = Lookup(target: target, settings: Self.settings(paths: paths))
                lookup.seed(world.closest(to: target, among: world.known[start]).map(world.entry))
                let asked = run(&lookup, world, &generator) {
                    dead.contains($0) ? nil : world.closest(to: target, among: world.known[$0])
                }
                #expect(Set(asked).count == asked.count, "seed \(seed): a peer was asked twice")
                let everyone = (0..<300).filter { !dead.contains($0) && $0 != start }
                let truth = Set(world.closest(to: target, among: everyone))
                let naive = self.naive(target, world, from: start, dead: dead).filter { $0 != start }
                let distances = lookup.closest(20).map(\.distance)
                #expect(distances == distances.sorted())
                let result = Set(
                    lookup.closest(20).compactMap { contact in
                        world.peers.firstIndex { $0.peer == contact.peer }
                    })
                found.truth += result.intersection(truth).count
                found.naive += result.intersection(naive).count
                found.byNaive += truth.intersection(naive).count
            }
            // Tables that still name a fifth of dead peers hide some of the living from everybody.
            #expect(found.truth >= (share == 0 ? 396 : found.byNaive - 4), "seed \(seed): \(found)")
            if paths == 1 { #expect(found.naive >= 380, "seed \(seed): \(found)") }
        }
    }

    @Test("A converged lookup has asked the three closest and far fewer than all")
    func converged() {
        var generator = SeededGenerator(seed: 8)
        let world = World(300, &generator)
        for _ in 0..<20 {
            let target = KadKey(TestSwarm.peer(&generator))
            var settings = Self.settings(paths: 1)
            settings.isComplete = false
            var lookup = Lookup(target: target, settings: settings)
            lookup.seed(world.closest(to: target, among: world.known[0]).map(world.entry))
            let asked = run(&lookup, world, &generator) { world.closest(to: target, among: world.known[$0]) }
            #expect(asked.count < 60)
            #expect(lookup.closest(3).count == 3)
        }
    }

    @Test("Liars on a few paths do not keep the others from the true closest")
    func liars() {
        var generator = SeededGenerator(seed: 9)
        var reached = (one: 0, eight: 0)
        for _ in 0..<10 {
            var world = World(250, &generator)
            let target = KadKey(TestSwarm.peer(&generator))
            // A fifth lies: they name only each other.
            let liars = (0..<250).filter { _ in generator.next() % 5 == 0 }
            let isLiar = Set(liars)
            for index in liars { world.known[index] = liars.filter { $0 != index } }
            let start = (0..<250).first { !isLiar.contains($0) }!
            let honest = world.closest(to: target, among: (0..<250).filter { !isLiar.contains($0) && $0 != start })
            for paths in [1, 8] {
                var lookup = Lookup(target: target, settings: Self.settings(paths: paths))
                lookup.seed(world.closest(to: target, among: world.known[start]).map(world.entry))
                let asked = Set(run(&lookup, world, &generator) { world.closest(to: target, among: world.known[$0]) })
                if asked.contains(honest[0]) {
                    if paths == 1 { reached.one += 1 } else { reached.eight += 1 }
                }
            }
        }
        #expect(reached.eight == 10)
        #expect(reached.one <= reached.eight)
    }

    @Test("An answer of thousands of invented peers leaves a bounded lookup that ends")
    func inventions() {
        var generator = SeededGenerator(seed: 10)
        let world = World(60, &generator)
        let target = KadKey(TestSwarm.peer(&generator))
        var lookup = Lookup(target: target, settings: Self.settings(paths: 8))
        lookup.seed(world.closest(to: target, among: world.known[0]).map(world.entry))
        let real = Set(world.peers.map(\.peer))
        var steps = 0
        while steps < 10_000 {
            let asked = lookup.next()
            if lookup.isFinished { break }
            for contact in asked {
                guard real.contains(lookup.contacts[contact].peer) else {
                    lookup.failed(contact)
                    continue
                }
                let lies = (0..<500).map { _ in (TestSwarm.peer(&generator), KadKey?.none, [TestSwarm.address(1)]) }
                lookup.answered(contact, closer: lies)
            }
            steps += 1
        }
        #expect(lookup.isFinished)
        #expect(lookup.contacts.count <= 1500)
    }

    @Test("False addresses named first cost one try, not the peer")
    func falseAddresses() {
        var generator = SeededGenerator(seed: 11)
        let peers = (0..<3).map { _ in TestSwarm.peer(&generator) }
        var lookup = Lookup(target: KadKey(peers[2]), settings: Self.settings(paths: 1))
        lookup.seed(peers[..<2].map { ($0, KadKey($0), [TestSwarm.address(0)]) })
        #expect(lookup.next().count == 2)
        lookup.answered(0, closer: [(peers[2], nil, [TestSwarm.address(66)])])
        #expect(lookup.next() == [2])
        lookup.failed(2)
        lookup.answered(1, closer: [(peers[2], nil, [TestSwarm.address(66), TestSwarm.address(2)])])
        #expect(lookup.next() == [2])
        #expect(lookup.contacts[2].addresses == [TestSwarm.address(2)])
        lookup.answered(2, closer: [])
        #expect(lookup.next().isEmpty && lookup.isFinished)
        #expect(lookup.closest(1).map(\.peer) == [peers[2]])
    }
}
