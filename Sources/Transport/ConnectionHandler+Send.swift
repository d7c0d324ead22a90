import NIOCore
import PeerCrypto
import SansIO

// The sending half: from the streams' queues to sealed buffers on the socket.
extension ConnectionHandler {
    /// A new Noise frame is begun rather than using up less room than this.
    private static let leastRoom = 1024

    /// Queues bytes of a stream.
    func enqueue(_ buffers: [ByteBuffer], length: Int, for stream: PeerStream) {
        guard stream.failure == nil, !stream.wantsClose, !isClosed else {
            stream.sent(length)
            return
        }
        if stream.negotiation != nil, !stream.isLazy {
            stream.held += buffers
            return
        }
        append(buffers, to: stream)
    }

    func append(_ buffers: [ByteBuffer], to stream: PeerStream) {
        if stream.pendingBytes == 0 { stream.lastProgress = now }
        for buffer in buffers where buffer.readableBytes > 0 {
            stream.pending.append(buffer)
            stream.pendingBytes += buffer.readableBytes
        }
        if stream.bufferedBytes >= stream.highWater { stream.wasAboveHighWater = true }
        markReady(stream)
    }

    /// Gives the stream its turn if it has something to send and may.
    func markReady(_ stream: PeerStream) {
        guard !stream.isReady, stream.id != 0, stream.failure == nil, hasTurn(stream) else { return }
        stream.isReady = true
        ready.append(stream)
        scheduleFlush()
    }

    private func hasTurn(_ stream: PeerStream) -> Bool {
        if stream.pendingBytes > 0 { return session.credit(of: stream.id) > 0 }
        return mayFinish(stream)
    }

    private func mayFinish(_ stream: PeerStream) -> Bool {
        stream.wantsClose && !stream.sentAll && stream.held.isEmpty
    }

    func scheduleFlush() {
        guard !isFlushScheduled, !isFlushing, !isClosed else { return }
        isFlushScheduled = true
        // Inside a batch of reads, channelReadComplete flushes.
        guard !isReading, let context else { return }
        context.eventLoop.execute { [self] in
            if isFlushScheduled { flush() }
        }
    }

    /// Seals and writes what may be sent, as long as the socket takes it, and flushes once.
    func flush() {
        guard let context, !isFlushing, !isClosed else { return }
        isFlushing = true
        isFlushScheduled = false
        var drained: [PeerStream] = []
        var hasWritten = false
        do {
            repeat {
                drained.removeAll(keepingCapacity: true)
                while context.channel.isWritable, let batch = try nextBatch(&drained) {
                    connection.countSent(batch.readableBytes)
                    bandwidth.countSent(batch.readableBytes)
                    context.write(wrapOutboundOut(batch), promise: nil)
                    hasWritten = true
                }
                for stream in drained { notifyWritable(stream) }
            } while !drained.isEmpty && !ready.isEmpty && context.channel.isWritable && !isClosed
        } catch {
            context.close(promise: nil)
        }
        if hasWritten { context.flush() }
        isFlushing = false
        // What came up meanwhile and could not be sent waits for the socket or for credit.
        if context.channel.isWritable, !ready.isEmpty || session.outbox.readableBytes > 0 { scheduleFlush() }
    }

    /// The next buffer of up to four sealed frames; `nil` when nothing may be sent.
    private func nextBatch(_ drained: inout [PeerStream]) throws(NoiseError) -> ByteBuffer? {
        while session.outbox.readableBytes > 0 {
            let length = min(writer.room, session.outbox.readableBytes)
            if let control = session.outbox.readSlice(length: length) {
                writer.append { $0.writeImmutableBuffer(control) }
            }
            if writer.room == 0, let full = try writer.finishFrame() { return full }
        }
        if session.outbox.capacity > 0 { session.outbox.clear() }
        while let stream = ready.popFirst() {
            let room = writer.room - YamuxFrame.headerLength
            if room < min(Self.leastRoom, stream.pendingBytes) || room < 0 {
                if let full = try writer.finishFrame() {
                    ready.prepend(stream)
                    return full
                }
            }
            stream.isReady = false
            sendPiece(of: stream, &drained)
            if writer.room == 0, let full = try writer.finishFrame() { return full }
        }
        return try writer.finish()
    }

    /// Puts one frame of the stream into the open Noise frame, and the stream behind the others again.
    private func sendPiece(of stream: PeerStream, _ drained: inout [PeerStream]) {
        let room = writer.room - YamuxFrame.headerLength
        let length = min(room, min(stream.pendingBytes, session.credit(of: stream.id)))
        let isLast = mayFinish(stream) && length == stream.pendingBytes
        guard length > 0 || isLast, stream.failure == nil else { return }
        let frame = session.claim(stream.id, length: length, isLast: isLast)
        writer.append { output in
            frame.write(to: &output)
            stream.movePending(length, into: &output)
        }
        stream.sent(length)
        let words = min(length, stream.pendingWords)
        stream.pendingWords -= words
        stream.counter?.sent(length - words)
        stream.lastProgress = now
        if isLast {
            stream.sentAll = true
            if session.isGone(stream.id) { forget(stream) }
        } else {
            markReady(stream)
        }
        if stream.wasAboveHighWater, stream.bufferedBytes <= stream.highWater / 2 {
            stream.wasAboveHighWater = false
            drained.append(stream)
        }
    }

    private func notifyWritable(_ stream: PeerStream) {
        let waiters = stream.writeWaiters
        stream.writeWaiters = []
        for waiter in waiters { waiter.succeed() }
        stream.handler?.writable(stream)
    }

    func closeWrite(_ stream: PeerStream) {
        guard !stream.wantsClose else { return }
        stream.wantsClose = true
        markReady(stream)
    }
}

extension PeerStream {
    /// Copies the next `length` pending bytes to the end of `output`.
    func movePending(_ length: Int, into output: inout ByteBuffer) {
        var left = length
        while left > 0, var first = pending.popFirst() {
            if let piece = first.readSlice(length: min(left, first.readableBytes)) {
                output.writeImmutableBuffer(piece)
                left -= piece.readableBytes
            }
            if first.readableBytes > 0 { pending.prepend(first) }
        }
        pendingBytes -= length
    }
}
