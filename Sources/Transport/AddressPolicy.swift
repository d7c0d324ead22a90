package import Multiformats

/// Which addresses are worth trying, in which order, and which ones a peer may tell us.
package enum AddressPolicy {
    /// Whether this node has a way to dial `address`: plain TCP to an IP address or a DNS name.
    package static func isDialable(_ address: Multiaddr) -> Bool {
        guard let tcp = address.tcp, tcp.port != 0 else { return false }
        return !address.isUnspecified
    }

    /// The dialable ones among `addresses`, without their peer, each once, the best first: this machine, the
    /// local network, the Internet, names; IPv6 before IPv4.
    package static func ranked(_ addresses: [Multiaddr]) -> [Multiaddr] {
        var seen: Set<Multiaddr> = []
        let usable = addresses.filter(isDialable).map(\.withoutPeerID).filter { seen.insert($0).inserted }
        return usable.enumerated()
            .sorted { (rank($0.element), $0.offset) < (rank($1.element), $1.offset) }
            .map(\.element)
    }

    private static func rank(_ address: Multiaddr) -> Int {
        guard let ip = address.ipAddress else { return 6 }
        let scope = address.isLoopback ? 0 : address.isPrivate ? 2 : 4
        return scope + (ip.count == 16 ? 0 : 1)
    }

    /// What may be believed of the addresses that a peer at `source` tells about itself or others: addresses
    /// inside a network only when the peer is in it too, loopback only when it is on this machine.
    ///
    /// Otherwise a stranger could make this node knock at the doors of its own home.
    package static func credible(_ addresses: [Multiaddr], toldFrom source: Multiaddr) -> [Multiaddr] {
        addresses.filter { address in
            if address.isLoopback { return source.isLoopback }
            if address.isPrivate { return source.isPrivate || source.isLoopback }
            return true
        }
    }

    /// What of our own addresses is of use to a peer at `destination`.
    package static func useful(_ addresses: [Multiaddr], to destination: Multiaddr) -> [Multiaddr] {
        addresses.filter { !$0.isLoopback || destination.isLoopback }
    }
}
