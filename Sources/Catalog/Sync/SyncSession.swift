import Multiformats
package import NIOCore
import PeerCrypto
package import SansIO

/// One pull between two nodes over `/coliving/catalog/1.0.0`: finds the differences of their sets of updates, then
/// carries what each lacks, oldest first.
///
/// Range-based set reconciliation: peers tell each other fingerprints of ranges of keys, cut those that differ and
/// list the small ones, so that the cost follows the difference and not the size. Both ends are this type. It opens
/// with cuts at random ranks, since equal sums can be forged for a range that is known beforehand. The set is handed
/// in with each call and may change in between: what comes during a session is found by the next.
///
/// `SyncFrame` has the bytes, `SyncLimits` what a peer can make it cost. After a fault it only says `finished`.
/// Source: A. Meyer, "Range-Based Set Reconciliation" (SRDS 2023); the idea of sums from negentropy v1.
package struct SyncSession: Sendable {
    /// The name of the protocol that streams are opened with.
    package static let protocolID = "/coliving/catalog/1.0.0"
    /// The name of the protocol by which single updates are asked for.
    package static let askProtocolID = "/coliving/catalog/ask/1.0.0"

    package let role: Role
    package internal(set) var figures = SyncFigures()

    let limits: SyncLimits
    let opening: Opening
    /// The time that a header states.
    let time: @Sendable (ByteBuffer) -> UInt64?
    var generator: SeededGenerator
    var phase = Phase.waiting
    /// Mixed into every fingerprint of this session.
    var salt: UInt64 = 0
    var stream = ByteBuffer()
    var scratch = ByteBuffer()
    var reader = RangeReader()
    var writer = RangeWriter()
    /// Whether the message that is coming in has something to answer.
    var isAsked = false
    /// Updates that were asked for and have not come.
    var wanted: Set<ShortID> = []
    var outgoing = Outgoing()
    /// What an initiator asked for by name and has not got.
    var asked: Set<UpdateID> = []
    /// Something that differs was left to another session, here or there.
    var isPartial = false
    var isPeerDone = false
    var isPlanned = false
    var receivedBytes = 0
    private var started: Instant?
    private var heard = Instant.zero

    enum Phase: Sendable {
        /// For the first input.
        case waiting
        case comparing
        case transferring
        case over
    }

    /// A session. `generator` must not be foreseeable by others; `time` reads a header's time, and `nil` says that
    /// the bytes are no header.
    package init(
        role: Role, opening: Opening = .compare, limits: SyncLimits = SyncLimits(), generator: SeededGenerator,
        time: @escaping @Sendable (ByteBuffer) -> UInt64? = UpdateKey.time(ofHeader:)
    ) {
        self.role = role
        self.opening = opening
        self.limits = limits
        self.generator = generator
        self.time = time
    }

    /// Handles one input; `set` is what this node knows of now.
    package mutating func handle(_ input: Input, set: SumTree, now: Instant, into effects: inout [Effect]) {
        guard phase != .over else { return }
        if started == nil {
            started = now
            heard = now
        }
        do throws(SyncFault) {
            switch input {
            case .open: open(set, into: &effects)
            case .received(var bytes):
                try receive(&bytes, set, now, into: &effects)
            case .blocks(let blocks): try send(blocks, into: &effects)
            case .unreadable: throw .unreadable
            case .drained:
                heard = now
                outgoing.waiting = 0
            case .invalid: throw .invalidUpdates
            case .closed: throw .closed
            }
            try advance(set, into: &effects)
        } catch {
            finish(.failed(error), into: &effects)
        }
    }

    /// Ends the session if it is overdue.
    package mutating func tick(now: Instant, into effects: inout [Effect]) {
        guard let deadline, deadline <= now else { return }
        finish(.failed(.stalled), into: &effects)
    }

    /// When `tick` must next be called; `nil` before the first input and after the last effect.
    package var deadline: Instant? {
        guard phase != .over, let started else { return nil }
        let end = started + (phase == .transferring ? limits.whole : limits.comparing)
        return min(heard + limits.silence, end)
    }

    var isAsking: Bool { if case .ask = opening { true } else { false } }

    /// Whether the session is over.
    package var isOver: Bool { phase == .over }

    /// The frame that refuses a session for so many seconds; the shell sends it in place of having one.
    package static func refusal(seconds: UInt64) -> ByteBuffer { SyncFrame.refused.bytes(min(seconds, 86_400)) }

    // MARK: Frames

    private mutating func receive(
        _ bytes: inout ByteBuffer, _ set: SumTree, _ now: Instant, into effects: inout [Effect]
    ) throws(SyncFault) {
        figures.bytesReceived += bytes.readableBytes
        if stream.readableBytes == 0 { stream = bytes } else { stream.writeBuffer(&bytes) }
        var blocks: [SyncBlock] = []
        var fault: SyncFault?
        do throws(SyncFault) {
            while phase != .over, let (type, payload) = try nextFrame(now) {
                try handle(type, payload, set, &blocks, into: &effects)
            }
        } catch {
            fault = error
        }
        if stream.readableBytes == 0 { stream = ByteBuffer() } else { stream.discardReadBytes() }
        // What came before a fault is as good as ever.
        if !blocks.isEmpty { effects.append(.store(blocks)) }
        if let fault { throw fault }
    }

    private mutating func nextFrame(_ now: Instant) throws(SyncFault) -> (SyncFrame, ByteBuffer)? {
        let before = stream.readableBytes
        guard let frame = try SyncFrame.next(&stream) else { return nil }
        heard = now
        guard phase != .transferring else { return frame }
        figures.comparedBytesReceived += before - stream.readableBytes
        guard figures.comparedBytesReceived <= limits.comparedBytes else { throw .budget(.comparedBytes) }
        return frame
    }

    private mutating func handle(
        _ type: SyncFrame, _ frame: ByteBuffer, _ set: SumTree, _ blocks: inout [SyncBlock],
        into effects: inout [Effect]
    ) throws(SyncFault) {
        var payload = frame
        switch (type, phase) {
        case (.ask, .waiting) where role == .responder && isAsking:
            try readAsk(&payload, into: &effects)
        case (.hello, .waiting) where role == .responder && !isAsking:
            guard let salt: UInt64 = payload.readInteger() else { throw .malformed }
            self.salt = salt
            try readCount(&payload)
            phase = .comparing
            send(.hello, number: UInt64(set.count), into: &effects)
        case (.hello, .comparing) where role == .initiator && figures.rounds == 0:
            try readCount(&payload)
        case (.ranges, .comparing):
            guard payload.readableBytes > 0 else { throw .malformed }
            try compare(&payload, set)
        case (.lastRanges, .comparing):
            try compare(&payload, set)
            try endMessage(set, into: &effects)
        case (.plan, .transferring) where !isPlanned:
            isPlanned = true
            figures.updatesExpected = Int(clamping: try payload.syncNumber())
        case (.updates, .transferring) where isPlanned && !isPeerDone:
            try take(&payload, set, &blocks)
        case (.absent, .transferring) where isPlanned && !isPeerDone:
            try noteAbsent(&payload)
        case (.done, .transferring) where isPlanned && !isPeerDone:
            if try payload.syncNumber() != 0 { isPartial = true }
            guard wanted.isEmpty else { throw .undelivered(wanted.count) }
            isPeerDone = true
        case (.refused, _) where role == .initiator && figures.rounds == 0 && !isPlanned:
            let seconds = try payload.syncNumber()
            guard payload.readableBytes == 0 else { throw .malformed }
            finish(.refused(seconds: min(seconds, 86_400)), into: &effects)
        default: throw .unexpectedFrame
        }
        guard payload.readableBytes == 0 else { throw .malformed }
    }

    private mutating func readCount(_ payload: inout ByteBuffer) throws(SyncFault) {
        figures.peerCount = Int(clamping: try payload.syncNumber())
    }

    // MARK: Sending

    mutating func send(_ frame: ByteBuffer, into effects: inout [Effect]) {
        figures.bytesSent += frame.readableBytes
        if phase != .transferring { figures.comparedBytesSent += frame.readableBytes }
        effects.append(.send(frame))
    }

    mutating func send(_ type: SyncFrame, number: UInt64, into effects: inout [Effect]) {
        send(type.bytes(number), into: &effects)
    }

    mutating func finish(_ result: SyncOutcome.Result, into effects: inout [Effect]) {
        phase = .over
        stream = ByteBuffer()
        wanted = []
        asked = []
        outgoing = Outgoing()
        effects.append(.finished(SyncOutcome(result: result, figures: figures)))
    }
}
