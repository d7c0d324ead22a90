package import Logging
package import Multiformats
package import PeerCrypto

/// What a host is made of.
package struct HostConfiguration: Sendable {
    package var identity: KeyPair
    package var limits = TransportLimits()
    /// Connections outside this network fail.
    package var privateNetwork: PrivateNetworkKey?
    package var agentVersion = "peernode/0.1.0"
    package var protocolVersion = "ipfs/0.1.0"
    package var peerStore: PeerStoreBackend?
    /// What peers are told instead of the addresses found, when the owner knows better (a forwarded port, a tunnel).
    package var announced: [Multiaddr] = []
    package var logger: Logger
    /// What `/dnsaddr` names stand for.
    package var names = AddressNames.system
    /// False only to meet peers that agree on the muxer by multistream.
    package var offersInlineMuxer = true

    package init(identity: KeyPair, logger: Logger = Logger(label: "transport")) {
        self.identity = identity
        self.logger = logger
    }
}
