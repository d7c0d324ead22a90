package import Multiformats
import NIOCore
import Synchronization
import Transport

/// How far this node's clock is from those of its peers. A wrong clock would sign times that cannot be taken back.
///
/// A peer that is asked on a stream of `/coliving/time/1.0.0` writes its time, 8 bytes big-endian, in milliseconds
/// since 1970, and closes. The median of five is believed: three of them would have to lie.
package final class PeerClocks: Sendable {
    static let protocolID = "/coliving/time/1.0.0"
    /// How far ahead or behind the clock may be, in milliseconds.
    package static let tolerance: UInt64 = 5 * 60_000
    /// Peers that are heeded, those heard last.
    static let count = 5

    private let samples = Mutex<[(peer: PeerID, offset: Int64)]>([])
    private let now: @Sendable () -> UInt64

    /// `now` is this node's clock, in milliseconds since 1970.
    package init(now: @escaping @Sendable () -> UInt64) { self.now = now }

    /// Milliseconds by which this clock is ahead of the median; `nil` until five peers have said theirs.
    package var offset: Int64? {
        let sorted = samples.withLock { $0.map(\.offset) }.sorted()
        return sorted.count < Self.count ? nil : sorted[sorted.count / 2]
    }

    /// Notes that a peer's clock shows `theirs` when this one shows `ours`.
    package func note(_ peer: PeerID, theirs: UInt64, ours: UInt64) {
        let offset = Int64(clamping: ours).subtractingReportingOverflow(Int64(clamping: theirs)).partialValue
        samples.withLock { samples in
            samples.removeAll { $0.peer == peer }
            samples.append((peer, offset))
            if samples.count > Self.count { samples.removeFirst() }
        }
    }

    /// Whether more peers should be asked.
    var wantsMore: Bool { samples.withLock { $0.count < Self.count } }

    /// Asks a connected peer for its time.
    func ask(_ connection: Connection, of host: Host) {
        let now = now
        let asked = now()
        host.openStream(on: connection, protocols: [Self.protocolID]) { stream in
            stream.setDeadline(.seconds(10))
            return ClockReader { [weak self] theirs in
                // The answer was written in the middle of the round trip, as far as anybody knows.
                let answered = now()
                self?.note(stream.peer, theirs: theirs, ours: asked + (max(answered, asked) - asked) / 2)
            }
        }
    }

    /// Tells peers what this clock shows.
    func serve(_ host: Host) {
        let now = now
        host.handle(Self.protocolID, maximumPerPeer: 1) { _ in ClockTeller(now) }
    }
}

private final class ClockReader: StreamHandler {
    private let told: (UInt64) -> Void
    private var bytes = ByteBuffer()

    init(_ told: @escaping (UInt64) -> Void) { self.told = told }

    func received(_ bytes: ByteBuffer, on stream: PeerStream) {
        self.bytes.writeImmutableBuffer(bytes)
        guard self.bytes.readableBytes >= 8 else { return }
        if self.bytes.readableBytes == 8, let time: UInt64 = self.bytes.readInteger() { told(time) }
        stream.close()
    }

    func inputClosed(_ stream: PeerStream) { stream.close() }
    func failed(_ error: StreamError, on stream: PeerStream) {}
}

private final class ClockTeller: StreamHandler {
    private let now: @Sendable () -> UInt64

    init(_ now: @escaping @Sendable () -> UInt64) { self.now = now }

    func opened(_ stream: PeerStream) {
        stream.write(ByteBuffer(integer: now()))
        stream.close()
    }

    func received(_ bytes: ByteBuffer, on stream: PeerStream) {}
    func inputClosed(_ stream: PeerStream) {}
    func failed(_ error: StreamError, on stream: PeerStream) {}
}
