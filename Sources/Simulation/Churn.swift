package import SansIO

/// How nodes come and go.
package struct Churn: Sendable {
    /// In every period this share of the nodes goes offline, each at its own time in it.
    package var period = Duration.seconds(7200)
    package var share = 0.5
    /// The mean time until one of them is back, with its repo.
    package var absence = Duration.seconds(3600)
    /// The share that never returns; as many others join.
    package var leaving = 0.02
    /// The share that crashes with the disk and returns as a newcomer with the same name.
    package var losingDisk = 0.0
    /// These nodes stay: those that the others bootstrap from.
    package var staying = 5

    package init() {}

    /// Lets nodes come and go until `end`.
    package func begin(_ simulator: Simulator, until end: Instant) {
        guard simulator.now + period <= end else { return }
        var candidates = simulator.nodes.filter { $0.isUp && $0.index >= staying }
        let all = simulator.nodes.count { $0.isUp || $0.hostility == nil }
        let count = min(candidates.count, Int(Double(min(all, simulator.nodes.count)) * share))
        let span = UInt64(clamping: period.wholeNanoseconds)
        for _ in 0..<count {
            let node = candidates.remove(at: Int(simulator.generator.next() % UInt64(candidates.count)))
            let leave = Duration.nanoseconds(Int64(simulator.generator.next() % span))
            simulator.after(leave) { take(node, offline: $0) }
        }
        simulator.after(period) { begin($0, until: end) }
    }

    private func take(_ node: SimulatedNode, offline simulator: Simulator) {
        guard node.isUp else { return }
        let draw = Double(simulator.generator.next() >> 11) / Double(1 << 53)
        simulator.stop(node, losingDisk: draw > 1 - losingDisk)
        if draw < leaving {
            let newcomer = simulator.add(node.configuration)
            simulator.after(simulator.randomTime(mean: absence)) { $0.start(newcomer, bootstrapping: true) }
        } else {
            simulator.after(simulator.randomTime(mean: absence)) { $0.start(node, bootstrapping: true) }
        }
    }
}

extension Simulator {
    /// Starts a node; when it still knows nobody after ten seconds it turns to its bootstrap peers.
    package func start(_ node: SimulatedNode, bootstrapping: Bool) {
        start(node)
        let incarnation = node.incarnation
        after(node.disk.peers.isEmpty ? .zero : .seconds(10)) { simulator in
            if bootstrapping, node.incarnation == incarnation { simulator.bootstrap(node) }
        }
    }
}
