import Multiformats
import NIOCore
import SansIO

// The streams' own matters: opening, negotiating, delivering, ending.
extension ConnectionHandler {
    // MARK: Opening

    /// Opens a yamux stream for `stream` and proposes its protocols.
    func attach(_ stream: PeerStream, proposing protocols: [String], lazily: Bool) {
        guard !connection.isClosing else { return Self.end(stream, with: .connectionClosed) }
        guard let id = session.open(now: now) else { return Self.end(stream, with: .limit) }
        stream.id = id
        streams[id] = stream
        let negotiation = Multistream(proposing: protocols)
        var words = ByteBuffer()
        negotiation.start(into: &words)
        stream.negotiation = negotiation
        stream.isLazy = lazily
        stream.negotiationDeadline = now + limits.negotiationTimeout
        say(words, on: stream)
        if lazily { open(stream, as: protocols[0]) }
    }

    /// An inbound stream: it has a limited time to say what it wants.
    func welcome(_ id: UInt32, now: Instant) {
        let stream = PeerStream(connection: connection, isInbound: true, highWater: limits.streamHighWater)
        stream.id = id
        stream.negotiation = Multistream(offering: { [registry] in registry.offers($0) })
        stream.negotiationDeadline = now + limits.negotiationTimeout
        streams[id] = stream
        // Said at once, so that the opener's count of unacknowledged streams does not depend on its protocol.
        session.acknowledgeInbound(id)
    }

    private func negotiate(_ stream: PeerStream, _ bytes: ByteBuffer) {
        guard var negotiation = stream.negotiation else { return }
        stream.negotiationInput.writeImmutableBuffer(bytes)
        session.consumed(stream.id, bytes: bytes.readableBytes, now: now)
        var answer = ByteBuffer()
        let agreed: String?
        do {
            agreed = try negotiation.receive(&stream.negotiationInput, into: &answer)
        } catch {
            let reason: StreamError = error == .noneAccepted ? .protocolNotSupported : .negotiation(error)
            return reset(stream, code: 0, error: reason)
        }
        stream.negotiation = agreed == nil ? negotiation : nil
        if answer.readableBytes > 0 { say(answer, on: stream) }
        guard let agreed else { return }
        stream.negotiationDeadline = nil
        let rest = stream.negotiationInput
        stream.negotiationInput = ByteBuffer()
        if stream.isInbound {
            guard admit(stream, agreed) else { return }
        } else if !stream.isLazy {
            open(stream, as: agreed)
        }
        releaseHeld(stream)
        if rest.readableBytes > 0, stream.failure == nil { deliverData(rest, to: stream, isCredited: true) }
    }

    private func admit(_ stream: PeerStream, _ protocolID: String) -> Bool {
        session.accept(stream.id)
        guard let (make, slot) = registry.admit(protocolID, peer: connection.remotePeer) else {
            reset(stream, code: 0, error: .limit)
            return false
        }
        stream.slot = slot
        stream.protocolID = protocolID
        stream.handler = make(stream)
        open(stream, as: protocolID)
        return stream.failure == nil
    }

    private func open(_ stream: PeerStream, as protocolID: String) {
        stream.protocolID = protocolID
        stream.counter = bandwidth.counter(for: protocolID)
        let waiters = stream.openWaiters
        stream.openWaiters = []
        for waiter in waiters { waiter.succeed() }
        stream.handler?.opened(stream)
    }

    private func releaseHeld(_ stream: PeerStream) {
        guard !stream.held.isEmpty else {
            if stream.wantsClose { markReady(stream) }
            return
        }
        let held = stream.held
        stream.held = []
        append(held, to: stream)
    }

    /// Queues the negotiation's own words, in front of which nothing waits.
    private func say(_ words: ByteBuffer, on stream: PeerStream) {
        stream.pendingWords += words.readableBytes
        stream.sent(-words.readableBytes)
        append([words], to: stream)
    }

    // MARK: Receiving

    func deliver(_ bytes: ByteBuffer, to stream: PeerStream, now: Instant) {
        if stream.negotiation != nil { return negotiate(stream, bytes) }
        deliverData(bytes, to: stream, isCredited: false)
    }

    /// Gives `bytes` to whoever reads the stream; `isCredited` when their credit went back already.
    private func deliverData(_ bytes: ByteBuffer, to stream: PeerStream, isCredited: Bool) {
        let length = bytes.readableBytes
        stream.counter?.received(length)
        if stream.discardsInput {
            if !isCredited { session.consumed(stream.id, bytes: length, now: now) }
            return
        }
        guard let handler = stream.handler, !stream.manualCredit else {
            guard keep(bytes, for: stream) else { return }
            if let handler = stream.handler {
                handler.received(bytes, on: stream)
            } else {
                stream.inbox.append(bytes.compacted())
                stream.serveReader()
            }
            return
        }
        handler.received(bytes, on: stream)
        if !isCredited, stream.failure == nil { session.consumed(stream.id, bytes: length, now: now) }
    }

