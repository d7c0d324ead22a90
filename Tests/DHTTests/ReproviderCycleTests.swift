import DHT
import Multiformats
import SansIO
import Testing

/// The cycle of 22 hours, and what restarts do to it.
@Suite struct ReproviderCycleTests {
    @Test("Every key has its turn once a cycle, spread evenly over it")
    func spread() throws {
        var network = try ReproviderNetwork(peers: 1000, seed: 20)
        let keys = ReproviderNetwork.keys(2000)
        network.handle(.networkChanged(isOnline: true))
        network.handle(.provide(keys, urgently: false))
        network.run(for: .seconds(600))
        #expect(network.status.provided == 2000)
        var hours: [Int] = []
        var before = network.core.statistics.provided
        for _ in 0..<44 {
            network.run(for: .seconds(1800))
            hours.append(network.core.statistics.provided - before)
            before = network.core.statistics.provided
        }
        // What had its first announcement right before its turn is left out in this cycle.
        let total = hours.reduce(0, +)
        #expect((1700...2000).contains(total), "\(total) in a cycle")
        #expect(hours.max() ?? 0 <= 2000 / 44 * 3, "\(hours)")
        #expect(hours.count { $0 == 0 } <= 6, "\(hours)")
        // Nobody ever waits longer than a cycle and the freshness.
        for key in keys {
            let at = try #require(network.lastTold[key])
            #expect(network.now - at <= .seconds(24 * 3600 + 600))
        }
        let cycle = try #require(network.status.lastCycle)
        #expect(cycle.provided > 0 && cycle.failed == 0)
        let full = network.core.statistics.provided
        network.run(for: .seconds(22 * 3600))
        #expect(network.core.statistics.provided - full == 2000)
    }

    @Test("A restart announces nothing anew, and the cycle goes on as if nothing had been")
    func restart() throws {
        var network = try ReproviderNetwork(peers: 200, seed: 21)
        let keys = ReproviderNetwork.keys(1000)
        network.handle(.networkChanged(isOnline: true))
        network.handle(.provide(keys, urgently: false))
        network.handle(.provide(ReproviderNetwork.keys(5, 1), urgently: true))
        network.run(for: .seconds(300))
        #expect(network.status.provided == 1005)
        let before = network.lookups + network.announces
        try network.restart()
        network.handle(.networkChanged(isOnline: true))
        network.run(for: .seconds(1))
        #expect(network.lookups + network.announces == before)
        #expect(network.status.provided == 1005 && network.status.queued == 0)
        // Five restarts in a cycle: still everyone once.
        let told = network.core.statistics.provided
        #expect(told == 0)
        var sum = 0
        for _ in 0..<6 {
            network.run(for: .seconds(22 * 3600 / 6))
            sum += network.core.statistics.provided
            try network.restart()
            network.handle(.networkChanged(isOnline: true))
        }
        #expect((850...1010).contains(sum), "\(sum)")
    }

    @Test("After a long stop only what missed its turn is caught up on")
    func longStop() throws {
        var network = try ReproviderNetwork(peers: 200, seed: 22)
        let keys = ReproviderNetwork.keys(1000)
        network.handle(.networkChanged(isOnline: true))
        network.handle(.provide(keys, urgently: false))
        // Two cycles, so that everyone keeps to their turns.
        network.run(for: .seconds(46 * 3600))
        try network.restart(after: .seconds(11 * 3600))
        network.handle(.networkChanged(isOnline: true))
        network.run(for: .seconds(120))
        let caughtUp = network.core.statistics.provided
        #expect((400...620).contains(caughtUp), "\(caughtUp) of 1,000 after half a cycle")
        try network.restart(after: .seconds(60 * 3600))
        network.handle(.networkChanged(isOnline: true))
        network.run(for: .seconds(120))
        #expect(network.core.statistics.provided == 1000)
    }

    @Test("Nothing that was accepted is lost when the process dies", arguments: 1...20 as ClosedRange<UInt64>)
    func killed(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var network = try ReproviderNetwork(peers: 120, seed: seed)
        var accepted: Set<Multihash> = []
        var serial: UInt64 = 0
        network.handle(.networkChanged(isOnline: true))
        for _ in 0..<12 {
            serial += 1
            let keys = ReproviderNetwork.keys(Int.random(in: 1...60, using: &random), seed << 32 | serial)
            network.handle(.provide(keys, urgently: Bool.random(using: &random)))
            accepted.formUnion(keys)
            #expect(keys.allSatisfy { network.persisted[$0] != nil }, "seed \(seed)")
            if Int.random(in: 0..<4, using: &random) == 0, let gone = accepted.sorted(by: before).first {
                network.handle(.withdraw([gone]))
                accepted.remove(gone)
            }
            network.run(for: .milliseconds(Int64.random(in: 0...4000, using: &random)))
            if Bool.random(using: &random) {
                try network.restart(after: .seconds(Int64.random(in: 0...30, using: &random)))
                network.handle(.networkChanged(isOnline: true))
            }
        }
        network.run(for: .seconds(300)) { $0.status.provided == accepted.count }
        #expect(network.status.provided == accepted.count && network.status.total == accepted.count, "seed \(seed)")
        #expect(network.complete(Array(accepted)) == accepted.count, "seed \(seed)")
        #expect(Set(network.persisted.keys) == accepted, "seed \(seed)")
    }

    private func before(_ left: Multihash, _ right: Multihash) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }

    @Test("A cycle on demand announces everything again")
    func demand() throws {
        var network = try ReproviderNetwork(peers: 100, seed: 23)
        network.handle(.networkChanged(isOnline: true))
        network.handle(.provide(ReproviderNetwork.keys(300), urgently: false))
        network.run(for: .seconds(100))
        #expect(network.core.statistics.provided == 300)
        network.handle(.provideEverything)
        #expect(network.status.queued == 300)
        network.run(for: .seconds(100))
        #expect(network.core.statistics.provided == 600)
    }

    @Test("What is stored of a key is read back, and damage is noticed")
    func stored() throws {
        let key = ReproviderNetwork.keys(1)[0]
        for record in [
            ProvideRecord(key: key), ProvideRecord(key: key, lastProvided: KadTime(milliseconds: 1 << 45)),
            ProvideRecord(key: key, lastProvided: KadTime(milliseconds: 7), isUrgent: true),
        ] {
            #expect(ProvideRecord(storedKey: key.bytes, value: record.storedValue) == record)
        }
        #expect(ProvideRecord(storedKey: key.bytes, value: [1, 2]) == nil)
        #expect(ProvideRecord(storedKey: [1], value: ProvideRecord(key: key).storedValue) == nil)
    }

    @Test("The same inputs give the same effects")
    func repeatable() throws {
        func run() throws -> (Int, Int, Int, Instant) {
            var network = try ReproviderNetwork(peers: 400, seed: 24)
            network.handle(.networkChanged(isOnline: true))
            network.handle(.provide(ReproviderNetwork.keys(900), urgently: false))
            network.deaf = Set(network.peers.prefix(100).map(\.peer.id))
            network.handle(.provide(ReproviderNetwork.keys(20, 2), urgently: true))
            network.run(for: .seconds(4000))
            return (network.lookups, network.announces, network.status.provided, network.now)
        }
        let first = try run()
        let second = try run()
        let isSame = first == second
        #expect(isSame)
        #expect(first.2 > 0)
    }
}
