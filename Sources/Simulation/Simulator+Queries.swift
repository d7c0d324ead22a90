package import DHT
package import Multiformats
package import SansIO

/// A query that a scenario watches, from its start to its end.
package final class QueryWatch {
    package let node: Int
    package let started: Instant
    /// When a provider was first named, and who.
    package private(set) var firstProvider: Instant?
    package private(set) var providers: [KadPeer] = []
    package private(set) var asked = 0
    package private(set) var answers = 0
    package private(set) var failures = 0
    package private(set) var ended: Instant?
    package private(set) var result: QueryResult?
    /// How many steps from the asker's own table each peer was.
    private var depths: [PeerID: Int] = [:]
    let completion: ((QueryWatch, Simulator) -> Void)?

    init(node: Int, started: Instant, completion: ((QueryWatch, Simulator) -> Void)?) {
        self.node = node
        self.started = started
        self.completion = completion
    }

    func note(_ progress: QueryProgress, now: Instant) {
        switch progress {
        case .asking: asked += 1
        case .answered(let peer, _, let closer):
            answers += 1
            let depth = depths[peer] ?? 0
            for other in closer { depths[other.id] = min(depths[other.id] ?? .max, depth + 1) }
        case .failed: failures += 1
        case .provider(let provider):
            if firstProvider == nil { firstProvider = now }
            providers.append(provider)
        case .value: break
        }
    }

    func end(_ result: QueryResult, now: Instant) {
        self.result = result
        ended = now
    }

    /// How many requests one behind the other led to `peer` and its answer.
    package func hops(to peer: PeerID) -> Int { (depths[peer] ?? 0) + 1 }

    /// From the start to the end.
    package var duration: Duration { (ended ?? started) - started }

    /// The peers found, closest first.
    package var peers: [PeerID] {
        if case .peers(let peers) = result { peers.map(\.id) } else { [] }
    }

    /// How many took what was announced or put.
    package var stored: Int {
        if case .stored(let count, _) = result { count } else { 0 }
    }

    package var value: [UInt8]? {
        if case .value(let value) = result { value } else { nil }
    }
}

extension Simulator {
    /// The longest that any query may take.
    package static let queryLimit = Duration.seconds(180)

    /// Starts a query at a node; `completion` comes as an event of its own, never when the node stops before.
    @discardableResult
    package func start(
        _ query: Query, at node: SimulatedNode, completion: ((QueryWatch, Simulator) -> Void)? = nil
    ) -> QueryWatch {
        queryCount += 1
        let id = QueryID(UInt64(queryCount))
        let watch = QueryWatch(node: node.index, started: now, completion: completion)
        guard node.isUp else { return watch }
        watches[id] = watch
        after(Simulator.queryLimit) { simulator in
            guard simulator.watches.removeValue(forKey: id) != nil else { return }
            simulator.violate("query \(id.rawValue) of node \(node.index) was not over after \(Simulator.queryLimit)")
        }
        feed(node, .start(id, query))
        return watch
    }

    func finished(_ query: QueryID, _ result: QueryResult, _ node: SimulatedNode) {
        trace.mix(query.rawValue)
        if query.rawValue & Reprovider.queryBit != 0 {
            finishedForReprovider(query, result, node)
            return
        }
        guard let watch = watches.removeValue(forKey: query) else {
            violate("node \(node.index) finished query \(query.rawValue), which was over or never begun")
            return
        }
        watch.end(result, now: now)
        guard let completion = watch.completion else { return }
        completions += 1
        after(.zero) { simulator in
            simulator.completions -= 1
            completion(watch, simulator)
        }
    }

    /// The honest servers that are up, closest to `key` first: what a perfect lookup would find.
    package func closest(to key: KadKey, count: Int = 20, honestOnly: Bool = false, except: Int? = nil) -> [PeerID] {
        nodes.lazy
            .filter { $0.isUp && $0.mode == .server && $0.index != except && (!honestOnly || $0.hostility == nil) }
            .map { ($0.key ^ key, $0.peer) }
            .sorted { $0.0 < $1.0 }
            .prefix(count).map(\.1)
    }
}
