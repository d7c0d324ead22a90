package import Multiformats

/// One Kademlia message, request or answer: the same on streams and in datagrams.
///
/// Source: https://github.com/libp2p/specs/tree/master/kad-dht
package struct KadMessage: Hashable, Sendable {
    /// What a message asks for; an answer repeats its request's.
    package enum Kind: UInt8, Hashable, Sendable, CaseIterable {
        case putValue = 0
        case getValue = 1
        case addProvider = 2
        case getProviders = 3
        case findNode = 4
        case ping = 5
    }

    package var kind: Kind
    /// What it is about: a peer's multihash, a content's multihash, or a record's whole key.
    package var key: [UInt8]
    package var record: KadRecord?
    package var closerPeers: [KadPeer]
    package var providerPeers: [KadPeer]

    package init(
        _ kind: Kind, key: [UInt8] = [], record: KadRecord? = nil, closerPeers: [KadPeer] = [],
        providerPeers: [KadPeer] = []
    ) {
        self.kind = kind
        self.key = key
        self.record = record
        self.closerPeers = closerPeers
        self.providerPeers = providerPeers
    }
}

/// A peer as Kademlia messages name it.
package struct KadPeer: Hashable, Sendable {
    /// What the sender says of its connection to the peer.
    package enum Connection: UInt8, Hashable, Sendable {
        case notConnected = 0
        case connected = 1
        case canConnect = 2
        case cannotConnect = 3
    }

    package var id: PeerID
    /// Without `/p2p/...`.
    package var addresses: [Multiaddr]
    package var connection: Connection

    package init(_ id: PeerID, _ addresses: [Multiaddr], connection: Connection = .notConnected) {
        self.id = id
        self.addresses = addresses
        self.connection = connection
    }
}

/// A value as Kademlia messages carry it.
package struct KadRecord: Hashable, Sendable {
    package var key: [UInt8]
    package var value: [UInt8]
    /// When the sender received it: RFC 3339, or empty. Its receiver sets its own.
    package var timeReceived: String

    package init(key: [UInt8], value: [UInt8], timeReceived: String = "") {
        self.key = key
        self.value = value
        self.timeReceived = timeReceived
    }
}
