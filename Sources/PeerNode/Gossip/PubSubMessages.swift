package import Gossip
package import Multiformats
package import NIOCore
import Transport

/// A message of a topic, as its subscribers get it.
package struct PubSubMessage: Sendable {
    /// Who published it; nil where messages are anonymous.
    package let from: PeerID?
    package let data: ByteBuffer
    /// Its author's number, eight bytes; empty where messages are anonymous.
    package let sequence: [UInt8]
    package let topic: Topic
}

/// The messages of one subscription, in the order in which they came. Reading them ends with the task that reads,
/// or when nobody holds this any more; that ends the subscription.
///
/// A reader that is too slow loses messages: what waits for it has a limit.
package struct PubSubMessages: AsyncSequence, Sendable {
    package typealias Element = PubSubMessage
    package typealias Failure = Never

    /// Messages, and their bytes, that may wait for the reader.
    static let mostWaiting = 4_096
    static let mostWaitingBytes = 32 << 20

    private let stream: AsyncStream<PubSubMessage>
    private let continuation: AsyncStream<PubSubMessage>.Continuation
    private let budget: MemoryBudget

    /// Ends the subscription; the reader gets what waits, then the end. Any thread.
    package func end() { continuation.finish() }

    package func makeAsyncIterator() -> Iterator {
        Iterator(inner: stream.makeAsyncIterator(), budget: budget)
    }

    package struct Iterator: AsyncIteratorProtocol {
        fileprivate var inner: AsyncStream<PubSubMessage>.Iterator
        fileprivate let budget: MemoryBudget

        package mutating func next() async -> PubSubMessage? { await next(isolation: #isolation) }

        package mutating func next(isolation actor: isolated (any Actor)?) async -> PubSubMessage? {
            guard let message = await inner.next(isolation: actor) else { return nil }
            budget.give(message.data.readableBytes)
            return message
        }
    }

    /// The service's end of a subscription.
    struct Feed: Sendable {
        fileprivate let continuation: AsyncStream<PubSubMessage>.Continuation
        fileprivate let budget: MemoryBudget

        /// Hands a message on; false when the reader is too slow.
        func give(_ message: PubSubMessage) -> Bool {
            let size = message.data.readableBytes
            guard budget.take(size) else { return false }
            if case .enqueued = continuation.yield(message) { return true }
            budget.give(size)
            return false
        }

        /// There is nothing more to come.
        func finish() { continuation.finish() }
    }

    /// The two ends of a subscription; `ended` is called once, on any thread.
    static func make(ended: @escaping @Sendable () -> Void) -> (messages: PubSubMessages, feed: Feed) {
        let (stream, continuation) = AsyncStream.makeStream(
            of: PubSubMessage.self, bufferingPolicy: .bufferingOldest(mostWaiting))
        continuation.onTermination = { _ in ended() }
        let budget = MemoryBudget(limit: mostWaitingBytes)
        let messages = PubSubMessages(stream: stream, continuation: continuation, budget: budget)
        return (messages, Feed(continuation: continuation, budget: budget))
    }
}
