package import Logging
package import Multiformats
package import NIOCore
import PeerCrypto
import SansIO

/// The shell of local discovery: keeps a socket on each link where this node has an address, and carries packets
/// and time to the core.
///
/// It looks every 15 s, and whenever it is told to, whether links or addresses have changed. A node without an
/// address that neighbours can use opens no socket. Confined to one event loop, its executor.
package actor LocalDiscoveryService {
    /// How often interfaces are looked at; the system does not tell of changes.
    private static let refreshPause = TimeAmount.seconds(15)
    /// The most links that are used.
    private static let maximumLinks = 32

    private struct OpenLink {
        var link: LocalDiscovery.Link
        var socket: any DiscoverySocket
    }

    private let loop: any EventLoop
    private let medium: any DiscoveryMedium
    private let logger: Logger
    private let peer: PeerID
    private let fingerprint: String?
    private let addresses: @Sendable () -> [Multiaddr]
    private let found: @Sendable (PeerID, [Multiaddr]) -> Void
    private var core: LocalDiscovery?
    private var links: [Int: OpenLink] = [:]
    private var timer: Scheduled<Void>?
    private var timerDeadline: Instant?
    private var refreshTimer: RepeatedTask?
    private var isRefreshing = false
    /// Links that could not be opened, so that each is logged once.
    private var failed: Set<Int> = []

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe loop.executor.asUnownedSerialExecutor()
    }

    /// - Parameters:
    ///   - fingerprint: Of the private network's key, in hexadecimal digits (32 of them); `nil` in open networks.
    ///   - medium: Where packets go; tests bring their own.
    ///   - addresses: Our addresses now, without wildcards; called on any thread, must not block.
    ///   - found: Called on the service's loop, again about once a minute while a peer stays; must not block. Any
    ///     neighbour can make up peers and addresses: dial them under limits, and believe only the handshake.
    package init(
        peer: PeerID, privateNetwork fingerprint: String? = nil, group: any EventLoopGroup,
        medium: any DiscoveryMedium = MulticastMedium(), logger: Logger,
        addresses: @escaping @Sendable () -> [Multiaddr], found: @escaping @Sendable (PeerID, [Multiaddr]) -> Void
    ) {
        self.peer = peer
        self.fingerprint = fingerprint
        loop = group.next()
        self.medium = medium
        self.logger = logger
        self.addresses = addresses
        self.found = found
    }

    /// Begins to ask and to answer. Links that cannot be opened are logged and tried again later.
    ///
    /// Throws `DNSError` when the fingerprint makes no name.
    package func start() async throws {
        guard core == nil else { return }
        core = try LocalDiscovery(peer: peer, fingerprint: fingerprint, seed: RandomBytes.uint64())
        refreshTimer = loop.scheduleRepeatedTask(initialDelay: Self.refreshPause, delay: Self.refreshPause) {
            [weak self] _ in
            guard let self else { return }
            Task { await self.refresh() }
        }
        await refresh()
    }

    /// Says goodbye and closes all sockets.
    package func stop() async {
        guard core != nil else { return }
        feed(.stop)
        core = nil
        timer?.cancel()
        refreshTimer?.cancel()
        let open = links.values.map(\.socket)
        links = [:]
        for socket in open { await socket.close() }
    }

    /// Looks at once for other links and addresses; for when the node knows that they changed.
    package func refresh() async {
        guard core != nil, !isRefreshing else { return }
        isRefreshing = true
        defer { isRefreshing = false }
        let ours = addresses()
        let usable = medium.links()
            .filter { !LocalDiscovery.announced(ours, on: $0).isEmpty }
            .sorted { $0.id < $1.id }
            .prefix(Self.maximumLinks)
        for (id, open) in links where !usable.contains(open.link) {
            links[id] = nil
            await open.socket.close()
        }
        for link in usable where links[link.id] == nil {
            do {
                let id = link.id
                let socket = try await medium.open(link, on: loop) { [weak self] bytes, source in
                    self?.assumeIsolated { $0.feed(.packet(bytes, link: id, from: source)) }
                }
                // Somebody may have stopped us meanwhile.
                guard core != nil else { return await socket.close() }
                links[id] = OpenLink(link: link, socket: socket)
                failed.remove(id)
            } catch {
                guard failed.insert(link.id).inserted else { continue }
                logger.notice(
                    "no local discovery on a network interface",
                    metadata: [
                        "interface": "\(link.id)", "error": "\(error)",
                    ])
            }
        }
        feed(.network(links.values.map(\.link).sorted { $0.id < $1.id }, ours))
    }

    // MARK: The core

    private static var now: Instant { Instant(nanoseconds: NIODeadline.now().uptimeNanoseconds) }

    private func feed(_ input: LocalDiscovery.Input) {
        var effects: [LocalDiscovery.Effect] = []
        core?.handle(input, now: Self.now, into: &effects)
        perform(effects)
    }

    private func tick() {
        timer = nil
        timerDeadline = nil
        var effects: [LocalDiscovery.Effect] = []
        core?.tick(now: Self.now, into: &effects)
        perform(effects)
    }

    private func perform(_ effects: [LocalDiscovery.Effect]) {
        for effect in effects {
            switch effect {
            case .send(let bytes, let link): links[link]?.socket.send(bytes)
            case .found(let peer, let addresses): found(peer, addresses)
            }
        }
        guard let deadline = core?.deadline else { return }
        if let timerDeadline, timerDeadline <= deadline { return }
        timer?.cancel()
        timerDeadline = deadline
        timer = loop.scheduleTask(deadline: .uptimeNanoseconds(deadline.nanoseconds)) { [weak self] in
            self?.assumeIsolated { $0.tick() }
        }
    }
}
