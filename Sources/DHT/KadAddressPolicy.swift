package import Multiformats

/// Which addresses a DHT stores, believes and gives out.
package enum KadAddressPolicy: Hashable, Sendable {
    /// The public network: what the Internet can reach.
    case publicOnly
    /// A local network beside the public one: everything but loopback.
    case lan
    /// Everything that is of use to its receiver: loopback to loopback only.
    case any
    /// Loopback only: nodes of one machine.
    case loopback

    /// Whether an address may be in this DHT at all.
    package func admits(_ address: Multiaddr) -> Bool {
        switch self {
        case .publicOnly: address.isPublic
        case .lan: !address.isLoopback && !address.isUnspecified
        case .any: !address.isUnspecified
        case .loopback: address.isLoopback
        }
    }

    /// How near a peer is that told us something, by its addresses.
    enum Nearness: Comparable {
        case remote
        case local
        case sameMachine

        /// A peer with a public address counts as remote, whatever else it claims; so does one without any.
        init(of addresses: [Multiaddr]) {
            guard !addresses.isEmpty, !addresses.contains(where: \.isPublic) else {
                self = .remote
                return
            }
            self = addresses.allSatisfy(\.isLoopback) ? .sameMachine : .local
        }
    }

    /// What to believe of the addresses that somebody tells: those inside a network only from inside it, or a
    /// stranger could make us knock at the doors of our own home.
    func believed(_ addresses: [Multiaddr], from nearness: Nearness, limit: Int) -> [Multiaddr] {
        if addresses.count <= limit, addresses.allSatisfy({ isCredible($0, nearness) }) { return addresses }
        return Array(addresses.lazy.filter { isCredible($0, nearness) }.prefix(limit))
    }

    private func isCredible(_ address: Multiaddr, _ nearness: Nearness) -> Bool {
        guard admits(address) else { return false }
        if self == .publicOnly || nearness == .sameMachine { return true }
        if address.isLoopback { return false }
        return nearness == .local || !address.isPrivate
    }
}
