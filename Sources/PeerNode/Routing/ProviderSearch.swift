import BlockExchange
import DHT
import Multiformats
import NIOCore
import Transport

/// Looks for peers that have one block that nobody at hand has, and connects to them. Confined to the control loop.
///
/// At most ten are dialled at a time, each for five seconds, or three while ten more wait; who was hurried has another
/// turn at the end. So false claims, which cost nothing to make, hold an honest provider up for little: one among fifty
/// has its turn within twelve seconds. It ends when the block is wanted no more.
final class ProviderSearch: @unchecked Sendable {  // confined to the control loop: called there only
    static let mostDials = 10
    static let patience = Duration.seconds(5)
    static let hurry = Duration.seconds(3)
    /// Providers of one search that are tried; a popular block has thousands.
    static let mostProviders = 256
    /// Searches at once.
    static let mostSearches = 64

    let cid: CID
    private unowned let service: RoutingService
    private let dials: DialGate
    private let host: Host
    private var query: UInt64?
    private var waiting: [KadPeer] = []
    /// Those whose dial was cut short for others'.
    private var hurried: [KadPeer] = []
    private var seen: Set<PeerID> = []
    private var tickets: [PeerID: DialGate.Ticket] = [:]
    private var dialling = 0
    private var locating: [PeerID: UInt64] = [:]
    /// The DHT has told all it knows.
    private var isQueried = false
    private var isOver = false

    init(_ cid: CID, service: RoutingService, dials: DialGate, host: Host) {
        self.cid = cid
        self.service = service
        self.dials = dials
        self.host = host
    }

    func start(in service: isolated RoutingService) {
        // All providers, not the first few: they may be false.
        let id = service.start(.findProviders(key: cid.multihash.bytes, limit: 0)) { [weak self] news in
            self?.heard(news)
        }
        if !isOver, query == nil { query = id }
    }

    /// Ends it.
    func stop() {
        guard !isOver else { return }
        isOver = true
        for ticket in tickets.values { dials.cancel(ticket) }
        tickets.removeAll()
        waiting.removeAll()
        hurried.removeAll()
        let open = [query].compactMap { $0 } + locating.values
        service.onControl { service in for id in open { service.cancel(id) } }
    }

    private func heard(_ news: DHTService.News) {
        guard !isOver else { return }
        switch news {
        case .progress(.provider(let peer)): found(peer)
        case .progress: break
        case .finished:
            query = nil
            isQueried = true
        }
        look()
    }

    private func found(_ peer: KadPeer) {
        guard peer.id != host.peerID, seen.count < Self.mostProviders, seen.insert(peer.id).inserted else { return }
        tell(peer.id)
        guard !host.isConnected(to: peer.id) else { return }
        waiting.append(peer)
    }

    /// Bitswap awaits them: they join when they are connected.
    private func tell(_ peer: PeerID) {
        let cid = cid
        service.assumeIsolated { $0.exchange.assumeIsolated { $0.feed(.providersFound(cid, [peer])) } }
    }

    /// Ends when the block is wanted no more or nothing is left to do; else dials the next.
    private func look() {
        guard !isOver else { return }
        let cid = cid
        let isWanted = service.assumeIsolated { $0.exchange.assumeIsolated { $0.waiters[cid] != nil } }
        guard isWanted else { return end() }
        while dialling < Self.mostDials, !waiting.isEmpty {
            dial(waiting.removeFirst(), hurries: waiting.count >= Self.mostDials)
        }
        while dialling < Self.mostDials, !hurried.isEmpty { dial(hurried.removeFirst(), hurries: false) }
        if isQueried, dialling == 0, waiting.isEmpty { end() }
    }

    private func dial(_ peer: KadPeer, hurries: Bool) {
        dialling += 1
        let addresses = service.tables[0].assumeIsolated { $0.streamAddresses(of: peer) }
        guard !addresses.isEmpty else { return locate(peer.id) }
        let patience = hurries ? Self.hurry : Self.patience
        let ticket = dials.connect(to: peer.id, addresses, patience: patience) { [weak self] _ in
            guard let self else { return }
            // The outcome can come at once.
            service.onControl { _ in self.dialled(peer, hurried: hurries) }
        }
        if let ticket { tickets[peer.id] = ticket }
    }

    private func dialled(_ peer: KadPeer, hurried wasHurried: Bool) {
        tickets[peer.id] = nil
        dialling -= 1
        if wasHurried, !isOver, !host.isConnected(to: peer.id) { hurried.append(peer) }
        look()
    }

    /// Asks the DHT where a provider is whose record came without addresses.
    private func locate(_ peer: PeerID) {
        let id = service.assumeIsolated { service in
            service.start(.findPeer(peer)) { [weak self] news in
                guard let self, case .finished(let result) = news else { return }
                self.service.onControl { _ in self.located(peer, result) }
            }
        }
        locating[peer] = id
    }

    private func located(_ peer: PeerID, _ result: QueryResult) {
        guard locating.removeValue(forKey: peer) != nil, !isOver else { return }
        dialling -= 1
        if case .peer(let found?) = result, !found.addresses.isEmpty { waiting.insert(found, at: 0) }
        look()
    }

    private func end() {
        stop()
        let key = cid.multihash
        service.assumeIsolated { _ = $0.searches.removeValue(forKey: key) }
    }
}

extension RoutingService {
    /// Nobody at hand has the block: looks for others who do.
    func search(_ cid: CID) {
        guard !stopped, searches[cid.multihash] == nil, searches.count < ProviderSearch.mostSearches else { return }
        let search = ProviderSearch(cid, service: self, dials: dials, host: host)
        searches[cid.multihash] = search
        search.start(in: self)
    }
}
