extension Multiaddr {
    /// One row of the multiaddr protocol table: a code, a name, and how its value is written.
    ///
    /// Source: https://github.com/multiformats/multiaddr/blob/master/protocols.csv
    package struct Proto: Hashable, Sendable {
        /// The number that stands for it in the binary form.
        package let code: UInt64
        /// The word that stands for it in text.
        package let name: String
        let kind: ValueKind

        private init(code: UInt64, name: String, kind: ValueKind) {
            self.code = code
            self.name = name
            self.kind = kind
        }

        package static let ip4 = Proto(code: 4, name: "ip4", kind: .ip4)
        package static let tcp = Proto(code: 6, name: "tcp", kind: .port)
        package static let udp = Proto(code: 273, name: "udp", kind: .port)
        package static let dccp = Proto(code: 33, name: "dccp", kind: .port)
        package static let sctp = Proto(code: 132, name: "sctp", kind: .port)
        package static let ip6 = Proto(code: 41, name: "ip6", kind: .ip6)
        package static let ip6zone = Proto(code: 42, name: "ip6zone", kind: .name)
        package static let ipcidr = Proto(code: 43, name: "ipcidr", kind: .maskLength)
        package static let dns = Proto(code: 53, name: "dns", kind: .name)
        package static let dns4 = Proto(code: 54, name: "dns4", kind: .name)
        package static let dns6 = Proto(code: 55, name: "dns6", kind: .name)
        package static let dnsaddr = Proto(code: 56, name: "dnsaddr", kind: .name)
        package static let p2p = Proto(code: 421, name: "p2p", kind: .peer)
        package static let p2pCircuit = Proto(code: 290, name: "p2p-circuit", kind: .none)
        package static let tls = Proto(code: 448, name: "tls", kind: .none)
        package static let sni = Proto(code: 449, name: "sni", kind: .name)
        package static let noise = Proto(code: 454, name: "noise", kind: .none)
        package static let quic = Proto(code: 460, name: "quic", kind: .none)
        package static let quicV1 = Proto(code: 461, name: "quic-v1", kind: .none)
        package static let webtransport = Proto(code: 465, name: "webtransport", kind: .none)
        package static let certhash = Proto(code: 466, name: "certhash", kind: .certificateHash)
        package static let ws = Proto(code: 477, name: "ws", kind: .none)
        package static let wss = Proto(code: 478, name: "wss", kind: .none)
        package static let http = Proto(code: 480, name: "http", kind: .none)
        package static let httpPath = Proto(code: 481, name: "http-path", kind: .httpPath)
        package static let https = Proto(code: 443, name: "https", kind: .none)
        package static let unix = Proto(code: 400, name: "unix", kind: .path)
        package static let onion = Proto(code: 444, name: "onion", kind: .onion)
        package static let onion3 = Proto(code: 445, name: "onion3", kind: .onion3)
        package static let garlic64 = Proto(code: 446, name: "garlic64", kind: .garlic64)
        package static let garlic32 = Proto(code: 447, name: "garlic32", kind: .garlic32)
        package static let webrtcDirect = Proto(code: 280, name: "webrtc-direct", kind: .none)
        package static let webrtc = Proto(code: 281, name: "webrtc", kind: .none)
        /// The table says "variable", the implementations use a 64-bit number; so does this.
        package static let memory = Proto(code: 777, name: "memory", kind: .number64)

        /// Every protocol that is understood.
        package static let all: [Proto] = [
            .ip4, .tcp, .udp, .dccp, .sctp, .ip6, .ip6zone, .ipcidr, .dns, .dns4, .dns6, .dnsaddr, .p2p, .p2pCircuit,
            .tls, .sni, .noise, .quic, .quicV1, .webtransport, .certhash, .ws, .wss, .http, .httpPath, .https, .unix,
            .onion, .onion3, .garlic64, .garlic32, .webrtcDirect, .webrtc, .memory,
            Proto(code: 301, name: "udt", kind: .none),
            Proto(code: 302, name: "utp", kind: .none),
            Proto(code: 479, name: "p2p-websocket-star", kind: .none),
            Proto(code: 277, name: "p2p-stardust", kind: .none),
            Proto(code: 275, name: "p2p-webrtc-star", kind: .none),
            Proto(code: 276, name: "p2p-webrtc-direct", kind: .none),
        ]

        private static let byCode = Dictionary(uniqueKeysWithValues: all.map { ($0.code, $0) })
        private static let byName = Dictionary(
            uniqueKeysWithValues: all.map { ($0.name, $0) } + [("ipfs", Proto.p2p)])

        /// The protocol of that code; `nil` when it is unknown, which makes an address unreadable.
        package init?(code: UInt64) {
            guard let match = Proto.byCode[code] else { return nil }
            self = match
        }

        /// The protocol of that name; `ipfs` is an older name of `p2p`.
        package init?(name: String) {
            guard let match = Proto.byName[name] else { return nil }
            self = match
        }

        package static func == (left: Proto, right: Proto) -> Bool { left.code == right.code }
        package func hash(into hasher: inout Hasher) { hasher.combine(code) }
    }

    /// How a protocol's value is written as text and as bytes.
    enum ValueKind: Sendable {
        case none, ip4, ip6, port, maskLength, number64, name, path, peer, certificateHash, httpPath
        case onion, onion3, garlic32, garlic64

