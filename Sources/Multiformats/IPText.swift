/// IPv4 and IPv6 addresses between text and bytes, without asking the system.
///
/// Reads what RFC 4291 (section 2.2) allows and dotted quads without leading zeros; prints the one
/// form of RFC 5952, so that equal addresses have equal text.
enum IPText {
    /// The four bytes of a dotted quad; `nil` for anything else.
    static func parse4(_ text: some StringProtocol) -> [UInt8]? {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var result: [UInt8] = []
        for part in parts {
            guard (1...3).contains(part.count), part.count == 1 || part.first != UInt8(ascii: "0") else { return nil }
            var value = 0
            for digit in part {
                guard (0x30...0x39).contains(digit) else { return nil }
                value = value * 10 + Int(digit - 0x30)
            }
            guard let byte = UInt8(exactly: value) else { return nil }
            result.append(byte)
        }
        return result
    }

    static func text4(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { String($0) }.joined(separator: ".")
    }

    /// The sixteen bytes of an IPv6 address without a zone; `nil` for anything else.
    static func parse6(_ text: some StringProtocol) -> [UInt8]? {
        let colon = UInt8(ascii: ":")
        guard (2...45).contains(text.utf8.count) else { return nil }
        let parts = text.utf8.split(separator: colon, omittingEmptySubsequences: false)
        guard (3...9).contains(parts.count) else { return nil }
        var head: [UInt8] = []
        var tail: [UInt8]?
        for (index, part) in parts.enumerated() {
            let isLast = index == parts.count - 1
            if part.isEmpty {
                // A colon may end or start the text only as half of "::".
                if index == 0 {
                    guard parts[1].isEmpty else { return nil }
                } else if isLast {
                    guard parts[index - 1].isEmpty else { return nil }
                } else {
                    guard tail == nil else { return nil }
                    tail = []
                }
                continue
            }
            var group: [UInt8]
            if isLast, part.contains(UInt8(ascii: ".")) {
                guard let quad = parse4(String(decoding: part, as: UTF8.self)) else { return nil }
                group = quad
            } else {
                guard part.count <= 4, let value = hexGroup(part) else { return nil }
                group = [UInt8(value >> 8), UInt8(value & 0xff)]
            }
            if tail == nil { head += group } else { tail?.append(contentsOf: group) }
        }
        guard let tail else { return head.count == 16 ? head : nil }
        // "::" stands for at least one group.
        guard head.count + tail.count <= 14 else { return nil }
        return head + [UInt8](repeating: 0, count: 16 - head.count - tail.count) + tail
    }

    /// The RFC 5952 form: lower case, no leading zeros, the longest run of at least two zero groups
    /// (the first of equals) as `::`, and a dotted quad behind `::ffff:`.
    static func text6(_ bytes: [UInt8]) -> String {
        guard bytes.count == 16 else { return "" }
        if bytes[..<10].allSatisfy({ $0 == 0 }), bytes[10] == 0xff, bytes[11] == 0xff {
            return "::ffff:" + text4(bytes[12...])
        }
        let groups = (0..<8).map { UInt16(bytes[2 * $0]) << 8 | UInt16(bytes[2 * $0 + 1]) }
        var best = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start > max(best.count, 1) { best = start..<end }
            start = max(end, start + 1)
        }
        func joined(_ part: ArraySlice<UInt16>) -> String {
            part.map { String($0, radix: 16) }.joined(separator: ":")
        }
        if best.isEmpty { return joined(groups[...]) }
        return joined(groups[..<best.lowerBound]) + "::" + joined(groups[best.upperBound...])
    }

    private static func hexGroup(_ digits: some Sequence<UInt8>) -> UInt16? {
        var value: UInt16 = 0
        for digit in digits {
            let number: UInt8
            switch digit {
            case 0x30...0x39: number = digit - 0x30
            case 0x41...0x46: number = digit - 0x41 + 10
            case 0x61...0x66: number = digit - 0x61 + 10
            default: return nil
            }
            value = value << 4 | UInt16(number)
        }
        return value
    }
}

/// Where on the network an IP address can be reached.
enum IPScope {
    case loopback
    /// Reached from inside one network only: RFC 1918, RFC 6598, link-local, unique local.
    case privateNetwork
    case publicNetwork
    /// Names no host: unspecified, multicast, documentation and reserved ranges.
    case none

    /// The scope of four or sixteen bytes.
    init(_ bytes: [UInt8]) {
        switch bytes.count {
        case 4: self = IPScope.scope4(bytes[0], bytes[1], bytes[2])
        case 16: self = IPScope.scope6(bytes)
        default: self = .none
        }
    }

    private static func scope4(_ a: UInt8, _ b: UInt8, _ c: UInt8) -> IPScope {
        switch (a, b, c) {
        case (127, _, _): .loopback
        case (10, _, _), (172, 16...31, _), (192, 168, _), (169, 254, _), (100, 64...127, _): .privateNetwork
        case (0, _, _), (192, 0, 0), (192, 0, 2), (192, 88, 99), (198, 18...19, _), (198, 51, 100), (203, 0, 113),
            (224..., _, _):
            .none
        default: .publicNetwork
        }
    }

    private static func scope6(_ bytes: [UInt8]) -> IPScope {
        if bytes[..<10].allSatisfy({ $0 == 0 }), bytes[10] == 0xff, bytes[11] == 0xff {
            return scope4(bytes[12], bytes[13], bytes[14])
        }
        if bytes[..<15].allSatisfy({ $0 == 0 }) { return bytes[15] == 1 ? .loopback : .none }
        switch (bytes[0], bytes[1]) {
        case (0xfc...0xfd, _), (0xfe, 0x80...0xbf): return .privateNetwork
        case (0x20, 0x01) where bytes[2] == 0x0d && bytes[3] == 0xb8: return .none
        // Global unicast is 2000::/3; 64:ff9b::/96 reaches IPv4 hosts through NAT64.
        case (0x20...0x3f, _): return .publicNetwork
        case (0x00, 0x64) where bytes[2] == 0xff && bytes[3] == 0x9b && bytes[4..<12].allSatisfy({ $0 == 0 }):
            return scope4(bytes[12], bytes[13], bytes[14])
        default: return .none
        }
    }
}
