package import DHT
package import Multiformats
package import SansIO

/// Who a simulated node is and where it listens.
///
/// The PeerID has the form of an Ed25519 key's; nobody holds its secret, because nothing is signed here.
package struct SimulatedIdentity: Sendable {
    package let peer: PeerID
    package let key: KadKey
    package let endpoint: Endpoint

    package init(peer: PeerID, endpoint: Endpoint) {
        self.peer = peer
        key = KadKey(peer)
        self.endpoint = endpoint
    }

    /// The addresses it announces: datagrams first.
    package var addresses: [Multiaddr] { [endpoint.datagramAddress, endpoint.streamAddress] }

    package var kadPeer: KadPeer { KadPeer(peer, addresses) }
}

/// An IPv4 address and a port, which TCP and UDP share.
package struct Endpoint: Hashable, Sendable {
    package var address: UInt32
    package var port: UInt16

    package init(address: UInt32, port: UInt16 = 4001) {
        self.address = address
        self.port = port
    }

    /// A public address in a /16 of its own for each of the first 20,000 `index`es.
    package init(spread index: Int, port: UInt16 = 4001) {
        let first = 20 + index % 79
        let second = index / 79 % 256
        let third = 1 + index / (79 * 256) % 250
        self.init(address: UInt32(first << 24 | second << 16 | third << 8 | 7), port: port)
    }

    /// Reads what `streamAddress` and `datagramAddress` make; `nil` for every other form.
    package init?(_ address: Multiaddr) {
        let bytes = address.bytes
        let isStream = bytes.count == 8 && bytes[5] == 6
        let isDatagram = bytes.count == 9 && bytes[5] == 0x91 && bytes[6] == 0x02
        guard isStream || isDatagram, bytes[0] == 4 else { return nil }
        let ip = bytes[1...4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        self.init(address: ip, port: UInt16(bytes[bytes.count - 2]) << 8 | UInt16(bytes[bytes.count - 1]))
    }

    package var streamAddress: Multiaddr { multiaddr([6]) }
    package var datagramAddress: Multiaddr { multiaddr([0x91, 0x02]) }

    private func multiaddr(_ code: [UInt8]) -> Multiaddr {
        let host = (0..<4).map { UInt8(truncatingIfNeeded: address >> UInt32(24 - $0 * 8)) }
        let bytes = [4] + host + code + [UInt8(port >> 8), UInt8(truncatingIfNeeded: port)]
        guard let address = try? Multiaddr(bytes) else { preconditionFailure("an address that is none") }
        return address
    }
}

extension PeerID {
    /// A PeerID of the usual form, drawn from `generator`.
    package static func simulated(_ generator: inout SeededGenerator) -> PeerID {
        var digest: [UInt8] = [0x08, 0x01, 0x12, 0x20]
        for _ in 0..<4 {
            let word = generator.next()
            for shift in 0..<8 { digest.append(UInt8(truncatingIfNeeded: word >> UInt64(shift * 8))) }
        }
        guard let peer = try? PeerID(multihash: .identity(digest)) else { preconditionFailure("a PeerID that is none") }
        return peer
    }

    /// PeerIDs that share at least `prefix` bits with `target`: what an attacker gets by trying keys.
    ///
    /// Costs about 2^prefix hashes each.
    package static func mined(
        _ count: Int, near target: KadKey, prefix: Int, _ generator: inout SeededGenerator
    ) -> [PeerID] {
        var found: [PeerID] = []
        while found.count < count {
            let peer = PeerID.simulated(&generator)
            if KadKey(peer).commonPrefixLength(with: target) >= prefix { found.append(peer) }
        }
        return found
    }
}
