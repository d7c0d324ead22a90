import Multiformats
import NIOCore
import SansIO

/// What lives on the endpoint's loop: the core, its timer, the sockets, and who waits for which call.
final class DatagramDriver {
    private var core: DatagramCore
    private let eventLoop: any EventLoop
    private let onAlive: DatagramEndpoint.Alive
    private let serve: DatagramEndpoint.Serve
    private var sockets: [DatagramSocket] = []
    private var completions: [DatagramCallID: DatagramEndpoint.Completion] = [:]
    private var effects: [DatagramCore.Effect] = []
    private var timer: (at: Instant, task: Scheduled<Void>)?
    private var isShut = false

    init(
        core: DatagramCore, eventLoop: any EventLoop, onAlive: @escaping DatagramEndpoint.Alive,
        serve: @escaping DatagramEndpoint.Serve
    ) {
        self.core = core
        self.eventLoop = eventLoop
        self.onAlive = onAlive
        self.serve = serve
    }

    var statistics: DatagramStatistics { core.statistics }

    private var now: Instant { Instant(.now()) }

    // MARK: Sockets

    /// Takes in a socket that is active now; returns its number, or none when it comes too late.
    func add(_ socket: DatagramSocket) -> Int? {
        guard !isShut else { return nil }
        sockets.append(socket)
        return sockets.count - 1
    }

    /// The socket that can reach `address`; one bound to loopback reaches this machine only.
    private func socket(for address: DatagramAddress) -> DatagramSocket? {
        let usable = sockets.filter { $0.isOpen && $0.bound?.isIPv6 == address.isIPv6 }
        let wanted = usable.first { $0.bound?.isLoopback == address.isLoopback }
        return wanted ?? usable.first { $0.isWildcard }
    }

    // MARK: In

    func receive(
        _ packet: ByteBuffer, from source: DatagramAddress, at local: DatagramLocal, endpoint: DatagramEndpoint
    ) {
        guard !isShut else { return }
        core.handle(.packet(packet, from: source, at: local), now: now, into: &effects)
        perform(endpoint)
    }

    func handle(_ work: [DatagramEndpoint.Work], endpoint: DatagramEndpoint) {
        let now = now
        for item in work {
            switch item {
            case .input(let input):
                if case .cancel(let id) = input { completions[id] = nil }
                if !isShut { core.handle(input, now: now, into: &effects) }
            case .call(let call, let completion):
                guard !isShut else { completion(.failure(.closed)); continue }
                guard socket(for: call.address) != nil else { completion(.failure(.badAddress)); continue }
                completions[call.id] = completion
                core.handle(.call(call), now: now, into: &effects)
            }
        }
        perform(endpoint)
        flush(endpoint)
    }

    private func fire(_ endpoint: DatagramEndpoint) {
        timer = nil
        guard !isShut else { return }
        core.tick(now: now, into: &effects)
        perform(endpoint)
        flush(endpoint)
    }

    // MARK: Out

    private func perform(_ endpoint: DatagramEndpoint) {
        // What is called here may post more, which is handled after the loop has come round.
        let due = effects
        effects.removeAll(keepingCapacity: true)
        for effect in due {
            switch effect {
            case .send(let packet, let address, let local):
                guard let local else { socket(for: address)?.queue(packet, to: address, from: nil); continue }
                guard local.socket < sockets.count else { continue }
                sockets[local.socket].queue(packet, to: address, from: local.address)
            case .request(let ask): serve(DatagramRequest(ask, endpoint: endpoint))
            case .completed(let id, let result): completions.removeValue(forKey: id)?(result)
            case .alive(let peer, let address): onAlive(peer, address.multiaddr)
            }
        }
    }

    /// Sends what was queued and sets the timer: once for everything that came in together.
    func flush(_ endpoint: DatagramEndpoint) {
        for socket in sockets { socket.flush() }
        guard !isShut, let deadline = core.deadline else { return }
        // A timer that fires too early does no harm; one that is moved for every packet costs.
        if let timer, timer.at <= deadline { return }
        timer?.task.cancel()
        let driver = NIOLoopBound(self, eventLoop: eventLoop)
        let at = NIODeadline.uptimeNanoseconds(deadline.nanoseconds)
        timer = (
            deadline,
            eventLoop.scheduleTask(deadline: at) { [weak endpoint] in
                guard let endpoint else { return }
                driver.value.fire(endpoint)
            }
        )
    }

    /// Fails every call and gives the channels to close.
    func shutDown() -> [any Channel] {
        guard !isShut else { return [] }
        isShut = true
        timer?.task.cancel()
        timer = nil
        for id in completions.keys.sorted() { completions[id]?(.failure(.closed)) }
        completions = [:]
        defer { sockets = [] }
        return sockets.compactMap(\.channel)
    }
}
