/// Why bytes or text are not a multihash, CID, multiaddr, PeerID or multibase string.
package enum MultiformatError: Error, Hashable, Sendable {
    case truncated
    case trailingBytes
    case varint(VarintError)
    case digestLength(UInt64)
    case unknownBase(String)
    case invalidCharacter(String)
    case invalidLength
    case nonZeroTrailingBits
    case unknownVersion(UInt64)
    case unsupportedCodec(UInt64)
    case notAPeerID
    case unknownProtocol(String)
    case invalidAddress(String)
}

extension MultiformatError: CustomStringConvertible {
    /// What is wrong, in words for a user.
    package var description: String {
        switch self {
        case .truncated: "it ends too early"
        case .trailingBytes: "bytes follow its end"
        case .varint(.truncated): "a number in it ends too early"
        case .varint(.tooLong): "a number in it is too long"
        case .varint(.notMinimal): "a number in it is not in its shortest form"
        case .digestLength(let length): "its hash claims \(length) bytes"
        case .unknownBase(let prefix): "'\(prefix)' is no known base prefix"
        case .invalidCharacter(let text): "'\(text)' is not allowed in it"
        case .invalidLength: "its length is wrong"
        case .nonZeroTrailingBits: "its last character carries bits that belong to nothing"
        case .unknownVersion(let version): "version \(version) is unknown"
        case .unsupportedCodec(let codec): "codec 0x\(String(codec, radix: 16)) is not supported here"
        case .notAPeerID: "it is not the hash of a public key"
        case .unknownProtocol(let name): "'\(name)' is no known address protocol"
        case .invalidAddress(let reason): reason
        }
    }
}
