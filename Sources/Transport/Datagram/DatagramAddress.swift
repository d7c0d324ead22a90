package import Multiformats

/// One end of a datagram's way: an IP address and a port, small enough to be a key without an array.
///
/// IPv4 inside IPv6 is taken out, so that one host has one address whatever socket it came through.
package struct DatagramAddress: Hashable, Sendable {
    /// The first eight bytes of an IPv6 address; 0 for IPv4.
    package let high: UInt64
    /// The last eight bytes of an IPv6 address, or the four of an IPv4 address.
    package let low: UInt64
    package let port: UInt16
    package let isIPv6: Bool
    /// The interface of a link-local IPv6 address; 0 otherwise.
    package let scope: UInt32

    /// An address of two big-endian words, as sockets give it.
    package init(high: UInt64, low: UInt64, scope: UInt32 = 0, port: UInt16, isIPv6: Bool) {
        let isMapped = isIPv6 && high == 0 && low >> 32 == 0xffff
        self.high = isIPv6 ? high : 0
        self.low = isIPv6 && !isMapped ? low : low & 0xffff_ffff
        self.isIPv6 = isIPv6 && !isMapped
        self.port = port
        // Only link-local addresses mean something else on another interface.
        self.scope = self.isIPv6 && high >> 54 == 0x3fa ? scope : 0
    }

    /// An address of four or sixteen bytes; `nil` for any other number.
    package init?(_ bytes: [UInt8], port: UInt16) {
        func word(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
        switch bytes.count {
        case 4: self.init(high: 0, low: word(bytes[...]), port: port, isIPv6: false)
        case 16: self.init(high: word(bytes[..<8]), low: word(bytes[8...]), port: port, isIPv6: true)
        default: return nil
        }
    }

    /// Reads `/ip4/<address>/udp/<port>` or `/ip6/...`, with or without a peer at its end; `nil` for anything
    /// else: names, zones, and what runs over UDP without being this protocol (QUIC, WebRTC).
    package init?(_ address: Multiaddr) {
        var steps = address.components[...]
        if steps.last?.proto == .p2p { steps.removeLast() }
        guard steps.count == 2, let ip = steps.first, let udp = steps.last, udp.proto == .udp,
            ip.proto == .ip4 || ip.proto == .ip6, udp.value.count == 2
        else { return nil }
        self.init(ip.value, port: UInt16(udp.value[0]) << 8 | UInt16(udp.value[1]))
    }

    /// The four or sixteen bytes of the IP address.
    package var ip: [UInt8] {
        let words = isIPv6 ? [high, low] : [low << 32]
        return words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * UInt64($0))) } }
            .prefix(isIPv6 ? 16 : 4).map { $0 }
    }

    /// `/ip4/<address>/udp/<port>` or `/ip6/...`.
    package var multiaddr: Multiaddr {
        let port = [UInt8(port >> 8), UInt8(port & 255)]
        guard let ip = try? Multiaddr.Component(isIPv6 ? .ip6 : .ip4, ip),
            let udp = try? Multiaddr.Component(.udp, port), let result = try? Multiaddr(components: [ip, udp])
        else { preconditionFailure("an IP address and a port make an address") }
        return result
    }

    /// Who is behind it, as limits see it.
    package var household: Household {
        Household(word: isIPv6 ? high & ~0xff : low, isIPv6: isIPv6)
    }

    /// Whether it leads back to this machine.
    package var isLoopback: Bool { isIPv6 ? high == 0 && low == 1 : low >> 24 == 127 }

    /// What one customer usually has: an IPv4 address, or an IPv6 /56.
    package struct Household: Hashable, Sendable {
        fileprivate let word: UInt64
        fileprivate let isIPv6: Bool
    }
}

extension DatagramAddress: CustomStringConvertible {
    package var description: String { multiaddr.description }
}

/// Which of our own addresses a packet came to, so that its answer leaves from there.
package struct DatagramLocal: Hashable, Sendable {
    /// The socket, counted in the order of binding.
    package var socket: Int
    /// The address, where the socket itself is bound to every address of the machine.
    package var address: DatagramAddress?

    package init(socket: Int, address: DatagramAddress? = nil) {
        self.socket = socket
        self.address = address
    }
}
