package import Multiformats
package import PeerCrypto

/// Why bytes are not a record of a name, or not one that counts. Scope: the record.
package enum IPNSError: Error, Hashable, Sendable {
    /// More bytes than any record may have.
    case tooLong(Int)
    case malformed
    /// It has no signature of version 2, as records made before 2021.
    case noSignature
    /// A part of the signed data is missing or of another type.
    case badField(String)
    /// The older fields beside the signed data say something else.
    case contradiction(String)
    /// Its key cannot be used, or none is known.
    case key(KeyError)
    case noKey
    /// Its key belongs to another name.
    case otherName(PeerID)
    case invalidSignature
    /// Its end of life has passed.
    case expired(UTCTime)
    /// It cannot be made: the value is empty or too long, or the lifetime is not positive.
    case invalidValue
}

extension IPNSError: CustomStringConvertible {
    /// What is wrong, in words for a user.
    package var description: String {
        switch self {
        case .tooLong(let count): "\(count) bytes are more than a record may have (\(IPNSRecord.maximumLength))"
        case .malformed: "it is not an IPNS record"
        case .noSignature: "it has no version 2 signature"
        case .badField(let name): "its field \(name) is missing or of another type"
        case .contradiction(let name): "its older field \(name) differs from what was signed"
        case .key(let error): "its key cannot be used: \(error)"
        case .noKey: "its key is neither in the record nor in the name"
        case .otherName(let peer): "its key belongs to the name \(IPNSName(peer))"
        case .invalidSignature: "its signature does not fit"
        case .expired(let end): "it ended at \(end)"
        case .invalidValue: "its value must have 1 to \(IPNSRecord.maximumValueLength) bytes"
        }
    }
}
