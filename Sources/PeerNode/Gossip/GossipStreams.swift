import Gossip
import NIOCore
import Transport

/// Reads the frames of one stream that a peer opened. Nothing is ever written on it.
///
/// Frames are cut and decoded on the connection's loop. What came with them is credited to the sender once the
/// control loop has dealt with it, so a peer cannot be faster than we are; what belongs to a frame that is not whole
/// yet is credited at once, and counted in a budget that all streams share.
final class GossipReader: StreamHandler {
    /// What a stream tells; called on its loop.
    enum News: Sendable {
        case opened
        /// Frames in their order; the bytes are to be credited.
        case frames([GossipRPC], bytes: Int)
        /// Over, in whatever way.
        case ended
    }

    private let news: @Sendable (News, PeerStream) -> Void
    private let budget: MemoryBudget
    private var framer = MessageFramer(maximum: GossipRPC.Limits().frameBytes)
    private var countedHeld = 0

    init(budget: MemoryBudget, news: @escaping @Sendable (News, PeerStream) -> Void) {
        self.budget = budget
        self.news = news
    }

    deinit { budget.give(countedHeld) }

    func opened(_ stream: PeerStream) {
        stream.manualCredit = true
        news(.opened, stream)
    }

    func received(_ bytes: ByteBuffer, on stream: PeerStream) {
        var input = bytes
        var frames: [GossipRPC] = []
        do {
            while let payload = try framer.next(&input) {
                let frame = try GossipRPC(decoding: payload)
                if !frame.isEmpty { frames.append(frame) }
            }
        } catch {
            // What follows cannot be trusted to be in step any more.
            return giveUp(stream)
        }
        guard countHeld() else { return giveUp(stream) }
        if frames.isEmpty {
            stream.consumed(bytes.readableBytes)
        } else {
            news(.frames(frames, bytes: bytes.readableBytes), stream)
        }
    }

    func inputClosed(_ stream: PeerStream) {
        stream.closeWrite()
        news(.ended, stream)
    }

    func failed(_ error: StreamError, on stream: PeerStream) { news(.ended, stream) }

    private func giveUp(_ stream: PeerStream) {
        stream.reset()
        news(.ended, stream)
    }

    /// Tells the budget how much of an unfinished frame is held; false when it has no room.
    private func countHeld() -> Bool {
        let held = framer.heldBytes
        if held > countedHeld {
            guard budget.take(held - countedHeld) else { return false }
        } else {
            budget.give(countedHeld - held)
        }
        countedHeld = held
        return true
    }
}

/// Hears of one stream that we opened to write on: which protocol was agreed, and when it broke.
final class GossipWriter: StreamHandler {
    /// What a stream tells; called on its loop.
    enum News: Sendable {
        case opened(protocolID: String)
        case failed(StreamError)
    }

    private let news: @Sendable (News, PeerStream) -> Void

    init(_ news: @escaping @Sendable (News, PeerStream) -> Void) { self.news = news }

    func opened(_ stream: PeerStream) { news(.opened(protocolID: stream.protocolID), stream) }

    /// Peers write on a stream of their own; what comes here is dropped.
    func received(_ bytes: ByteBuffer, on stream: PeerStream) {}

    /// A peer that never writes here may say so at once; it still reads.
    func inputClosed(_ stream: PeerStream) {}

    func failed(_ error: StreamError, on stream: PeerStream) { news(.failed(error), stream) }
}
