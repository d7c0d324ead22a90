package import Multiformats

/// How far an error reaches: what has to be given up because of it.
package enum ErrorScope: Sendable {
    case message, stream, connection, peer
}

/// Why a negotiation failed. Scope: the stream, or the connection while it is being upgraded.
package enum MultistreamError: Error, Hashable, Sendable {
    /// A token claims more than 1,024 bytes, or no byte at all.
    case tokenLength
    /// A token does not end in a newline or is not UTF-8.
    case malformedToken
    /// The other side speaks something else than multistream-select 1.0.
    case notMultistream
    /// The answer names a protocol that was not proposed.
    case unexpectedAnswer
    /// None of the proposals was accepted.
    case noneAccepted
    /// The other side kept proposing what nobody offers.
    case tooManyProposals
}

/// Why a yamux session ended. Scope: the connection.
package enum YamuxError: Error, Hashable, Sendable {
    case unknownVersion(UInt8)
    case unknownType(UInt8)
    /// A stream id of the wrong parity, or stream 0 where a stream is needed, or the reverse.
    case wrongStreamID(UInt32)
    case duplicateStream(UInt32)
    /// More data than the credit that was given.
    case windowExceeded(UInt32)
    /// Credit beyond 2^32 - 1.
    case creditOverflow(UInt32)
    /// More pings, resets or pointless frames than any honest peer sends.
    case flood
    /// The other side ended the session because of an error; its code.
    case goAway(UInt32)
}

/// Why a stream ended before its time. Scope: the stream.
package enum StreamError: Error, Hashable, Sendable {
    /// The other side reset it; the code that newer implementations send, else 0.
    case reset(code: UInt32)
    /// We reset it ourselves.
    case cancelled
    /// The other side speaks none of the protocols asked for.
    case protocolNotSupported
    case negotiation(MultistreamError)
    /// It took longer than the deadline set for it.
    case timeout
    /// The other side accepted no byte for ten seconds.
    case writeTimeout
    /// The connection below it is gone.
    case connectionClosed
    /// A limit of ours allows no further stream here.
    case limit
    /// Written after `closeWrite`.
    case writeClosed
    /// A message longer than the reader allows, or an invalid length prefix.
    case messageTooLong
    /// The stream ended inside a message.
    case truncated
}

/// Why a connection could not be made or was ended. Scope: the connection.
package enum ConnectionError: Error, Hashable, Sendable {
    case timeout
    case refused
    case multistream(MultistreamError)
    case security(String)
    /// The peer that answered is another one than the one wanted.
    case wrongPeer(expected: PeerID, found: PeerID)
    case yamux(YamuxError)
    /// No address of the peer is known that can be dialled.
    case noAddress
    /// Every address failed recently and is waited for.
    case backoff
    case isSelf
    /// The reason for which our own limits refused it.
    case limit(String)
    case closed
    case shuttingDown
    /// The operating system's error.
    case system(String)
}

extension ConnectionError: CustomStringConvertible {
    /// What went wrong, in words for a user.
    package var description: String {
        switch self {
        case .timeout: "it took too long"
        case .refused: "nothing answers there"
        case .multistream(.noneAccepted): "the other side offers no protocol that this node speaks"
        case .multistream: "the other side does not speak multistream-select"
        case .security(let reason): "the secure handshake failed: \(reason)"
        case .wrongPeer(let expected, let found): "peer \(found) answered instead of \(expected)"
        case .yamux(let error): "the connection broke its rules: \(error)"
        case .noAddress: "no address that can be dialled is known"
        case .backoff: "it failed a moment ago and is not tried again yet"
        case .isSelf: "that is this node itself"
        case .limit(let reason): "a limit of this node refuses it: \(reason)"
        case .closed: "the connection was closed"
        case .shuttingDown: "this node is stopping"
        case .system(let text): text
        }
    }
}

extension StreamError: CustomStringConvertible {
    /// What went wrong, in words for a user.
    package var description: String {
        switch self {
        case .reset: "the other side ended the exchange"
        case .cancelled: "the exchange was given up here"
        case .protocolNotSupported: "the other side does not speak this protocol"
        case .negotiation: "the other side answered the protocol proposal wrongly"
        case .timeout: "it took too long"
        case .writeTimeout: "the other side takes no data"
        case .connectionClosed: "the connection is gone"
        case .limit: "a limit of this node allows no further stream"
        case .writeClosed: "the stream was closed for writing"
        case .messageTooLong: "the other side sent a message that is too long"
        case .truncated: "the other side ended inside a message"
        }
    }
}
