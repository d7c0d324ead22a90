package import Multiformats

/// What happens to peers and addresses.
package enum HostEvent: Sendable {
    /// A connection was established; `isFirst` when the peer had none.
    case connected(Connection, isFirst: Bool)
    /// A connection is gone; `isLast` when the peer has no other.
    case disconnected(Connection, isLast: Bool)
    /// The peer said who it is; the peer store has it. `nil` protocols never arrive here.
    case identified(Connection, protocols: [String])
    /// The connection's identify failed; its peer's protocols are not known.
    case identifyFailed(Connection)
    /// The peer announced other protocols than before.
    case protocolsChanged(PeerID, protocols: [String])
    /// Our own addresses as others may use them.
    case addressesChanged([Multiaddr])
}
