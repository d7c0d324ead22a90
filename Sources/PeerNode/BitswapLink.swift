import BlockExchange
import Multiformats
import NIOCore
import Transport

/// What we send to one peer: one stream for wants and one for blocks, each opened when first needed and kept.
///
/// Two, so that a want never waits behind megabytes of blocks. Confined to the control loop, as part of
/// `BlockExchangeService`.
///
/// ```
/// closed --write--> opening --opened--> open --failed--> closed
///                      +------failed-------> closed
/// ```
final class BitswapLink {
    enum Lane: Hashable { case wants, blocks }

    /// Told whether the message has left; called once.
    typealias Outcome = (Bool) -> Void

    private enum State {
        case closed
        case opening
        case open(PeerStream, BitswapVersion)
    }

    private struct LaneState {
        var state = State.closed
        /// Messages that wait for the stream.
        var waiting: [(message: BitswapMessage, outcome: Outcome)] = []
        /// Messages that wait in the stream's buffer.
        var buffered: [Outcome] = []
    }

    let peer: PeerID
    private let open: (Lane) -> Void
    private var lanes: [Lane: LaneState] = [:]

    /// - Parameter open: begins to open a stream; `opened` or `failed` follows.
    init(peer: PeerID, open: @escaping (Lane) -> Void) {
        self.peer = peer
        self.open = open
    }

    func write(_ message: BitswapMessage, on lane: Lane, _ outcome: @escaping Outcome) {
        switch lanes[lane, default: LaneState()].state {
        case .open(let stream, let version):
            put(message, on: stream, version, lane, outcome)
        case .opening:
            lanes[lane, default: LaneState()].waiting.append((message, outcome))
        case .closed:
            lanes[lane, default: LaneState()].state = .opening
            lanes[lane, default: LaneState()].waiting.append((message, outcome))
            open(lane)
        }
    }

    private func put(
        _ message: BitswapMessage, on stream: PeerStream, _ version: BitswapVersion, _ lane: Lane,
        _ outcome: @escaping Outcome
    ) {
        guard !message.isEmpty(in: version) else { return outcome(true) }
        stream.write(message.framed(version))
        if stream.isWritable {
            outcome(true)
        } else {
            lanes[lane, default: LaneState()].buffered.append(outcome)
            stream.notifyWhenWritable()
        }
    }

    func opened(_ lane: Lane, _ stream: PeerStream, _ version: BitswapVersion) {
        lanes[lane, default: LaneState()].state = .open(stream, version)
        let waiting = lanes[lane]?.waiting ?? []
        lanes[lane]?.waiting.removeAll()
        for (message, outcome) in waiting { put(message, on: stream, version, lane, outcome) }
    }

    /// What was buffered has mostly left.
    func drained(_ lane: Lane) {
        let outcomes = lanes[lane]?.buffered ?? []
        lanes[lane]?.buffered.removeAll()
        for outcome in outcomes { outcome(true) }
    }

    /// The stream is gone, or could not be opened; the next message opens another.
    func failed(_ lane: Lane) {
        guard let old = lanes.removeValue(forKey: lane) else { return }
        for outcome in old.buffered { outcome(false) }
        for (_, outcome) in old.waiting { outcome(false) }
    }

    /// The peer is gone, or we are.
    func close() {
        for lane in lanes.values {
            if case .open(let stream, _) = lane.state { stream.close() }
        }
        lanes.removeAll()
    }
}
