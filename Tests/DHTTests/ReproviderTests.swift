import DHT
import Multiformats
import SansIO
import Testing

/// Providing at scale: everyone who should is told, and little is asked for it.
@Suite struct ReproviderTests {
    @Test("Every key reaches the twenty peers closest to it, and nobody else", arguments: [3, 20, 21, 60, 700, 3000])
    func closest(peers: Int) throws {
        var network = try ReproviderNetwork(peers: peers, seed: 1)
        let keys = ReproviderNetwork.keys(400)
        network.handle(.provide(keys, urgently: false))
        network.handle(.networkChanged(isOnline: true))
        network.run(for: .seconds(900)) { $0.status.provided == keys.count }
        #expect(network.status.provided == keys.count)
        #expect(network.status.queued == 0 && network.status.failing == 0)
        #expect(network.complete(keys) == keys.count)
        #expect(network.core.statistics.announcements == keys.count * min(peers, 20))
    }

    @Test("The denser the keys, the fewer lookups each takes")
    func density() throws {
        var costs: [Double] = []
        for count in [100, 1000, 10_000] {
            var network = try ReproviderNetwork(peers: 1000, seed: 2)
            let keys = ReproviderNetwork.keys(count)
            network.handle(.networkChanged(isOnline: true))
            network.handle(.provide(keys, urgently: false))
            network.run(for: .seconds(7200)) { $0.status.provided == count }
            #expect(network.status.provided == count)
            #expect(network.complete(Array(keys.prefix(100))) == 100)
            costs.append(Double(network.lookups) / Double(count))
        }
        #expect(costs[0] <= 1 && costs[1] < costs[0] / 3 && costs[2] < costs[1] / 5, "lookups per key: \(costs)")
        print("lookups per key with 1,000 peers: 100 keys \(costs[0]), 1,000 \(costs[1]), 10,000 \(costs[2])")
    }

    @Test("A hundred thousand keys cost little time and few messages")
    func manyKeys() throws {
        var network = try ReproviderNetwork(peers: 1000, seed: 3)
        let keys = ReproviderNetwork.keys(100_000)
        let clock = ContinuousClock()
        var generator = SeededGenerator(seed: 4)
        var sample = keys.shuffled(using: &generator)
        sample.removeLast(keys.count - 50)
        let took = clock.measure {
            network.handle(.networkChanged(isOnline: true))
            network.handle(.provide(keys, urgently: false))
            network.run(for: .seconds(22 * 3600)) { $0.status.provided == keys.count }
        }
        #expect(network.status.provided == keys.count)
        #expect(network.complete(sample) == sample.count)
        #expect(network.lookups < 400)
        #expect(network.announces < 40_000)
        #expect(network.mostRunning <= 8 + 8 + 64)
        print(
            """
            100,000 keys, 1,000 peers: \(network.lookups) lookups, \(network.announces) announces, \
            \(network.now - .zero) of network time, \(took) of work
            """)
    }

    @Test("What is asked for by name is told at once, whatever else is waiting")
    func urgent() throws {
        var network = try ReproviderNetwork(peers: 200, seed: 5)
        network.lookupTime = .milliseconds(300)
        network.handle(.networkChanged(isOnline: true))
        network.handle(.provide(ReproviderNetwork.keys(20_000), urgently: false))
        network.run(for: .seconds(5))
        let roots = ReproviderNetwork.keys(8, 77)
        let before = network.now
        network.handle(.provide(roots, urgently: true))
        network.run(for: .seconds(1))
        for root in roots {
            let at = try #require(network.lastTold[root])
            #expect(at - before <= .milliseconds(400))
            #expect(network.told[root] == Set(network.closest(to: root)))
        }
        // Again by name: again at once.
        let again = network.now
        network.handle(.provide([roots[0]], urgently: true))
        network.run(for: .seconds(1))
        let last = try #require(network.lastTold[roots[0]])
        #expect(last > again)
        #expect(network.status.total == 20_008)
    }

    @Test("Peers that do not answer hold nobody up")
    func unreachable() throws {
        var network = try ReproviderNetwork(peers: 1000, seed: 6)
        // Found by lookups and gone when they are told.
        let gone = Set(network.peers.enumerated().filter { $0.offset % 5 == 0 }.map(\.element.peer.id))
        let keys = ReproviderNetwork.keys(5000)
        network.deaf = gone
        network.handle(.networkChanged(isOnline: true))
        network.handle(.provide(keys, urgently: false))
        network.run(for: .seconds(3600)) { $0.status.provided == keys.count }
        #expect(network.status.provided == keys.count)
        // One after the other the 200 peers alone would take 2,000 s.
        #expect(network.now - .zero < .seconds(300), "took \(network.now - .zero)")
    }

    @Test("Keys of which too few peers heard are tried again, later and later")
    func retries() throws {
        var network = try ReproviderNetwork(peers: 30, seed: 7)
        let key = ReproviderNetwork.keys(1)[0]
        let closest = network.closest(to: key)
        network.handle(.networkChanged(isOnline: true))
        network.deaf = Set(closest.prefix(11))
        network.handle(.provide([key], urgently: false))
        network.run(for: .seconds(60))
        #expect(network.status.failing == 1 && network.status.provided == 0)
        #expect(network.core.statistics.failed == 1)
        // After 5 minutes, 10 and 20 more; each try takes a little.
        network.run(for: .seconds(300 + 600 + 1200))
        #expect(network.core.statistics.failed == 4)
        network.deaf = []
        network.run(for: .seconds(3700))
        #expect(network.status.provided == 1 && network.status.failing == 0)
        #expect(network.told[key] == Set(closest))
    }

