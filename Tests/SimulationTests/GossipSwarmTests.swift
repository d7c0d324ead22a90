import Gossip
import SansIO
import Simulation
import Testing

/// Small swarms of gossip cores in virtual time; the figures at full size are the scenarios'.
@Suite("Simulated gossip") struct GossipSwarmTests {
    @Test("The scenario keeps its promises when it is small, and repeats itself")
    func scenario() {
        let report = Scenario.gossip.run(seed: 3, nodes: 40)
        #expect(report.passes, "\(report.text)")
        #expect(report.events > 10_000)
        let again = Scenario.gossip.run(seed: 3, nodes: 40)
        #expect(again.trace == report.trace)
        #expect(Scenario.gossip.run(seed: 4, nodes: 40).trace != report.trace)
    }

    @Test("Pausing before some forwards saves bytes and costs little time")
    func pause() {
        func figures(pausing: Bool) -> (bytes: Double, p99: Double, share: Double) {
            let swarm = GossipSwarm(seed: 5, links: Scenario.gossipLinks)
            var configuration = Scenario.gossipConfiguration
            if !pausing { configuration.forwardPause = .zero }
            for _ in 0..<60 { swarm.add(configuration) }
            for node in swarm.nodes { swarm.dial(10, from: node, among: 60) }
            swarm.run(for: .seconds(5))
            swarm.beginMeasuring()
            swarm.publish(40, perSecond: 10)
            swarm.run(for: .seconds(4))
            return (swarm.amplification, swarm.tally.delays.p99, swarm.tally.share)
        }
        let (with, without) = (figures(pausing: true), figures(pausing: false))
        #expect(with.share == 100 && without.share == 100)
        #expect(with.bytes < 0.85 * without.bytes, "\(with.bytes) and \(without.bytes)")
        #expect(with.p99 < without.p99 + 120, "\(with.p99) and \(without.p99) ms")
    }

    @Test("Spammers are out within seconds and others hear everything")
    func spam() {
        let swarm = Scenario.gossipSwarm(30, seed: 6)
        swarm.run(for: .seconds(4))
        let spammer = swarm.add(Scenario.gossipConfiguration, role: .spammer(perSecond: 100))
        swarm.dial(20, from: spammer, among: 30)
        swarm.beginMeasuring()
        swarm.spam(spammer, perSecond: 100)
        swarm.publish(20, perSecond: 10)
        for node in swarm.nodes where node.isHonest {
            if let score = node.core?.score(of: spammer.peer) { #expect(score < -200) }
        }
        swarm.publish(20, perSecond: 10)
        swarm.run(for: .seconds(4))
        #expect(swarm.tally.share == 100 && swarm.tally.doubles == 0 && swarm.violations.isEmpty)
    }

    @Test("A node that was away hears what is published after it is back")
    func churn() {
        let swarm = Scenario.gossipSwarm(20, seed: 8)
        swarm.run(for: .seconds(3))
        let node = swarm.nodes[4]
        swarm.stop(node)
        swarm.publish(5, perSecond: 10)
        swarm.start(node)
        swarm.dial(10, from: node, among: 20)
        swarm.run(for: .seconds(2))
        swarm.beginMeasuring()
        swarm.publish(20, perSecond: 10)
        swarm.run(for: .seconds(4))
        #expect(swarm.tally.share == 100 && swarm.violations.isEmpty)
        #expect(swarm.network.latency(0, 1) >= 25_000_000)
    }
}
