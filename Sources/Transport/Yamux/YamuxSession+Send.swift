import NIOCore
package import SansIO

extension YamuxSession {
    /// Opens a stream and queues its SYN; `nil` when no further stream is allowed now.
    package mutating func open(now: Instant) -> UInt32? {
        guard let id = takeID(now: now) else { return nil }
        // go-yamux opens with a window update too; the data follows in the same packet.
        YamuxFrame(.windowUpdate, .syn, stream: id, length: 0).write(to: &outbox)
        return id
    }

    /// Takes an inbound stream out of the backlog: its protocol is agreed.
    package mutating func accept(_ id: UInt32) { markAccepted(id) }

    /// What the stream may send now, in bytes; 0 when it is gone or closed for writing.
    package func credit(of id: UInt32) -> Int {
        guard let stream = streams[id], !stream.sentFIN else { return 0 }
        return Int(stream.sendCredit)
    }

    /// Whether the stream is not known (any more).
    package func isGone(_ id: UInt32) -> Bool { streams[id] == nil }

    /// Spends `length` bytes of the stream's credit and gives the header that goes before them.
    ///
    /// `length` must not exceed `credit(of:)`; with `isLast`, the stream is closed for writing.
    package mutating func claim(_ id: UInt32, length: Int, isLast: Bool) -> YamuxFrame {
        precondition(length <= credit(of: id), "more than the credit claimed")
        var flags: YamuxFrame.Flags = takeACK(id)
        update(id) { $0.sendCredit -= UInt32(length) }
        if isLast {
            flags.insert(.fin)
            update(id) { $0.sentFIN = true }
            if streams[id]?.gotFIN == true { remove(id) }
        }
        // An end alone goes as a window update, the form that every implementation has always understood.
        return YamuxFrame(length == 0 ? .windowUpdate : .data, flags, stream: id, length: UInt32(length))
    }

    /// Gives the stream up; queues an RST unless the other side knows already.
    package mutating func reset(_ id: UInt32, code: UInt32 = 0) {
        guard streams[id] != nil else { return }
        remove(id)
        YamuxFrame(.windowUpdate, .rst, stream: id, length: code).write(to: &outbox)
    }

    /// The reader took `bytes` of what it was given; queues a window update once half a window is free.
    package mutating func consumed(_ id: UInt32, bytes: Int, now: Instant) {
        guard let stream = streams[id] else { return }
        let unread = stream.unread - min(stream.unread, UInt32(clamping: bytes))
        update(id) { $0.unread = unread }
        guard !stream.gotFIN else { return }
        let used = stream.window - min(stream.window, stream.receiveCredit + unread)
        guard used >= stream.window / 2 else { return }
        let window = grownWindow(of: stream, now: now)
        let delta = window - stream.receiveCredit - unread
        update(id) {
            $0.window = window
            $0.receiveCredit += delta
            $0.windowSince = now
        }
        YamuxFrame(.windowUpdate, takeACK(id), stream: id, length: delta).write(to: &outbox)
    }

    /// The window after half of the old one was used: grown as long as it holds the stream back and the
    /// budget allows.
    private func grownWindow(of stream: Stream, now: Instant) -> UInt32 {
        let most = min(limits.maximumWindow, 16 << 20)
        guard stream.window < most else { return stream.window }
        let busy = min(limits.busyWindow, most)
        let wanted: UInt32
        if stream.window < busy {
            wanted = busy
        } else if let roundTrip, now - stream.windowSince < roundTrip * 4 {
            wanted = min(most, stream.window * 2)
        } else {
            return stream.window
        }
        let extra = Int(wanted - stream.window)
        guard let budget else { return wanted }
        return budget.take(extra) ? wanted : stream.window
    }

    /// Asks for a round trip; the event `.pong` brings `value` back.
    package mutating func ping(_ value: UInt32) {
        YamuxFrame(.ping, .syn, stream: 0, length: value).write(to: &outbox)
    }

    /// Opens and accepts no more streams, and says so: 0 normal, 1 protocol error, 2 internal error.
    package mutating func goAway(code: UInt32) {
        markGoingAway()
        YamuxFrame(.goAway, stream: 0, length: code).write(to: &outbox)
    }

    /// Queues the acknowledgement of an inbound stream that nothing was sent on yet.
    package mutating func acknowledgeInbound(_ id: UInt32) {
        let flags = takeACK(id)
        guard !flags.isEmpty else { return }
        YamuxFrame(.windowUpdate, flags, stream: id, length: 0).write(to: &outbox)
    }

    /// Forgets every stream and gives their part of the budget back; for the end of the connection.
    package mutating func removeAll() {
        for id in Array(streams.keys) { remove(id) }
    }

    private mutating func takeACK(_ id: UInt32) -> YamuxFrame.Flags {
        guard streams[id]?.owesACK == true else { return [] }
        update(id) { $0.owesACK = false }
        return .ack
    }
}
