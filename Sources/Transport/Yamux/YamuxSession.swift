package import NIOCore
package import SansIO

/// The streams of one connection: ids, windows, half-closes, resets, pings and go-away.
///
/// A pure machine. Received plaintext goes in by `receive`, which gives one event at a time, bodies in
/// pieces as they arrive. What must be answered collects in `outbox`; data is sent by asking how much a
/// stream may send (`credit`) and claiming it (`claim`), which gives the header to put before the bytes.
///
/// ```
/// a stream:  open -> (closeWrite | peer's FIN) half closed -> gone          either side, at any time: RST -> gone
/// ```
/// Frames of streams that are gone are read and dropped, since they may have been on their way.
/// Source: https://github.com/hashicorp/yamux/blob/master/spec.md, and go-yamux for what it leaves open
package struct YamuxSession: Sendable {
    package enum Role: Sendable { case client, server }

    package enum Event: Sendable {
        /// The other side opened a stream; it counts against the backlog until `accept`.
        case opened(UInt32)
        case data(UInt32, ByteBuffer)
        /// The other side writes no more.
        case inputClosed(UInt32)
        /// The stream is gone.
        case reset(UInt32, code: UInt32)
        /// The stream may send more than before.
        case credit(UInt32)
        /// The answer to our ping with this value.
        case pong(UInt32)
        /// The other side opens no more streams and wants none.
        case goAway
    }

    /// One stream's accounts.
    struct Stream: Sendable {
        /// What we may still send, in bytes.
        var sendCredit: UInt32 = YamuxLimits.initialWindow
        /// What the other side may still send, in bytes.
        var receiveCredit: UInt32 = YamuxLimits.initialWindow
        /// Received and not yet consumed, in bytes.
        var unread: UInt32 = 0
        /// The most that is ever promised and unread together.
        var window: UInt32 = YamuxLimits.initialWindow
        var windowSince: Instant
        /// Opened here and not acknowledged, or opened there and not accepted.
        var isPending = true
        /// Inbound, and our first frame with ACK is not sent yet.
        var owesACK: Bool
        var sentFIN = false
        var gotFIN = false
    }

    private struct Body {
        let streamID: UInt32
        var remaining: Int
        let isWanted: Bool
        let endsInput: Bool
    }

    package let role: Role
    let limits: YamuxLimits
    let budget: MemoryBudget?
    private(set) var streams: [UInt32: Stream] = [:]
    /// Answers to send before any data: window updates, pongs, resets.
    package var outbox = ByteBuffer()
    /// The smoothed round-trip time, for the window; set by whoever measures pings.
    package var roundTrip: Duration?

    private var nextID: UInt32
    private var body: Body?
    private var pendingEvent: Event?
    private var inboundCount = 0
    private var unacceptedCount = 0
    private var unacknowledgedCount = 0
    private var isGoingAway = false
    private(set) var peerIsGoingAway = false
    private var control: TokenBucket
    private var idle: TokenBucket

    /// A session whose windows beyond the first 256 KiB are paid from `budget`; `nil` means no bound.
    package init(role: Role, limits: YamuxLimits, budget: MemoryBudget?, now: Instant) {
        self.role = role
        self.limits = limits
        self.budget = budget
        nextID = role == .client ? 1 : 2
        control = TokenBucket(rate: limits.controlRate, burst: limits.controlBurst, now: now)
        idle = TokenBucket(rate: limits.idleRate, burst: limits.idleBurst, now: now)
    }

    package var streamCount: Int { streams.count }
    package var inboundStreamCount: Int { inboundCount }
    /// Whether `open` would give a stream.
    package var canOpen: Bool {
        !isGoingAway && !peerIsGoingAway && streams.count - inboundCount < limits.outboundStreams
            && unacknowledgedCount < limits.unacknowledged && nextID < UInt32.max - 2
    }

    // MARK: Receiving

    /// Reads the next event out of `input`; `nil` when more bytes are needed (up to eleven may be left).
    package mutating func receive(_ input: inout ByteBuffer, now: Instant) throws(YamuxError) -> Event? {
        while true {
            if let event = pendingEvent {
                pendingEvent = nil
                return event
            }
            if body != nil {
                if let event = readBody(&input) { return event }
                if body != nil { return nil }
                continue
            }
            guard let frame = try YamuxFrame(reading: &input) else { return nil }
            if let event = try handle(frame, now: now) { return event }
        }
    }

    /// A piece of the current body; `nil` when nothing is there or when the body was not wanted.
    private mutating func readBody(_ input: inout ByteBuffer) -> Event? {
        guard var current = body else { return nil }
        let length = min(current.remaining, input.readableBytes)
        guard length > 0 else { return nil }
        current.remaining -= length
        body = current.remaining == 0 ? nil : current
        // The stream may have been reset here between two pieces of one body.
        guard current.isWanted, streams[current.streamID] != nil else {
            input.moveReaderIndex(forwardBy: length)
            return nil
        }
        let slice = input.readSlice(length: length) ?? ByteBuffer()
        if current.remaining == 0, current.endsInput { pendingEvent = endInput(of: current.streamID) }
        return .data(current.streamID, slice)
    }

    private mutating func handle(_ frame: YamuxFrame, now: Instant) throws(YamuxError) -> Event? {
        switch frame.kind {
        case .ping: return try handlePing(frame, now: now)
        case .goAway:
            guard frame.streamID == 0 else { throw .wrongStreamID(frame.streamID) }
            guard frame.length == 0 else { throw .goAway(frame.length) }
            peerIsGoingAway = true
            return .goAway
        case .data, .windowUpdate: return try handleStreamFrame(frame, now: now)
        }
    }

    private mutating func handlePing(_ frame: YamuxFrame, now: Instant) throws(YamuxError) -> Event? {
        guard frame.streamID == 0 else { throw .wrongStreamID(frame.streamID) }
        if frame.flags.contains(.ack) { return .pong(frame.length) }
        try spendControl(now: now)
        YamuxFrame(.ping, .ack, stream: 0, length: frame.length).write(to: &outbox)
        return nil
    }

    private mutating func handleStreamFrame(_ frame: YamuxFrame, now: Instant) throws(YamuxError) -> Event? {
        let id = frame.streamID
        guard id != 0 else { throw .wrongStreamID(0) }
        var opened = false
        if frame.flags.contains(.syn) {
            opened = try admit(id, now: now)
        }
        guard streams[id] != nil else {
            try spendIdle(now: now)
            skipBody(of: frame)
            return nil
        }
        if frame.flags.contains(.ack) { acknowledge(id) }
        if frame.flags.contains(.rst) {
            try spendControl(now: now)
            remove(id)
            skipBody(of: frame)
            // A stream that is opened and reset by one frame was never worth an event.
            return opened ? nil : .reset(id, code: frame.kind == .windowUpdate ? frame.length : 0)
        }
        let event =
            frame.kind == .data ? try startBody(frame, now: now) : try addCredit(frame, opened: opened, now: now)
        guard opened else { return event }
        if let event { pendingEvent = event }
        return .opened(id)
    }

    /// Admits a new stream of the other side; answers RST and gives `false` when there are too many.
    private mutating func admit(_ id: UInt32, now: Instant) throws(YamuxError) -> Bool {
        guard (id % 2 == 1) == (role == .server) else { throw .wrongStreamID(id) }
        guard streams[id] == nil else { throw .duplicateStream(id) }
        guard !isGoingAway, inboundCount < limits.inboundStreams, unacceptedCount < limits.backlog else {
            try spendControl(now: now)
            YamuxFrame(.windowUpdate, .rst, stream: id, length: 0).write(to: &outbox)
            return false
        }
        streams[id] = Stream(windowSince: now, owesACK: true)
        inboundCount += 1
        unacceptedCount += 1
        return true
    }

    private mutating func startBody(_ frame: YamuxFrame, now: Instant) throws(YamuxError) -> Event? {
        let id = frame.streamID
        let endsInput = frame.flags.contains(.fin)
        guard frame.length > 0 else {
            if endsInput { return endInput(of: id) }
            if frame.flags.isEmpty { try spendIdle(now: now) }
            return nil
        }
        guard let stream = streams[id], !stream.gotFIN else {
            // Data behind a FIN belongs to nothing.
            try spendIdle(now: now)
            skipBody(of: frame)
            return nil
        }
        guard frame.length <= stream.receiveCredit else { throw .windowExceeded(id) }
        streams[id]?.receiveCredit -= frame.length
        streams[id]?.unread += frame.length
        body = Body(streamID: id, remaining: Int(frame.length), isWanted: true, endsInput: endsInput)
        return nil
    }

    private mutating func skipBody(of frame: YamuxFrame) {
        guard frame.kind == .data, frame.length > 0 else { return }
        body = Body(streamID: frame.streamID, remaining: Int(frame.length), isWanted: false, endsInput: false)
    }

    private mutating func addCredit(_ frame: YamuxFrame, opened: Bool, now: Instant) throws(YamuxError) -> Event? {
        let id = frame.streamID
        if frame.length > 0 {
            let (sum, overflow) = (streams[id]?.sendCredit ?? 0).addingReportingOverflow(frame.length)
            guard !overflow else { throw .creditOverflow(id) }
            streams[id]?.sendCredit = sum
        } else if frame.flags.isEmpty {
            try spendIdle(now: now)
        }
        if frame.flags.contains(.fin) { return endInput(of: id) }
        return frame.length > 0 && !opened ? .credit(id) : nil
    }

    private mutating func endInput(of id: UInt32) -> Event? {
        guard let stream = streams[id], !stream.gotFIN else { return nil }
        streams[id]?.gotFIN = true
        if stream.sentFIN { remove(id) }
        return .inputClosed(id)
    }

    private mutating func acknowledge(_ id: UInt32) {
        guard let stream = streams[id], stream.isPending, isOurs(id) else { return }
        streams[id]?.isPending = false
        unacknowledgedCount -= 1
    }

    private func isOurs(_ id: UInt32) -> Bool { (id % 2 == 1) == (role == .client) }

    private mutating func spendControl(now: Instant) throws(YamuxError) {
        guard control.take(now: now), outbox.readableBytes <= limits.outbox else { throw .flood }
    }

    private mutating func spendIdle(now: Instant) throws(YamuxError) {
        guard idle.take(now: now) else { throw .flood }
    }

    /// Forgets a stream and returns what it held.
    mutating func remove(_ id: UInt32) {
        guard let stream = streams.removeValue(forKey: id) else { return }
        if isOurs(id) {
            if stream.isPending { unacknowledgedCount -= 1 }
        } else {
            inboundCount -= 1
            if stream.isPending { unacceptedCount -= 1 }
        }
        budget?.give(Int(stream.window - YamuxLimits.initialWindow))
    }

    // MARK: State that the sending half (YamuxSession+Send.swift) changes

    mutating func update(_ id: UInt32, _ change: (inout Stream) -> Void) {
        guard streams[id] != nil else { return }
        change(&streams[id, default: Stream(windowSince: .zero, owesACK: false)])
    }

    mutating func takeID(now: Instant) -> UInt32? {
        guard canOpen else { return nil }
        let id = nextID
        nextID += 2
        streams[id] = Stream(windowSince: now, owesACK: false)
        unacknowledgedCount += 1
        return id
    }

    mutating func markAccepted(_ id: UInt32) {
        guard let stream = streams[id], stream.isPending, !isOurs(id) else { return }
        streams[id]?.isPending = false
        unacceptedCount -= 1
    }

    mutating func markGoingAway() { isGoingAway = true }
}
