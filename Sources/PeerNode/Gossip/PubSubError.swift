/// What publishing and subscribing could not do.
package enum PubSubError: Error, Hashable, Sendable {
    /// The configuration says so.
    case disabled
    /// No name, or one that is too long.
    case badTopic
    /// So many bytes do not fit into a message.
    case tooLarge(Int)
    /// The very same message was published already.
    case duplicate
    /// There are too many topics, or subscribers of one.
    case tooMany
    case shuttingDown
}

extension PubSubError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .disabled: "Publishing and subscribing are switched off: see `pubsub.enabled` in `peernode config show`."
        case .badTopic: "A topic has a name of 1 to 1024 bytes."
        case .tooLarge(let count):
            "A message of \(count) bytes is too large for this topic: publish its CID instead, and `add` the content."
        case .duplicate: "The same message was published already."
        case .tooMany: "There are too many subscriptions already: end some first."
        case .shuttingDown: "The node is shutting down."
        }
    }
}
