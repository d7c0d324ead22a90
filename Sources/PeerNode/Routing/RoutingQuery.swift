import DHT
import Multiformats

/// One query over all DHTs of a node, told as if there were one. Confined to the control loop.
///
/// Providers and values are told once each; the results are joined when the last table has finished, or as soon as
/// one has found the peer that was looked for.
final class RoutingQuery: @unchecked Sendable {  // confined to the control loop: called there only
    private let query: Query
    private let tables: [DHTService]
    private let validators: [String: RecordValidator]
    private let watch: @Sendable (DHTService.News) -> Void
    private var open: [Int: QueryID] = [:]
    private var results: [QueryResult] = []
    private var providers: Set<PeerID> = []
    private var isOver = false

    init(
        _ query: Query, tables: [DHTService], validators: [String: RecordValidator],
        watch: @escaping @Sendable (DHTService.News) -> Void
    ) {
        self.query = query
        self.tables = tables
        self.validators = validators
        self.watch = watch
    }

    func start() {
        for (index, table) in tables.enumerated() where !isOver {
            guard let query = query(for: table) else {
                heard(.finished(.stored(0, of: 0)), from: index)
                continue
            }
            let id = table.assumeIsolated { table in
                table.start(query) { news in self.heard(news, from: index) }
            }
            // A query can be over before its id is known.
            if results.count <= index, !isOver { open[index] = id }
        }
    }

    /// What this table is asked: an announcement goes only to those of its peers that are its own.
    private func query(for table: DHTService) -> Query? {
        guard case .announce(let keys, let peers) = query, tables.count > 1 else { return query }
        let own = peers.filter { $0.addresses.contains(where: table.network.owns) }
        return own.isEmpty ? nil : .announce(keys: keys, to: own)
    }

    /// Nobody waits any more.
    func cancel() {
        isOver = true
        for (index, id) in open { tables[index].assumeIsolated { $0.cancel(id) } }
        open.removeAll()
    }

    private func heard(_ news: DHTService.News, from index: Int) {
        guard !isOver else { return }
        switch news {
        case .progress(.provider(let peer)):
            if providers.insert(peer.id).inserted { watch(news) }
            if case .findProviders(_, let limit) = query, limit > 0, providers.count >= limit {
                finish(with: .providers([]))
            }
        case .progress: watch(news)
        case .finished(let result):
            open[index] = nil
            results.append(result)
            if case .peer(_?) = result { return finish(with: result) }
            if results.count == tables.count { finish(with: joined) }
        }
    }

    private func finish(with result: QueryResult) {
        guard !isOver else { return }
        cancel()
        watch(.finished(result))
    }

    /// What the results say together: failures count only when there is nothing else.
    private var joined: QueryResult {
        var good = results.filter { if case .failed = $0 { false } else { true } }
        guard !good.isEmpty, good.count > 1 else { return good.first ?? results.first ?? .failed(.noPeers) }
        let first = good.removeFirst()
        return good.reduce(first) { left, right in
            switch (left, right) {
            case (.peers(let a), .peers(let b)): .peers(nearest(a, b))
            case (.providers(let a), .providers(let b)): .providers(Self.joined(a, b))
            case (.stored(let a, let of), .stored(let b, let all)): .stored(a + b, of: of + all)
            case (.value(let a?), .value(let b?)): .value(best(a, b))
            case (.value(nil), _), (.peer(nil), _): right
            default: left
            }
        }
    }

    private static func joined(_ left: [KadPeer], _ right: [KadPeer]) -> [KadPeer] {
        var seen: Set<PeerID> = []
        return (left + right).filter { seen.insert($0.id).inserted }
    }

    private func nearest(_ left: [KadPeer], _ right: [KadPeer]) -> [KadPeer] {
        guard case .closestPeers(let key) = query else { return left }
        let target = KadKey(hashing: key)
        return Self.joined(left, right).sorted { KadKey($0.id) ^ target < KadKey($1.id) ^ target }
    }

    private func best(_ left: [UInt8], _ right: [UInt8]) -> [UInt8] {
        guard case .getValue(let key, _) = query, let name = RecordValidator.namespace(of: key),
            let validator = validators[name]
        else { return left }
        return validator.select([left, right]) == 1 ? right : left
    }
}
