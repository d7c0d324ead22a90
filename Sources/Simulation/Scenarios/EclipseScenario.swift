import DHT
import Multiformats
import SansIO

extension Scenario {
    /// A thousand names on eight addresses press into the tables of a swarm that is five times smaller, and
    /// then wait for nodes to restart: once all at one provider, as an attacker rents them, and once at eight.
    func eclipse(_ report: inout Report) {
        press(&report, "one provider", networks: 1, hours: 4)
        press(&report, "eight providers", networks: 8, hours: 1)
    }

    private func press(_ report: inout Report, _ label: String, networks: Int, hours: Int64) {
        var plan = SwarmPlan()
        plan.nodes = report.nodes
        let simulator = plan.build(seed: report.seed)
        let honest = simulator.nodes
        let before = honest.map { peers(of: $0) }
        let attackers = attack(simulator, plan, networks: networks)
        simulator.run(for: .seconds(hours * 3600))

        var share = Distribution()
        var slots = Distribution()
        var kept = Share()
        for (node, old) in zip(honest, before) {
            let now = peers(of: node)
            let count = now.count { attackers.contains($0) }
            slots.add(Double(count))
            share.add(100 * Double(count) / Double(max(1, now.count)))
            let present = Set(now)
            for peer in old { kept.add(present.contains(peer)) }
            checkAddresses(node, simulator, &report)
        }
        // Three for each network is what the table gives; what share that is depends on the swarm's size.
        let goal: Report.Goal? = networks == 1 ? .atMost(5) : nil
        report.add(label + ": attackers' share of a table, mean", share.mean, "%", goal: goal)
        report.add(label + ": attackers' share of the worst table", share.largest, "%")
        report.add(label + ": attackers' places in the worst table", slots.largest, goal: .atMost(Double(3 * networks)))
        report.add(label + ": older peers kept", kept, goal: .atLeast(99))
        restart(simulator, honest, attackers, &report, label, goal: networks == 1 ? .atMost(10) : nil)
        report.add(simulator)
    }

    private func peers(of node: SimulatedNode) -> [PeerID] {
        node.core?.table.buckets.flatMap { $0.peers.map(\.peer) } ?? []
    }

    /// The attackers join, then dial every honest node again and again.
    private func attack(_ simulator: Simulator, _ plan: SwarmPlan, networks: Int) -> Set<PeerID> {
        var attackers: Set<PeerID> = []
        let honest = simulator.nodes.count
        for index in 0..<5 * honest {
            let address = UInt32(150 + index % networks) << 24 | 0x0909_00 | UInt32(index % 8)
            let endpoint = Endpoint(address: address, port: UInt16(5000 + index / 8))
            let identity = SimulatedIdentity(peer: .simulated(&simulator.generator), endpoint: endpoint)
            let node = simulator.add(plan.configuration, identity: identity)
            node.hostility = .colludes
            simulator.conspiracy.join(identity)
            attackers.insert(identity.peer)
        }
        for node in simulator.nodes[honest...] {
            simulator.start(node)
            press(node, simulator, honest: honest)
        }
        return attackers
    }

    private func press(_ node: SimulatedNode, _ simulator: Simulator, honest: Int) {
        let wait = Duration.nanoseconds(Int64(simulator.generator.next() % 600_000_000_000))
        simulator.after(wait) { simulator in
            let victim = simulator.nodes[Int(simulator.generator.next() % UInt64(honest))]
            if victim.isUp { simulator.connect(node, victim) }
            press(node, simulator, honest: honest)
        }
    }

    /// The limits on peers that share an address: three in a table, two in a bucket.
    private func checkAddresses(_ node: SimulatedNode, _ simulator: Simulator, _ report: inout Report) {
        guard let buckets = node.core?.table.buckets else { return }
        var inTable: [UInt32: Int] = [:]
        for bucket in buckets {
            var inBucket: [UInt32: Int] = [:]
            for peer in bucket.peers {
                guard let endpoint = peer.addresses.lazy.compactMap(Endpoint.init).first else { continue }
                inTable[endpoint.address >> 16, default: 0] += 1
                inBucket[endpoint.address >> 16, default: 0] += 1
            }
            if inBucket.values.contains(where: { $0 > 2 }) {
                simulator.violate("node \(node.index) has three peers of one address in a bucket")
            }
        }
        if inTable.values.contains(where: { $0 > 3 }) {
            simulator.violate("node \(node.index) has four peers of one address")
        }
    }

    /// Nodes restart under the eyes of the attackers, who are the first to call.
    private func restart(
        _ simulator: Simulator, _ honest: [SimulatedNode], _ attackers: Set<PeerID>, _ report: inout Report,
        _ label: String, goal: Report.Goal?
    ) {
        var share = Distribution()
        var found = Share()
        for node in honest.prefix(20) {
            simulator.stop(node)
            simulator.run(for: .seconds(30))
            simulator.start(node, bootstrapping: true)
            for _ in 0..<100 {
                let attacker = simulator.nodes[
                    honest.count + Int(simulator.generator.next() % UInt64(attackers.count))]
                simulator.connect(attacker, node)
            }
            simulator.run(for: .seconds(60))
            let now = peers(of: node)
            share.add(100 * Double(now.count { attackers.contains($0) }) / Double(max(1, now.count)))
            for _ in 0..<5 {
                var target = simulator.randomNode()
                while target === node { target = simulator.randomNode() }
                let watch = simulator.start(.findPeer(target.peer), at: node)
                simulator.runUntilQuiet(limit: Simulator.queryLimit)
                if case .peer(let peer?) = watch.result { found.add(peer.id == target.peer) } else { found.add(false) }
            }
        }
        report.add(label + ": after a restart, attackers' share, mean", share.mean, "%", goal: goal)
        report.add(label + ": after a restart, peers found", found, goal: .atLeast(99))
    }
}
