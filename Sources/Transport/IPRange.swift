package import Multiformats

/// An IP address as limits see it: four or sixteen bytes, IPv4 in IPv6 taken out.
package struct IPAddress: Hashable, Sendable {
    package let bytes: [UInt8]

    package init(_ bytes: [UInt8]) {
        let isMapped = bytes.count == 16 && bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 255 && bytes[11] == 255
        self.bytes = isMapped ? Array(bytes[12...]) : bytes
    }

    /// The address that `address` starts with, if it starts with one.
    package init?(_ address: Multiaddr) {
        guard let bytes = address.ipAddress else { return nil }
        self.init(bytes)
    }

    /// What one customer usually has: an IPv4 address, or an IPv6 /56.
    package var household: IPAddress { bytes.count == 4 ? self : prefix(7) }

    /// A larger group: the IPv4 /16, or the IPv6 /48.
    package var site: IPAddress { bytes.count == 4 ? prefix(2) : prefix(6) }

    package var isIPv6: Bool { bytes.count == 16 }

    private func prefix(_ count: Int) -> IPAddress {
        IPAddress(Array(bytes.prefix(count)) + [UInt8](repeating: 0, count: bytes.count - count))
    }
}

/// A block of IP addresses, written `10.0.0.0/8`.
package struct IPRange: Hashable, Sendable {
    private let base: IPAddress
    private let prefixLength: Int

    /// Parses `address/length`; an address alone is a range of one. Throws for anything else.
    package init(_ text: String) throws(MultiformatError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let bytes = try Multiaddr(ip: String(parts[0]), tcp: 0).ipAddress else {
            throw .invalidAddress("'\(text.prefix(80))' is no range of IP addresses")
        }
        base = IPAddress(bytes)
        let most = base.bytes.count * 8
        guard let length = parts.count == 2 ? Int(parts[1]) : most, (0...most).contains(length) else {
            throw .invalidAddress("'\(text.prefix(80))' is no range of IP addresses")
        }
        prefixLength = length
    }

    private init(base: [UInt8], prefixLength: Int) {
        self.base = IPAddress(base)
        self.prefixLength = prefixLength
    }

    /// This machine.
    package static let loopback = [
        IPRange(base: [127, 0, 0, 0], prefixLength: 8),
        IPRange(base: [UInt8](repeating: 0, count: 15) + [1], prefixLength: 128),
    ]

    package func contains(_ address: IPAddress) -> Bool {
        guard address.bytes.count == base.bytes.count else { return false }
        for index in address.bytes.indices {
            let bits = min(8, prefixLength - index * 8)
            guard bits > 0 else { return true }
            let mask = UInt8(truncatingIfNeeded: 0xff << (8 - bits))
            if (address.bytes[index] ^ base.bytes[index]) & mask != 0 { return false }
        }
        return true
    }
}
