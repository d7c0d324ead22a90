/// What the DHT accepts as the value of a `/ipns/` key, and which of several it prefers.
///
/// Both functions fit the closures of a `RecordValidator`.
package enum IPNSValidator {
    /// The part of the keys that this is about, without slashes.
    package static let namespace = "ipns"

    /// Whether `value` is a record of the name in `key`, signed by it and alive.
    package static func validate(_ key: [UInt8], _ value: [UInt8], nowMilliseconds: UInt64) -> Bool {
        guard let name = IPNSName(recordKey: key) else { return false }
        let now = KadTime(milliseconds: nowMilliseconds)
        return (try? IPNSRecord(verifying: value, of: name, now: now)) != nil
    }

    /// The index of the best of `values`, which were validated before.
    package static func select(_ values: [[UInt8]]) -> Int { IPNSRecord.best(of: values) ?? 0 }
}

extension RecordValidator {
    /// `/ipns/` and a PeerID's multihash: the value is a record that the PeerID's key signed and that is alive.
    package static let ipns = RecordValidator(
        validate: { IPNSValidator.validate($0, $1, nowMilliseconds: $2) }, select: { IPNSValidator.select($0) })
}
