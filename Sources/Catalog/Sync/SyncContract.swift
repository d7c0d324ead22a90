package import NIOCore

extension SyncSession {
    /// Which end of the stream this is.
    package enum Role: Hashable, Sendable {
        /// Opened the stream.
        case initiator
        case responder
    }

    /// How an initiator opens.
    package enum Opening: Hashable, Sendable {
        /// Compares all that both know; a node that has nothing is sent everything.
        case compare
        /// Asks for every update from a key on, without comparing.
        case everything(from: UpdateKey)
        /// Asks for these updates by name, at most `SyncLimits.listCapacity`, on a stream of `askProtocolID`; the
        /// responder is made with none. For ancestors that a push did not bring, and for bodies that are missing.
        case ask([UpdateID])
    }

    /// What the shell tells the session.
    package enum Input: Sendable {
        /// The stream is open; for an initiator, once.
        case open
        /// Bytes of the stream, however they were cut.
        case received(ByteBuffer)
        /// What `read` asked for, in its order; `nil` for an update that is not held.
        case blocks([SyncBlock?])
        /// What `read` asked for cannot be read.
        case unreadable
        /// Everything that was sent is written: more may come.
        case drained
        /// Of the updates that `store` gave, some are invalid by their bytes, whoever signed them.
        case invalid
        /// The peer closed or reset the stream.
        case closed
    }

    /// What the session asks of the shell, in order.
    package enum Effect: Sendable {
        /// Write to the stream; tell `drained` when nothing waits to be written any more.
        case send(ByteBuffer)
        /// Read these updates and tell `blocks`.
        case read([UpdateID])
        /// Take these updates in, oldest first. Read no more of the stream before that is done: it is how a fast
        /// peer is held back.
        case store([SyncBlock])
        /// The session is over: close the stream if the outcome is whole or partial, else reset it. Whatever is
        /// told afterwards does nothing.
        case finished(SyncOutcome)
    }
}

/// How a session ended.
package struct SyncOutcome: Hashable, Sendable {
    package enum Result: Hashable, Sendable {
        /// All that either peer had, both have, but for what neither could send.
        case whole
        /// More differs than one session carries: start another soon.
        case partial
        /// The peer wants none before so many seconds are over.
        case refused(seconds: UInt64)
        case failed(SyncFault)
    }

    package let result: Result
    package let figures: SyncFigures

    package init(result: Result, figures: SyncFigures) {
        self.result = result
        self.figures = figures
    }
}

/// What a session did so far.
package struct SyncFigures: Hashable, Sendable {
    /// Bytes of the stream either way, and of them what it took to find the differences.
    package var bytesReceived = 0
    package var bytesSent = 0
    package var comparedBytesReceived = 0
    package var comparedBytesSent = 0
    /// Messages, ranges and ids received while comparing.
    package var rounds = 0
    package var ranges = 0
    package var ids = 0
    /// Updates that came, and that the peer says will come: the progress of a first sync.
    package var updatesReceived = 0
    package var updatesExpected = 0
    /// Updates that went, and that will go.
    package var updatesSent = 0
    package var updatesToSend = 0
    /// Updates that the peer offered and did not hold; that came though they were known.
    package var absent = 0
    package var useless = 0
    /// How many updates the peer knows of, as it says.
    package var peerCount = 0

    package init() {}
}
