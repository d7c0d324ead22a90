import Multiformats

extension KeyPair {
    /// The longest key file that is read, in bytes.
    package static let maximumFileLength = 16_384

    /// Reads the first key of a PEM file: PKCS#8, unencrypted, Ed25519, as OpenSSL and Kubo write it.
    package init(pem text: String) throws(KeyError) {
        guard text.utf8.count <= Self.maximumFileLength else { throw .malformed }
        var label: String?
        var body = ""
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.drop { $0 == " " || $0 == "\t" }
            if line.hasPrefix("-----BEGIN "), let name = line.dropFirst(11).split(separator: "-").first {
                guard label == nil else { throw .malformed }
                label = String(name)
            } else if line.hasPrefix("-----END ") {
                guard let label, line.hasPrefix("-----END \(label)-----") else { throw .malformed }
                guard label == "PRIVATE KEY" else { throw .notAPrivateKey(label) }
                guard var der = try? Base.base64pad.decode(body) else { throw .malformed }
                defer { Sodium.zero(&der) }
                try self.init(pkcs8: der)
                return
            } else if label != nil {
                body += line.filter { !$0.isWhitespace }
            }
        }
        throw .malformed
    }

    /// The PKCS#8 form in PEM: a secret.
    package var pem: String {
        var der = pkcs8
        defer { Sodium.zero(&der) }
        return "-----BEGIN PRIVATE KEY-----\n\(Base.base64pad.encode(der))\n-----END PRIVATE KEY-----\n"
    }

    /// Reads a PKCS#8 key in DER (RFC 5958, RFC 8410); a public key beside it must belong to it.
    package init(pkcs8 bytes: [UInt8]) throws(KeyError) {
        var outer = DERReader(bytes[...])
        var key = DERReader(try outer.read(.sequence))
        let version = Array(try key.read(.integer))
        guard outer.isAtEnd, version == [0] || version == [1] else { throw .malformed }
        var algorithm = DERReader(try key.read(.sequence))
        let identifier = Array(try algorithm.read(.objectIdentifier))
        guard identifier == Self.ed25519Identifier else { throw .unsupportedAlgorithm(Self.name(of: identifier)) }
        var wrapped = DERReader(try key.read(.octetString))
        var seed = Array(try wrapped.read(.octetString))
        defer { Sodium.zero(&seed) }
        guard algorithm.isAtEnd, wrapped.isAtEnd, seed.count == 32 else { throw .malformed }
        self.init(seed: SecretBytes(seed))
        while !key.isAtEnd {
            let (tag, content) = try key.readAny()
            // The public key is a bit string: a count of unused bits, then the bytes.
            if tag == .publicKey, Array(content) != [0] + publicKey.data { throw .mismatchedHalves }
        }
    }

    /// The key in PKCS#8, as RFC 8410 has it: a secret of 48 bytes.
    package var pkcs8: [UInt8] {
        var secret = self.secret.reveal()
        defer { Sodium.zero(&secret) }
        return [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03] + Self.ed25519Identifier
            + [0x04, 0x22, 0x04, 0x20] + secret[..<32]
    }

    /// 1.3.101.112.
    private static let ed25519Identifier: [UInt8] = [0x2b, 0x65, 0x70]

    private static func name(of identifier: [UInt8]) -> String {
        switch identifier {
        case [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]: "RSA"
        case [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]: "ECDSA"
        case [0x2b, 0x65, 0x6e]: "X25519"
        case [0x2b, 0x65, 0x71]: "Ed448"
        default: "0x" + Base.base16.encode(identifier)
        }
    }
}

/// Reads the few elements of DER that a private key is made of.
struct DERReader {
    /// An element's first byte.
    struct Tag: Equatable {
        let rawValue: UInt8
        static let integer = Tag(rawValue: 0x02)
        static let octetString = Tag(rawValue: 0x04)
        static let objectIdentifier = Tag(rawValue: 0x06)
        static let sequence = Tag(rawValue: 0x30)
        /// The optional public key of a private key, `[1]`.
        static let publicKey = Tag(rawValue: 0x81)
    }

    private var bytes: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    var isAtEnd: Bool { bytes.isEmpty }

    /// The content of the next element, which must have this tag.
    mutating func read(_ tag: Tag) throws(KeyError) -> ArraySlice<UInt8> {
        let (found, content) = try readAny()
        guard found == tag else { throw .malformed }
        return content
    }

    /// The next element. Lengths take up to two bytes, in the shortest form only.
    mutating func readAny() throws(KeyError) -> (Tag, ArraySlice<UInt8>) {
        guard let tag = bytes.popFirst(), let first = bytes.popFirst() else { throw .malformed }
        var length = Int(first)
        if first >= 0x80 {
            guard first == 0x81 || first == 0x82 else { throw .malformed }
            length = 0
            for _ in 0..<Int(first & 0x7f) {
                guard let byte = bytes.popFirst() else { throw .malformed }
                length = length << 8 | Int(byte)
            }
            guard length >= (first == 0x81 ? 0x80 : 0x100) else { throw .malformed }
        }
        guard length <= bytes.count else { throw .malformed }
        defer { bytes = bytes.dropFirst(length) }
        return (Tag(rawValue: tag), bytes.prefix(length))
    }
}
