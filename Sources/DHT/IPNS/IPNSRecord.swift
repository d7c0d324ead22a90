import Multiformats
import NIOCore
package import PeerCrypto
import SansIO

/// What the holder of a name says that it points to, signed, numbered and with an end of life.
///
/// What counts is the signed DAG-CBOR `data`; the protobuf fields that repeat it are written for older readers
/// and, when they are there, must agree. The properties come from the signed data alone.
/// Source: https://specs.ipfs.tech/ipns/ipns-record/
package struct IPNSRecord: Hashable, Sendable {
    /// The longest record that is read, in bytes.
    package static let maximumLength = 10_240
    /// The longest value that is written, in bytes; it stands in a record twice.
    package static let maximumValueLength = 4096

    /// Normally a path: `/ipfs/...` or `/ipns/...`.
    package let value: [UInt8]
    /// The end of its life.
    package let validity: UTCTime
    /// Of two records of a name the one with the higher number counts.
    package let sequence: UInt64
    /// How long a reader may keep it without asking again.
    package let timeToLive: Duration
    /// The key that comes with it, which names with a short key do without.
    package let publicKey: PublicKey?
    /// The form that is sent and kept.
    package let bytes: [UInt8]
    /// Whether it also has the fields and the signature of version 1.
    package let hasVersion1: Bool
    /// What is signed, in DAG-CBOR.
    package let data: [UInt8]
    /// The signature over `data`.
    package let signature: [UInt8]

    /// Signs that `key`'s name points to `value` until `validity`.
    ///
    /// With `withVersion1` the older fields and signature are written too, as Kubo does.
    /// Errors: `invalidValue`.
    package init(
        value: [UInt8], sequence: UInt64, validity: UTCTime, timeToLive: Duration, signedBy key: KeyPair,
        withVersion1: Bool = true
    ) throws(IPNSError) {
        guard (1...Self.maximumValueLength).contains(value.count) else { throw .invalidValue }
        let content = Content(
            value: value, validity: Array(validity.text.utf8), sequence: sequence,
            timeToLive: UInt64(clamping: timeToLive.nonNegativeNanoseconds))
        let data = try content.encoded()
        let signature = key.sign(Self.signedBytes(data))
        self.value = value
        self.validity = validity
        self.sequence = sequence
        self.timeToLive = .nanoseconds(Int64(clamping: content.timeToLive))
        publicKey = nil
        hasVersion1 = withVersion1
        self.data = data
        self.signature = signature
        var writer = ProtobufWriter(capacity: data.count * 2 + 160)
        if withVersion1 {
            writer.bytes(1, value)
            // Version 1 signs the name of the validity's type, not its number.
            writer.bytes(2, key.sign(value + content.validity + Array("EOL".utf8)))
            writer.varint(3, 0)
            writer.bytes(4, content.validity)
            writer.varint(5, sequence)
            writer.varint(6, content.timeToLive)
        }
        writer.bytes(8, signature)
        writer.bytes(9, data)
        bytes = writer.bytes
    }

    /// Reads a record of `name` and checks everything but its end of life.
    package init(verifying bytes: [UInt8], of name: IPNSName) throws(IPNSError) {
        try self.init(unverified: bytes)
        try verify(name)
    }

    /// Reads a record of `name` that counts at `now`.
    package init(verifying bytes: [UInt8], of name: IPNSName, now: KadTime) throws(IPNSError) {
        try self.init(verifying: bytes, of: name)
        guard isAlive(at: now) else { throw .expired(validity) }
    }

    /// Reads a record whose signature somebody else checks, or that is only to be looked at.
    package init(unverified bytes: [UInt8]) throws(IPNSError) {
        guard bytes.count <= Self.maximumLength else { throw .tooLong(bytes.count) }
        let entry = try Entry(bytes)
        guard let signature = entry.signature, let data = entry.data else { throw .noSignature }
        let content = try Content(data)
        if entry.hasVersion1 { try entry.check(content) }
        guard let validity = UTCTime(content.validity) else { throw .badField("Validity") }
        value = content.value
        self.validity = validity
        sequence = content.sequence
        timeToLive = .nanoseconds(Int64(clamping: content.timeToLive))
        do throws(KeyError) {
            publicKey = try entry.key.map { key throws(KeyError) in try PublicKey(protobuf: key) }
        } catch {
            throw .key(error)
        }
        hasVersion1 = entry.hasVersion1
        self.bytes = bytes
        self.data = data
        self.signature = signature
    }

    /// Whether its end of life lies after `now`.
    package func isAlive(at now: KadTime) -> Bool { validity > UTCTime(now) }

    /// Throws unless the key of `name` has signed this.
    private func verify(_ name: IPNSName) throws(IPNSError) {
        guard let key = publicKey ?? name.peer.publicKey else { throw .noKey }
        guard key.peerID == name.peer else { throw .otherName(key.peerID) }
        do { try key.checkSupported() } catch { throw .key(error) }
        guard key.verify(signature: signature, message: Self.signedBytes(data)) else { throw .invalidSignature }
    }

    private static func signedBytes(_ data: [UInt8]) -> [UInt8] { Array("ipns-signature:".utf8) + data }
}

