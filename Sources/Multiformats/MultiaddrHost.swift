// What dialling, listening and address lists ask of an address.

extension Multiaddr {
    /// `/ip4/<ip>/tcp/<port>` or `/ip6/...`; an IPv6 zone (`fe80::1%eth0`) becomes `/ip6zone`.
    package init(ip: String, tcp port: UInt16) throws(MultiformatError) {
        let parts = ip.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        var components: [Component] = []
        if let bytes = IPText.parse4(ip) {
            components.append(try Component(.ip4, bytes))
        } else if let host = parts.first, let bytes = IPText.parse6(host) {
            if parts.count == 2 { components.append(try Component(.ip6zone, Array(parts[1].utf8))) }
            components.append(try Component(.ip6, bytes))
        } else {
            throw .invalidAddress("'\(ip.prefix(80))' is no IP address")
        }
        components.append(try Component(.tcp, Multiaddr.bigEndian(port)))
        try self.init(components: components)
    }

    /// The peer that a trailing `/p2p` names.
    package var peerID: PeerID? {
        guard let last = components.last, last.proto == .p2p else { return nil }
        return try? PeerID(last.value)
    }

    /// The address without a trailing `/p2p`; `nil` when nothing else is in it.
    package var transportPart: Multiaddr? {
        let all = components
        guard all.last?.proto == .p2p else { return self }
        return try? Multiaddr(components: Array(all.dropLast()))
    }

    /// The address without a trailing `/p2p`; an address that is nothing but a peer stays as it is.
    package var withoutPeerID: Multiaddr { transportPart ?? self }

    /// The address with `/p2p/<peer>` at its end, in place of one that is there already.
    package func appending(_ peer: PeerID) -> Multiaddr {
        var bytes = transportPart?.bytes ?? []
        Component(checked: .p2p, peer.bytes).append(to: &bytes)
        return Multiaddr(checked: bytes)
    }

    /// Whether it leads through a relay.
    package var isRelayed: Bool { components.contains { $0.proto == .p2pCircuit } }

    /// The relay's address and the target behind the last `/p2p-circuit`, for addresses that have one.
    package var relay: (address: Multiaddr, target: PeerID?)? {
        let all = components
        guard let index = all.lastIndex(where: { $0.proto == .p2pCircuit }), index > 0,
            let address = try? Multiaddr(components: Array(all[..<index]))
        else { return nil }
        let target = all[(index + 1)...].last { $0.proto == .p2p }
        return (address, target.flatMap { try? PeerID($0.value) })
    }

    /// Host and port of a plain TCP address (IP or DNS name, then `/tcp`, then at most `/p2p`).
    ///
    /// `nil` for everything else, `/dnsaddr` included: that name stands for whole addresses. A zone is
    /// written behind the host, as in `fe80::1%eth0`.
    package var tcp: (host: String, port: UInt16)? {
        var all = components[...]
        if all.last?.proto == .p2p { all.removeLast() }
        var zone = ""
        if let first = all.first, first.proto == .ip6zone {
            zone = "%" + first.text
            all.removeFirst()
            guard all.first?.proto == .ip6 else { return nil }
        }
        guard all.count == 2, let host = all.first, let port = all.last, port.proto == .tcp else { return nil }
        guard [.ip4, .ip6, .dns, .dns4, .dns6].contains(host.proto) else { return nil }
        return (host.text + zone, UInt16(truncatingIfNeeded: Multiaddr.number(port.value[...])))
    }

    /// The IP address it starts with: four or sixteen bytes.
    package var ipAddress: [UInt8]? {
        // The usual case without taking the address apart; the codes of /ip4 and /ip6 are one byte long.
        if bytes.first == 4 { return Array(bytes[1..<5]) }
        if bytes.first == 41 { return Array(bytes[1..<17]) }
        let first = components.first { $0.proto != .ip6zone }
        return first.flatMap { $0.proto == .ip4 || $0.proto == .ip6 ? $0.value : nil }
    }

    /// The name it starts with, for `/dns`, `/dns4`, `/dns6` and `/dnsaddr`.
    package var dnsName: String? {
        guard let first = components.first, [.dns, .dns4, .dns6, .dnsaddr].contains(first.proto) else { return nil }
        return first.text
    }

    /// Whether it leads back to this machine.
    package var isLoopback: Bool {
        if let ipAddress { return IPScope(ipAddress) == .loopback }
        return dnsName.map { Multiaddr.ends($0, in: ["localhost"]) } ?? false
    }

    /// Whether it can be reached from inside one network only; loopback does not count.
    package var isPrivate: Bool {
        if let ipAddress { return IPScope(ipAddress) == .privateNetwork }
        return dnsName.map { Multiaddr.ends($0, in: ["local", "internal", "home.arpa", "lan"]) } ?? false
    }

    /// Whether it can be reached from the Internet, as far as the address itself tells.
    package var isPublic: Bool {
        if let ipAddress { return IPScope(ipAddress) == .publicNetwork }
        return dnsName != nil && !isLoopback && !isPrivate
    }

    /// Whether it names every address of this machine (`0.0.0.0` or `::`), as listeners do.
    package var isUnspecified: Bool { ipAddress?.allSatisfy { $0 == 0 } ?? false }

    /// Whether `name` is one of `domains` or below one of them.
    private static func ends(_ name: String, in domains: [String]) -> Bool {
        var lower = name.lowercased()
        if lower.hasSuffix(".") { lower.removeLast() }
        return domains.contains { lower == $0 || lower.hasSuffix("." + $0) }
    }
}