        /// The value's length in bytes; `nil` when a length is written in front of it.
        var fixedLength: Int? {
            switch self {
            case .none: 0
            case .maskLength: 1
            case .port: 2
            case .ip4: 4
            case .number64: 8
            case .onion: 12
            case .ip6: 16
            case .onion3: 37
            case .name, .path, .peer, .certificateHash, .httpPath, .garlic32, .garlic64: nil
            }
        }
    }
}

// MARK: Values

extension Multiaddr.Proto {
    /// The bytes of a value that came as text.
    func value(from text: String) throws(MultiformatError) -> [UInt8] {
        let value: [UInt8]
        switch kind {
        case .none: value = []
        case .ip4: value = try orInvalid(IPText.parse4(text), text)
        case .ip6: value = try orInvalid(IPText.parse6(text), text)
        case .port: value = Multiaddr.bigEndian(try orInvalid(decimal(text, as: UInt16.self), text))
        case .maskLength: value = [try orInvalid(decimal(text, as: UInt8.self), text)]
        case .number64: value = Multiaddr.bigEndian(try orInvalid(decimal(text, as: UInt64.self), text))
        case .name, .path: value = Array(text.utf8)
        case .peer: value = try PeerID(text).bytes
        case .certificateHash: value = try Multibase.decode(text).bytes
        case .httpPath: value = try orInvalid(Multiaddr.percentDecoded(text), text)
        case .onion: value = try onionBytes(text, hostLength: 10)
        case .onion3: value = try onionBytes(text, hostLength: 35)
        case .garlic32: value = try Base.decodeGarlic32(text)
        case .garlic64: value = try Base.decodeGarlic64(text)
        }
        try check(value)
        return value
    }

    /// The text of a value that `check` has accepted.
    func text(of value: [UInt8]) -> String {
        switch kind {
        case .none: ""
        case .ip4: IPText.text4(value)
        case .ip6: IPText.text6(value)
        case .port, .maskLength, .number64: String(Multiaddr.number(value[...]))
        case .name, .path: String(decoding: value, as: UTF8.self)
        case .peer: Base.base58btc.encode(value)
        case .certificateHash: Multibase.encode(value, as: .base64url)
        case .httpPath: Multiaddr.percentEncoded(value)
        case .onion, .onion3:
            Base.base32.encode(Array(value.dropLast(2))) + ":" + String(Multiaddr.number(value.suffix(2)))
        case .garlic32: Base.base32.encode(value)
        case .garlic64: Base.encodeGarlic64(value)
        }
    }

    /// Throws unless `value` is one that this protocol can have (its length included).
    func check(_ value: [UInt8]) throws(MultiformatError) {
        if let length = kind.fixedLength, value.count != length { throw .invalidLength }
        switch kind {
        case .none, .ip4, .ip6, .port, .maskLength, .number64: break
        case .name:
            guard !value.isEmpty, !value.contains(UInt8(ascii: "/")) else { throw invalid(value) }
            guard String(validating: value, as: UTF8.self) != nil else { throw invalid(value) }
        case .path:
            guard value.count > 1 || value.first != UInt8(ascii: "/"), !value.isEmpty else { throw invalid(value) }
            guard String(validating: value, as: UTF8.self) != nil else { throw invalid(value) }
        case .peer: _ = try PeerID(value)
        case .certificateHash: _ = try Multihash(value)
        case .httpPath: if value.isEmpty { throw invalid(value) }
        case .onion, .onion3: if value.suffix(2).allSatisfy({ $0 == 0 }) { throw invalid(value) }
        // I2P: plain addresses have 32 bytes, those with an encrypted lease set at least 35.
        case .garlic32: if value.count != 32, value.count < 35 { throw .invalidLength }
        // I2P: a destination with its certificate has at least 386 bytes.
        case .garlic64: if value.count < 386 { throw .invalidLength }
        }
    }

    private func onionBytes(_ text: String, hostLength: Int) throws(MultiformatError) -> [UInt8] {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw invalid(text) }
        let host = try Base.base32.decode(String(parts[0]))
        guard host.count == hostLength else { throw .invalidLength }
        return host + Multiaddr.bigEndian(try orInvalid(decimal(String(parts[1]), as: UInt16.self), text))
    }

    /// Digits only: Swift's own initialiser would take "+1" too.
    private func decimal<T: FixedWidthInteger>(_ text: String, as type: T.Type) -> T? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? T(text) : nil
    }

    private func orInvalid<T>(_ value: T?, _ text: String) throws(MultiformatError) -> T {
        guard let value else { throw invalid(text) }
        return value
    }

    private func invalid(_ text: String) -> MultiformatError {
        .invalidAddress("'\(text.prefix(80))' is no value for /\(name)")
    }

    private func invalid(_ value: [UInt8]) -> MultiformatError { invalid(String(decoding: value, as: UTF8.self)) }
}

extension Multiaddr {
    static func bigEndian<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
        stride(from: T.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> T($0)) }
    }

    /// The big-endian number in at most eight bytes.
    static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) } }

    /// RFC 3986 with every byte escaped that is not unreserved, so that `/` and `+` survive all readers.
    static func percentEncoded(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var result: [UInt8] = []
        for byte in bytes {
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e: result.append(byte)
            default: result += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// The bytes behind the escapes; `nil` when a `%` is not followed by two hex digits.
    static func percentDecoded(_ text: String) -> [UInt8]? {
        var result: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == 0x25 else { result.append(byte); continue }
            guard rest.count >= 2, let pair = try? Base.base16.decode(String(decoding: rest.prefix(2), as: UTF8.self))
            else { return nil }
            result += pair
            rest = rest.dropFirst(2)
        }
        return result
    }
}
