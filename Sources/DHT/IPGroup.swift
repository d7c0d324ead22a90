import Multiformats

/// A group of IP addresses that are likely to be in one hand, so that many peers in it count as few.
struct IPGroup: Hashable, Sendable {
    /// A tag for the kind of group in the top byte, the prefix below.
    let bits: UInt64

    /// The group of all whose address is not known.
    static let unknown = IPGroup(bits: 0)

    /// Class A networks that one company has had since the beginning; the rest was cut up long ago.
    /// Source: https://github.com/libp2p/go-libp2p-kbucket/blob/master/peerdiversity/filter.go
    private static let classA: Set<UInt8> = [12, 17, 19, 38, 48, 53, 56, 73]

    private init(bits: UInt64) { self.bits = bits }

    /// The group of a public address: IPv4 /16 (/8 in old class A networks), IPv6 /32; nil for all others, whose
    /// number says nothing.
    init?(network address: Multiaddr) {
        guard let bytes = address.ipAddress.map(IPGroup.normalised), address.isPublic else { return nil }
        if bytes.count == 4 {
            bits =
                IPGroup.classA.contains(bytes[0])
                ? 1 << 56 | UInt64(bytes[0]) : 2 << 56 | UInt64(bytes[0]) << 8 | UInt64(bytes[1])
        } else {
            bits = 3 << 56 | bytes.prefix(4).reduce(0) { $0 << 8 | UInt64($1) }
        }
    }

    /// The group that a source of records or requests counts in: that of the network when it is public, else
    /// the address itself.
    init(source address: Multiaddr?) {
        guard let address else {
            self = .unknown
            return
        }
        self = IPGroup(network: address) ?? IPGroup(household: address)
    }

    /// Ourselves as a source of records.
    static let own = IPGroup(bits: 6 << 56)

    /// Whose voice the word of a peer counts as: its network's when that is public, else its own.
    init(voiceOf key: KadKey, at addresses: [Multiaddr]) {
        for address in addresses {
            guard let network = IPGroup(network: address) else { continue }
            self = network
            return
        }
        bits = 7 << 56 | key.words.0 >> 8
    }

    /// What one customer has: an IPv4 address, or an IPv6 /56.
    init(household address: Multiaddr?) {
        guard let bytes = address?.ipAddress.map(IPGroup.normalised) else {
            self = .unknown
            return
        }
        if bytes.count == 4 {
            bits = 4 << 56 | bytes.reduce(0) { $0 << 8 | UInt64($1) }
        } else {
            bits = 5 << 56 | bytes.prefix(7).reduce(0) { $0 << 8 | UInt64($1) }
        }
    }

    /// The different groups of public addresses among `addresses`.
    static func networks(of addresses: [Multiaddr]) -> [IPGroup] {
        var result: [IPGroup] = []
        for address in addresses {
            if let group = IPGroup(network: address), !result.contains(group) { result.append(group) }
        }
        return result
    }

    /// IPv4 addresses that are written as IPv6 ones are IPv4 addresses.
    private static func normalised(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.count == 16, bytes[..<10].allSatisfy({ $0 == 0 }), bytes[10] == 255, bytes[11] == 255 else {
            return bytes
        }
        return Array(bytes[12...])
    }
}
