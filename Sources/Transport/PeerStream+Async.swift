import Multiformats
package import NIOCore

/// A read that waits for bytes.
struct ReadWaiter {
    let promise: EventLoopPromise<ByteBuffer?>
    let maximum: Int
}

// For one-shot exchanges. One reader at a time; a stream with a StreamHandler is not read this way.
extension PeerStream {
    /// The next bytes, at least one and at most `maximum`; `nil` at the end of the input.
    ///
    /// Credit goes back as bytes are read. When the task is cancelled, the stream is reset.
    /// Throws: `StreamError`.
    package func read(upTo maximum: Int = .max) async throws -> ByteBuffer? {
        precondition(maximum > 0)
        return try await waiting { (promise: EventLoopPromise<ByteBuffer?>) in
            self.eventLoop.execute { self.wait(ReadWaiter(promise: promise, maximum: maximum)) }
        }
    }

    /// Exactly `count` bytes. Throws `StreamError.truncated` when the input ends before.
    package func readExactly(_ count: Int) async throws -> ByteBuffer {
        var result = ByteBuffer()
        while result.readableBytes < count {
            guard let piece = try await read(upTo: count - result.readableBytes) else { throw StreamError.truncated }
            result.writeImmutableBuffer(piece)
        }
        return result
    }

    /// One length-prefixed message of at most `maximum` bytes; `nil` when the input ends in front of one.
    package func readMessage(maximum: Int) async throws -> ByteBuffer? {
        var prefix = ByteBuffer()
        while true {
            guard let byte = try await read(upTo: 1) else {
                if prefix.readableBytes == 0 { return nil }
                throw StreamError.truncated
            }
            prefix.writeImmutableBuffer(byte)
            let value: UInt64?
            do { value = try prefix.readVarint() } catch { throw StreamError.messageTooLong }
            guard let value else { continue }
            guard value <= UInt64(maximum) else { throw StreamError.messageTooLong }
            return try await readExactly(Int(value))
        }
    }

    /// Everything up to the end of the input. Throws `StreamError.messageTooLong` beyond `maximum` bytes.
    package func readToEnd(maximum: Int) async throws -> ByteBuffer {
        var result = ByteBuffer()
        while let piece = try await read() {
            guard result.readableBytes + piece.readableBytes <= maximum else { throw StreamError.messageTooLong }
            result.writeImmutableBuffer(piece)
        }
        return result
    }

    /// Writes `buffer` and waits until the stream can take more.
    package func send(_ buffer: ByteBuffer) async throws {
        write(buffer)
        guard !isWritable else { return }
        try await waiting { (promise: EventLoopPromise<Void>) in
            self.eventLoop.execute { self.waitUntilWritable(promise) }
        }
    }

    /// Writes `buffer` with its length in front and waits until the stream can take more.
    package func sendMessage(_ buffer: ByteBuffer) async throws {
        var prefix = ByteBuffer()
        prefix.writeVarint(UInt64(buffer.readableBytes))
        write(prefix, buffer)
        try await send(ByteBuffer())
    }

    /// Waits until the protocol is agreed.
    package func waitUntilOpen() async throws {
        try await waiting { (promise: EventLoopPromise<Void>) in
            self.eventLoop.execute { self.waitUntilOpen(promise) }
        }
    }

    private func waiting<Value: Sendable>(
        _ start: @Sendable (EventLoopPromise<Value>) -> Void
    ) async throws -> Value {
        let promise = eventLoop.makePromise(of: Value.self)
        return try await withTaskCancellationHandler {
            start(promise)
            return try await promise.futureResult.get()
        } onCancel: {
            self.reset()
        }
    }
}

// The waiting ends of the above, on the loop.
extension PeerStream {
    private func wait(_ waiter: ReadWaiter) {
        guard readWaiter == nil, handler == nil else {
            waiter.promise.fail(StreamError.cancelled)
            return
        }
        readWaiter = waiter
        serveReader()
    }

    /// Completes the waiting read, if it can be.
    func serveReader() {
        guard let waiter = readWaiter else { return }
        if var first = inbox.popFirst() {
            readWaiter = nil
            let piece = first.readSlice(length: min(waiter.maximum, first.readableBytes)) ?? ByteBuffer()
            if first.readableBytes > 0 { inbox.prepend(first) }
            let length = min(piece.readableBytes, unread)
            unread -= length
            connection.unreadBudget.give(length)
            connection.handler?.returnCredit(length, of: self)
            waiter.promise.succeed(piece)
        } else if inputEnded, failure == nil || failure == .connectionClosed {
            readWaiter = nil
            waiter.promise.succeed(nil)
        } else if let failure {
            readWaiter = nil
            waiter.promise.fail(failure)
        }
    }

    func dropInbox() {
        inbox.removeAll()
        connection.unreadBudget.give(unread)
        unread = 0
    }

    private func waitUntilWritable(_ promise: EventLoopPromise<Void>) {
        if let failure {
            promise.fail(failure)
        } else if isWritable {
            promise.succeed()
        } else {
            wasAboveHighWater = true
            writeWaiters.append(promise)
        }
    }

    private func waitUntilOpen(_ promise: EventLoopPromise<Void>) {
        if let failure {
            promise.fail(failure)
        } else if !protocolID.isEmpty {
            promise.succeed()
        } else {
            openWaiters.append(promise)
        }
    }
}
