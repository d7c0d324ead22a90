import Multiformats
import NIOCore
import SansIO
import Transport

/// Connects to peers, a few at a time: a lookup that meets many dead peers must not fill the host's
/// table of dials. Confined to the control loop.
///
/// Those who want the same peer share one dial; the others wait in line. A dial ends after its patience.
final class DialGate: @unchecked Sendable {  // confined to the control loop: called there, and hops there
    /// Told how the dial ended, on the control loop.
    typealias Outcome = @Sendable (Connection?) -> Void

    /// Names one wish, to take it back.
    struct Ticket: Hashable, Sendable {
        let peer: PeerID
        fileprivate let number: UInt64
    }

    private struct Dial {
        /// Tells it from earlier dials to the same peer.
        let number: UInt64
        var addresses: [Multiaddr]
        var outcomes: [(number: UInt64, outcome: Outcome)]
        var patience: Duration
        let isForced: Bool
        var task: Task<Void, Never>?
        var timer: Scheduled<Void>?
    }

    /// Dials under way.
    private let mostDials: Int
    /// Peers that wait in line; more fail at once.
    private let mostWaiting: Int

    private let host: Host
    private let loop: any EventLoop
    private var dials: [PeerID: Dial] = [:]
    private var line: [PeerID] = []
    private var active = 0
    private var lastNumber: UInt64 = 0
    private var isStopped = false

    init(host: Host, loop: any EventLoop, mostDials: Int = 24, mostWaiting: Int = 512) {
        self.host = host
        self.loop = loop
        self.mostDials = mostDials
        self.mostWaiting = mostWaiting
    }

    /// Gives a connection to `peer`, made over `addresses` or others that are known if there is none.
    ///
    /// `isForced` tries addresses that failed a moment ago, too. `outcome` may be called before this returns; then
    /// there is no ticket.
    func connect(
        to peer: PeerID, _ addresses: [Multiaddr], patience: Duration, isForced: Bool = false,
        _ outcome: @escaping Outcome
    ) -> Ticket? {
        if let connection = host.connection(to: peer) {
            outcome(connection)
            return nil
        }
        guard !isStopped, peer != host.peerID, dials[peer] != nil || line.count < mostWaiting else {
            outcome(nil)
            return nil
        }
        lastNumber += 1
        if dials[peer] == nil {
            dials[peer] = Dial(
                number: lastNumber, addresses: addresses, outcomes: [], patience: patience, isForced: isForced)
            line.append(peer)
        }
        dials[peer]?.outcomes.append((lastNumber, outcome))
        let ticket = Ticket(peer: peer, number: lastNumber)
        startNext()
        return ticket
    }

    /// Takes a wish back; a dial that nobody wants any more ends.
    func cancel(_ ticket: Ticket) {
        dials[ticket.peer]?.outcomes.removeAll { $0.number == ticket.number }
        guard let dial = dials[ticket.peer], dial.outcomes.isEmpty else { return }
        if dial.task != nil {
            finish(ticket.peer, dial.number, with: nil)
        } else {
            dials[ticket.peer] = nil
            line.removeAll { $0 == ticket.peer }
        }
    }

    /// Ends all dials.
    func stop() {
        isStopped = true
        let open = dials
        dials.removeAll()
        line.removeAll()
        for dial in open.values {
            dial.task?.cancel()
            dial.timer?.cancel()
            for (_, outcome) in dial.outcomes { outcome(nil) }
        }
    }

    private func startNext() {
        while active < mostDials, !line.isEmpty {
            let peer = line.removeFirst()
            guard let dial = dials[peer] else { continue }
            active += 1
            let (host, loop, addresses, number, isForced) = (host, loop, dial.addresses, dial.number, dial.isForced)
            // Owned by the dial, which cancels it when its time is over.
            dials[peer]?.task = Task { [weak self] in
                let connection = try? await host.connect(to: peer, addresses: addresses, isForced: isForced)
                loop.execute { [weak self] in self?.finish(peer, number, with: connection) }
            }
            dials[peer]?.timer = loop.scheduleTask(in: .nanoseconds(dial.patience.wholeNanoseconds)) { [weak self] in
                self?.finish(peer, number, with: nil)
            }
        }
    }

    private func finish(_ peer: PeerID, _ number: UInt64, with connection: Connection?) {
        guard let dial = dials[peer], dial.number == number else { return }
        dials[peer] = nil
        active -= 1
        dial.task?.cancel()
        dial.timer?.cancel()
        for (_, outcome) in dial.outcomes { outcome(connection) }
        startNext()
    }
}