    /// Accounts for bytes that stay here until they are consumed.
    private func keep(_ bytes: ByteBuffer, for stream: PeerStream) -> Bool {
        guard connection.unreadBudget.take(bytes.readableBytes) else {
            reset(stream, code: 0, error: .limit)
            return false
        }
        stream.unread += bytes.readableBytes
        return true
    }

    func consumed(_ bytes: Int, by stream: PeerStream) {
        let counted = min(bytes, stream.unread)
        guard counted > 0 else { return }
        stream.unread -= counted
        connection.unreadBudget.give(counted)
        returnCredit(counted, of: stream)
    }

    /// Lets the other side send `bytes` more, once that is worth saying.
    func returnCredit(_ bytes: Int, of stream: PeerStream) {
        session.consumed(stream.id, bytes: bytes, now: now)
        if session.outbox.readableBytes > 0 { scheduleFlush() }
    }

    func deliverInbox(of stream: PeerStream) {
        while stream.failure == nil, let handler = stream.handler, let bytes = stream.inbox.popFirst() {
            handler.received(bytes, on: stream)
            if !stream.manualCredit { consumed(bytes.readableBytes, by: stream) }
        }
        if stream.failure == nil, stream.inputEnded { stream.handler?.inputClosed(stream) }
    }

    func endInput(of stream: PeerStream) {
        stream.inputEnded = true
        // Nobody waits for the answer of a stream that was opened lazily and closed at once.
        if stream.negotiation != nil, !stream.discardsInput {
            return reset(stream, code: 0, error: .truncated)
        }
        stream.serveReader()
        stream.handler?.inputClosed(stream)
        if session.isGone(stream.id) { forget(stream) }
    }

    // MARK: Ending

    func reset(_ stream: PeerStream, code: UInt32, error: StreamError) {
        guard stream.failure == nil else { return }
        session.reset(stream.id, code: code)
        end(stream, with: error)
        scheduleFlush()
    }

    func close(_ stream: PeerStream) {
        stream.handler = nil
        stream.discardsInput = true
        let unread = stream.unread
        stream.dropInbox()
        session.consumed(stream.id, bytes: unread, now: now)
        closeWrite(stream)
        stream.deadline = now + limits.lingerTimeout
    }

    func end(_ stream: PeerStream, with error: StreamError) {
        streams[stream.id] = nil
        Self.end(stream, with: error)
    }

    /// Fails a stream and everyone who waits for it.
    static func end(_ stream: PeerStream, with error: StreamError) {
        guard stream.failure == nil, !(stream.sentAll && stream.inputEnded) else { return }
        stream.failure = error
        let waiting = stream.pendingBytes + stream.held.reduce(0) { $0 + $1.readableBytes }
        stream.sent(waiting)
        stream.pending.removeAll()
        stream.pendingBytes = 0
        stream.held = []
        stream.slot = nil
        if !stream.inputEnded || error != .connectionClosed { stream.dropInbox() }
        stream.serveReader()
        for waiter in stream.openWaiters + stream.writeWaiters { waiter.fail(error) }
        stream.openWaiters = []
        stream.writeWaiters = []
        let handler = stream.handler
        stream.handler = nil
        handler?.failed(error, on: stream)
    }

    /// Both halves are closed: nothing more comes of it, what waits unread stays readable.
    func forget(_ stream: PeerStream) {
        streams[stream.id] = nil
        stream.slot = nil
        stream.handler = nil
        for waiter in stream.writeWaiters { waiter.succeed() }
        stream.writeWaiters = []
    }

    func checkDeadlines(of stream: PeerStream, now: Instant) {
        if let deadline = stream.negotiationDeadline, now >= deadline {
            reset(stream, code: 0, error: .timeout)
        } else if let deadline = stream.deadline, now >= deadline {
            reset(stream, code: 0, error: .timeout)
        } else if stream.pendingBytes > 0, !stream.isReady, now - stream.lastProgress >= limits.writeTimeout {
            reset(stream, code: 0, error: .writeTimeout)
        }
    }
}

extension ByteBuffer {
    /// Itself, or a copy when it is a small part of a large buffer that would be held only for its sake.
    func compacted() -> ByteBuffer {
        guard readableBytes < storageCapacity / 4 else { return self }
        return ByteBuffer(bytes: readableBytesView)
    }
}
