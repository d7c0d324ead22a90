import Multiformats
import PeerCrypto

/// What makes a value good under one kind of record key, and which of several good ones is the best.
package struct RecordValidator: Sendable {
    /// Whether `value` may stand under `key` (the whole record key) at this wall time in milliseconds since 1970.
    package var validate: @Sendable (_ key: [UInt8], _ value: [UInt8], _ nowMilliseconds: UInt64) -> Bool
    /// The index of the best of these values, all of them valid, at least one.
    package var select: @Sendable (_ values: [[UInt8]]) -> Int

    package init(
        validate: @escaping @Sendable (_ key: [UInt8], _ value: [UInt8], _ nowMilliseconds: UInt64) -> Bool,
        select: @escaping @Sendable (_ values: [[UInt8]]) -> Int
    ) {
        self.validate = validate
        self.select = select
    }

    /// `/pk/` and a PeerID's multihash: the value is the key that the PeerID names. All good values are equal.
    package static let publicKey = RecordValidator(
        validate: { key, value, _ in
            let prefix = Array("/pk/".utf8)
            guard key.starts(with: prefix), let peer = try? PeerID(Array(key.dropFirst(prefix.count))),
                let publicKey = try? PublicKey(protobuf: value)
            else { return false }
            return publicKey.peerID == peer
        },
        select: { _ in 0 })

    /// The first part of a record key: "ipns" of `/ipns/...`; nil for keys of another form.
    package static func namespace(of key: [UInt8]) -> String? {
        let slash = UInt8(ascii: "/")
        guard key.first == slash, let end = key.dropFirst().firstIndex(of: slash), end > 1, end <= 16 else {
            return nil
        }
        return String(validating: key[1..<end], as: UTF8.self)
    }
}
