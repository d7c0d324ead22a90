import DHT
package import Multiformats
import SansIO

// A node that provides: the reprovider beside the core, which asks it and is told by it as the node's shell would.

extension Simulator {
    /// Lets a node provide these contents, now and in every cycle, also after a restart.
    package func provide(_ keys: [Multihash], at node: SimulatedNode, urgently: Bool = false) {
        prepareReprovider(node)
        feed(node, .provide(keys, urgently: urgently))
    }

    /// Gives a node its reprovider, with what its disk holds.
    func prepareReprovider(_ node: SimulatedNode) {
        guard node.isUp, node.reprovider == nil else { return }
        node.reprovider = Reprovider(
            ReproviderConfiguration(), peer: node.peer, epoch: wallTime(of: node), start: now)
        let records = node.disk.provided.values.sorted { $0.key.bytes.lexicographicallyPrecedes($1.key.bytes) }
        if !records.isEmpty { feed(node, Reprovider.Input.restored(records)) }
        if (node.core?.table.count ?? 0) > 0 { feed(node, .networkChanged(isOnline: true)) }
    }

    func feed(_ node: SimulatedNode, _ input: Reprovider.Input) {
        guard node.isUp else { return }
        var effects: [Reprovider.Effect] = []
        node.reprovider?.handle(input, now: now, into: &effects)
        perform(effects, node)
    }

    func wakeReprovider(_ index: Int) {
        let node = nodes[index]
        guard node.isUp, node.reprovideAt <= now else { return }
        node.reprovideAt = .distantFuture
        var effects: [Reprovider.Effect] = []
        node.reprovider?.tick(now: now, into: &effects)
        perform(effects, node)
    }

    private func perform(_ effects: [Reprovider.Effect], _ node: SimulatedNode) {
        for effect in effects {
            switch effect {
            case .persist(let records):
                for record in records { node.disk.provided[record.key] = record }
            case .forget(let keys):
                for key in keys { node.disk.provided[key] = nil }
            case .start(let id, let query):
                trace.mix(id.rawValue)
                feed(node, .start(id, query))
            case .cancel(let id): feed(node, Kademlia.Input.cancel(id))
            }
        }
        guard let deadline = node.reprovider?.deadline, deadline < node.reprovideAt else { return }
        node.reprovideAt = deadline
        queue.schedule(.reprovide(node.index), at: deadline)
    }

    /// A query of a reprovider's has ended; it hears of that as an event of its own.
    func finishedForReprovider(_ query: QueryID, _ result: QueryResult, _ node: SimulatedNode) {
        let incarnation = node.incarnation
        after(.zero) { simulator in
            if node.incarnation == incarnation { simulator.feed(node, Reprovider.Input.finished(query, result)) }
        }
    }
}