extension IPNSRecord: Comparable {
    /// Whether `right` replaces `left`: a higher sequence, then a later end, then larger bytes, so that everyone
    /// comes to the same choice.
    package static func < (left: IPNSRecord, right: IPNSRecord) -> Bool {
        if left.sequence != right.sequence { return left.sequence < right.sequence }
        if left.validity != right.validity { return left.validity < right.validity }
        return left.bytes.lexicographicallyPrecedes(right.bytes)
    }

    /// The index of the record that replaces all others; those that cannot be read never win. `nil` without any.
    package static func best(of records: [[UInt8]]) -> Int? {
        var best: (index: Int, record: IPNSRecord)?
        for (index, bytes) in records.enumerated() {
            guard let record = try? IPNSRecord(unverified: bytes) else { continue }
            if best.map({ $0.record < record }) ?? true { best = (index, record) }
        }
        return best?.index
    }
}

// MARK: Parts

/// The signed fields.
private struct Content {
    var value: [UInt8]
    var validity: [UInt8]
    var sequence: UInt64
    /// In nanoseconds.
    var timeToLive: UInt64

    init(value: [UInt8], validity: [UInt8], sequence: UInt64, timeToLive: UInt64) {
        self.value = value
        self.validity = validity
        self.sequence = sequence
        self.timeToLive = timeToLive
    }

    init(_ data: [UInt8]) throws(IPNSError) {
        let map: DAGValue
        // A handful of fields, and those that others add.
        do { map = try DagCBOR.decode(data, maximumValues: 256) } catch { throw .malformed }
        guard case .bytes(let value) = map["Value"] else { throw .badField("Value") }
        guard case .bytes(let validity) = map["Validity"] else { throw .badField("Validity") }
        guard case .integer(let type) = map["ValidityType"], type == 0 else { throw .badField("ValidityType") }
        guard case .integer(let number) = map["Sequence"], let sequence = number.uint64 else {
            throw .badField("Sequence")
        }
        guard case .integer(let number) = map["TTL"], let time = number.uint64, Int64(exactly: time) != nil else {
            throw .badField("TTL")
        }
        self.init(value: value, validity: validity, sequence: sequence, timeToLive: time)
    }

    func encoded() throws(IPNSError) -> [UInt8] {
        do throws(DAGError) {
            return try DagCBOR.encode(
                .map([
                    DAGEntry("TTL", .integer(DAGInteger(timeToLive))), DAGEntry("Value", .bytes(value)),
                    DAGEntry("Sequence", .integer(DAGInteger(sequence))), DAGEntry("Validity", .bytes(validity)),
                    DAGEntry("ValidityType", .integer(0)),
                ]))
        } catch {
            throw .invalidValue
        }
    }
}

/// The protobuf message, its fields as they came.
private struct Entry {
    var value: [UInt8] = []
    var signature1: [UInt8] = []
    var validityType: UInt64 = 0
    var validity: [UInt8] = []
    var sequence: UInt64 = 0
    var timeToLive: UInt64 = 0
    var key: [UInt8]?
    var signature: [UInt8]?
    var data: [UInt8]?

    init(_ bytes: [UInt8]) throws(IPNSError) {
        do throws(ProtobufError) {
            var reader = ProtobufReader(ByteBuffer(bytes: bytes), maximumFields: 64)
            while let field = try reader.next() {
                switch field.number {
                case 1: value = try field.array()
                case 2: signature1 = try field.array()
                case 3: validityType = try field.uint64()
                case 4: validity = try field.array()
                case 5: sequence = try field.uint64()
                case 6: timeToLive = try field.uint64()
                case 7: key = try field.array()
                case 8: signature = try field.array()
                case 9: data = try field.array()
                default: break
                }
            }
        } catch {
            throw .malformed
        }
        // Some writers set an empty field instead of none.
        if key?.isEmpty == true { key = nil }
    }

    var hasVersion1: Bool { !value.isEmpty || !signature1.isEmpty }

    /// Version 1 readers must see what version 2 readers see.
    func check(_ content: Content) throws(IPNSError) {
        guard value == content.value else { throw .contradiction("value") }
        guard validityType == 0 else { throw .contradiction("validityType") }
        guard validity == content.validity else { throw .contradiction("validity") }
        guard sequence == content.sequence else { throw .contradiction("sequence") }
        guard timeToLive == content.timeToLive else { throw .contradiction("ttl") }
    }
}

extension Duration {
    /// Negative ones count as none.
    fileprivate var nonNegativeNanoseconds: Int64 { max(0, wholeNanoseconds) }
}