    @Test("A query that never ends counts as failed")
    func lostQueries() throws {
        var network = try ReproviderNetwork(peers: 30, seed: 12)
        let keys = ReproviderNetwork.keys(50)
        network.loses = true
        network.handle(.networkChanged(isOnline: true))
        network.handle(.provide(keys, urgently: false))
        network.handle(.provide(ReproviderNetwork.keys(5, 2), urgently: true))
        network.run(for: .seconds(170))
        #expect(network.cancelled == 0 && !network.running.isEmpty)
        network.run(for: .seconds(20))
        #expect(network.cancelled > 0)
        network.loses = false
        network.run(for: .seconds(7200)) { $0.status.provided == 55 }
        #expect(network.status.provided == 55)
        #expect(network.complete(keys) == 50)
    }

    @Test("With nobody to ask everything waits, and goes on when somebody is there")
    func cut() throws {
        var network = try ReproviderNetwork(peers: 100, seed: 8)
        network.isCut = true
        let keys = ReproviderNetwork.keys(500)
        let roots = ReproviderNetwork.keys(20, 9)
        network.handle(.networkChanged(isOnline: true))
        network.handle(.provide(keys, urgently: false))
        network.handle(.provide(roots, urgently: true))
        network.run(for: .seconds(3600))
        #expect(network.lookups < 1000, "it does not hammer")
        #expect(network.status.failing == 0 && network.status.queued == 520)
        network.isCut = false
        let before = network.now
        network.handle(.networkChanged(isOnline: true))
        network.run(for: .seconds(30)) { $0.status.provided == 520 }
        #expect(network.status.provided >= 500)
        // A lookup that was under way when the net came back fails first and is then tried again.
        network.run(for: .seconds(600)) { $0.status.provided == 520 }
        #expect(network.status.provided == 520, "after \(network.now - before)")
        #expect(network.complete(keys + roots) == 520)
    }

    @Test("Going offline on the way loses nothing")
    func offline() throws {
        var network = try ReproviderNetwork(peers: 300, seed: 10)
        let keys = ReproviderNetwork.keys(3000)
        let roots = ReproviderNetwork.keys(30, 3)
        network.handle(.provide(keys, urgently: false))
        network.handle(.provide(roots, urgently: true))
        #expect(network.lookups == 0, "nothing starts before there are peers")
        for _ in 0..<5 {
            network.handle(.networkChanged(isOnline: true))
            network.run(for: .milliseconds(700))
            network.handle(.networkChanged(isOnline: false))
            #expect(network.running.isEmpty)
            let before = network.lookups
            network.run(for: .seconds(600))
            #expect(network.lookups == before)
            #expect(!network.status.isOnline && network.status.total == 3030)
        }
        network.handle(.networkChanged(isOnline: true))
        network.run(for: .seconds(600)) { $0.status.provided == 3030 }
        #expect(network.status.provided == 3030 && network.status.queued == 0)
        #expect(network.complete(keys + roots) == 3030)
    }

    @Test("What is withdrawn is not told any more")
    func withdrawn() throws {
        var network = try ReproviderNetwork(peers: 50, seed: 11)
        let keys = ReproviderNetwork.keys(40)
        network.handle(.provide(keys, urgently: false))
        network.handle(.withdraw(Array(keys.prefix(20)) + ReproviderNetwork.keys(3, 5)))
        #expect(network.persisted.count == 20)
        network.handle(.networkChanged(isOnline: true))
        network.run(for: .seconds(100))
        #expect(keys.prefix(20).allSatisfy { network.told[$0] == nil })
        #expect(network.complete(Array(keys.dropFirst(20))) == 20)
        // Also while it is being announced, and while it rests.
        let more = ReproviderNetwork.keys(10, 6)
        network.handle(.provide(more, urgently: true))
        network.run(for: .milliseconds(100))
        network.handle(.withdraw(more + keys))
        network.run(for: .seconds(100))
        #expect(network.persisted.isEmpty && network.status.total == 0 && network.status.queued == 0)
        #expect(network.core.record(of: keys[30]) == nil)
        #expect(network.status.summary.hasPrefix("Nothing is provided"))
    }

    @Test("It says in plain words how it goes")
    func words() {
        var status = ReproviderStatus(
            strategy: .roots, isOnline: true, queued: 0, urgent: 0, failing: 0, provided: 1234, total: 1234,
            ratePerHour: 0, now: KadTime(milliseconds: 0), cycleEnds: KadTime(milliseconds: 25_920_000),
            cycle: ReproviderStatus.Cycle(began: KadTime(milliseconds: 0)), lastCycle: nil, networkSize: nil)
        #expect(status.summary == "All 1,234 keys are announced. The present cycle ends in 7 h 12 min.")
        status.queued = 200
        status.failing = 1
        status.provided = 1033
        status.ratePerHour = 6000
        #expect(
            status.summary == """
                1,033 of 1,234 keys are announced, 200 wait for the next turn, 1 failed and is tried again. At the \
                present rate (6,000 keys an hour) that takes about 2 min. The present cycle ends in 7 h 12 min.
                """)
        status.isOnline = false
        #expect(status.summary.hasSuffix("The node knows no peers now and goes on when it does."))
    }
}
