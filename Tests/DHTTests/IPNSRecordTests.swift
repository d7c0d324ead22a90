import DHT
import Foundation
import Multiformats
import PeerCrypto
import SansIO
import TestSupport
import Testing

/// Records of names: made as others make them, and read with every check.
@Suite struct IPNSRecordTests {
    private let key = KeyPair(seed: [UInt8](repeating: 7, count: 32))
    private var name: IPNSName { IPNSName(key.peerID) }
    private let now = KadTime(milliseconds: 1_800_000_000_000)

    private func record(
        _ value: String = "/ipfs/bafkqaaa", sequence: UInt64 = 1, after seconds: UInt64 = 3600, version1: Bool = true
    ) throws -> IPNSRecord {
        try IPNSRecord(
            value: Array(value.utf8), sequence: sequence,
            validity: UTCTime(KadTime(milliseconds: now.milliseconds + seconds * 1000)), timeToLive: .seconds(300),
            signedBy: key, withVersion1: version1)
    }

    @Test("The records of the specification get its verdicts", .enabled(if: Vectors.present, "\(Vectors.skipped)"))
    func vectors() throws {
        let folder = Vectors.folder.appendingPathComponent("ipns")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        let invalid: [String: IPNSError] = [
            "_v1": .noSignature, "_v1-v2-broken-v1-value": .contradiction("value"),
            "_v1-v2-broken-signature-v2": .invalidSignature,
        ]
        var verdicts: [String: Int] = [:]
        for file in files where file.hasSuffix(".ipns-record") {
            let stem = String(file.dropLast(".ipns-record".count))
            let split = stem.firstIndex(of: "_") ?? stem.endIndex
            let name = try IPNSName(String(stem[..<split]))
            let bytes = try Vectors.bytes("ipns/\(file)")
            if let expected = invalid[String(stem[split...])] {
                #expect(throws: expected, "\(file)") { try IPNSRecord(verifying: bytes, of: name) }
                #expect(!IPNSValidator.validate(name.recordKey, bytes, nowMilliseconds: now.milliseconds))
                verdicts["invalid", default: 0] += 1
            } else {
                let record = try IPNSRecord(verifying: bytes, of: name)
                #expect(record.bytes == bytes)
                #expect(String(decoding: record.value, as: UTF8.self).hasPrefix("/"), "\(file)")
                #expect(
                    IPNSValidator.validate(name.recordKey, bytes, nowMilliseconds: now.milliseconds)
                        == record.isAlive(at: now))
                verdicts["valid", default: 0] += 1
                if file.hasPrefix("Qm") { #expect(record.publicKey?.kind == .rsa) }
                if file.contains("_v2.") { #expect(!record.hasVersion1) }
                // The same record under another name is nobody's.
                #expect(throws: IPNSError.self) { try IPNSRecord(verifying: bytes, of: self.name) }
            }
        }
        #expect(verdicts["invalid"] == 3)
        #expect(verdicts["valid", default: 0] >= 11)
    }

    @Test("A record is made byte for byte as others make it", .enabled(if: Vectors.present, "\(Vectors.skipped)"))
    func derived() throws {
        struct File: Decodable {
            struct Record: Decodable {
                var name_base36, value, validity, data_cbor_hex, record_v2_only_hex, record_v1_v2_hex: String
                var dht_key_hex: String
                var sequence: UInt64
                var ttl_ns: Int64
            }
            var ed25519_seed_hex: String
            var ipns_record: Record
        }
        let file = try Vectors.json("records/derived-signed-records.json", as: File.self)
        let expected = file.ipns_record
        let key = KeyPair(seed: hex(file.ed25519_seed_hex))
        let name = IPNSName(key.peerID)
        #expect(name.description == expected.name_base36)
        #expect(name.recordKey.hexText == expected.dht_key_hex)
        let validity = try #require(UTCTime(expected.validity.utf8))
        for (withVersion1, text) in [(true, expected.record_v1_v2_hex), (false, expected.record_v2_only_hex)] {
            let made = try IPNSRecord(
                value: Array(expected.value.utf8), sequence: expected.sequence, validity: validity,
                timeToLive: .nanoseconds(expected.ttl_ns), signedBy: key, withVersion1: withVersion1)
            #expect(made.data.hexText == expected.data_cbor_hex)
            #expect(made.bytes.hexText == text)
            #expect(try IPNSRecord(verifying: hex(text), of: name, now: now) == made)
        }
    }

    @Test("What was written is read back, and ends")
    func roundTrip() throws {
        for version1 in [true, false] {
            let made = try record(sequence: .max, version1: version1)
            let read = try IPNSRecord(verifying: made.bytes, of: name, now: now)
            #expect(read == made)
            #expect(read.sequence == .max && read.timeToLive == .seconds(300) && read.hasVersion1 == version1)
            let end = KadTime(milliseconds: now.milliseconds + 3_600_000)
            #expect(throws: IPNSError.expired(made.validity)) {
                try IPNSRecord(verifying: made.bytes, of: name, now: end)
            }
        }
        #expect(throws: IPNSError.invalidValue) { try record("") }
        #expect(throws: IPNSError.invalidValue) { try record(String(repeating: "a", count: 4097)) }
        #expect(try record(String(repeating: "a", count: 4096)).bytes.count <= IPNSRecord.maximumLength)
    }

    @Test("A name on P-256 works, with its key in the record")
    func foreignKey() throws {
        // Made and signed with Python's cryptography (OpenSSL).
        let peer = try PeerID(hex("1220c7f29d013c85dddd63210766cfee0f0cf8b07f5ae1dd95b1830395937ff9a00e"))
        let bytes = hex(
            """
            3a5f0803125b3059301306072a8648ce3d020106082a8648ce3d03010703420004471c3e758c4904285bba7e53118ed0
            f524adeb0757d25bd2f8e7b0d76dfa714cdd520f7aca8a8b917acc37f51de8f0c9bbe3ad858382e702dc25a12d09f7a8
            584248304602210091835cd58598fb64a1bbf75fff88a815cf45da6e129a0d1d13c03289dbb9a3e2022100d059d343bd
            ddf564a297f4fa0a2a7ed7afcdfcbeed06bdc203412e6cb72078354a64a56354544c1b00000045d964b8006556616c75
            654e2f697066732f6261666b716161616853657175656e6365076856616c6964697479581e323132362d30312d303154
            30303a30303a30302e3030303030303030305a6c56616c69646974795479706500
            """)
        let read = try IPNSRecord(verifying: bytes, of: IPNSName(peer), now: now)
        #expect(read.publicKey?.kind == .ecdsa && read.sequence == 7 && read.value == Array("/ipfs/bafkqaaa".utf8))
        var changed = bytes
        changed[changed.count - 1] ^= 1
        #expect(throws: IPNSError.self) { try IPNSRecord(verifying: changed, of: IPNSName(peer)) }
        // A hashed name needs its key, and an inlined one takes no other.
        let stranger = try record().bytes + foreignField
        #expect(throws: IPNSError.self) { try IPNSRecord(verifying: stranger, of: name) }
        #expect(throws: IPNSError.noKey) { try IPNSRecord(verifying: record().bytes, of: IPNSName(peer)) }
    }

    /// Field 7 with a key that is not the name's.
    private var foreignField: [UInt8] {
        var writer = ProtobufWriter()
        writer.bytes(7, KeyPair(seed: [UInt8](repeating: 9, count: 32)).publicKey.protobuf)
        return writer.bytes
    }

    @Test("Any changed byte spoils the record", arguments: [true, false])
    func changes(version1: Bool) throws {
        let good = try record(version1: version1).bytes
        for index in good.indices {
            for bit in [0, 3, 7] {
                var bytes = good
                bytes[index] ^= 1 << bit
                // Version 1's own signature is nobody's concern; the content must stay what was signed.
                guard let read = try? IPNSRecord(verifying: bytes, of: name) else { continue }
                let original = try IPNSRecord(unverified: good)
                #expect(read.data == original.data && read.signature == original.signature, "byte \(index) bit \(bit)")
                #expect(read.value == original.value && read.sequence == original.sequence)
            }
        }
        for length in good.indices {
            #expect(throws: IPNSError.self) { try IPNSRecord(verifying: Array(good[..<length]), of: name) }
        }
    }

    @Test("Longer records than 10 KiB are not even parsed")
    func tooLong() throws {
        let good = try record().bytes
        var writer = ProtobufWriter()
        writer.bytes(100, [UInt8](repeating: 0, count: IPNSRecord.maximumLength - good.count - 4))
        let padded = good + writer.bytes
        #expect(padded.count == IPNSRecord.maximumLength)
        #expect(try IPNSRecord(verifying: padded, of: name).value == Array("/ipfs/bafkqaaa".utf8))
        #expect(throws: IPNSError.tooLong(padded.count + 2)) {
            try IPNSRecord(verifying: padded + [0x18, 0x00], of: name)
        }
    }

    @Test("The newer record wins, in whatever order they come")
    func selection() throws {
        let records = [
            try record("/ipfs/a", sequence: 1, after: 9000), try record("/ipfs/b", sequence: 2, after: 100),
            try record("/ipfs/b", sequence: 2, after: 200), try record("/ipfs/c", sequence: 2, after: 200),
        ]
        let sorted = records.sorted()
        #expect(sorted[0] == records[0] && sorted[1] == records[1])
        let largest = [records[2], records[3]].max { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        #expect(sorted.last == largest)
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<20 {
            let order = records.shuffled(using: &generator).map(\.bytes) + [[1, 2, 3]]
            #expect(order[IPNSValidator.select(order)] == largest?.bytes)
        }
        #expect(IPNSRecord.best(of: [[1]]) == nil)
    }

    @Test("Names are read in all their forms and written in base36")
    func names() throws {
        let peer = key.peerID
        for text in [
            peer.description, peer.cid.text(in: .base36), peer.cid.text(in: .base32), peer.cid.text(in: .base58btc),
            "/ipns/" + peer.cid.description,
        ] {
            #expect(try IPNSName(text) == name)
        }
        #expect(name.description.hasPrefix("k51"))
        #expect(IPNSName(recordKey: name.recordKey) == name)
        #expect(IPNSName(recordKey: Array("/pk/".utf8) + peer.bytes) == nil)
        #expect(IPNSName(recordKey: Array("/ipns/".utf8)) == nil)
        for text in ["", "/ipns/", "example.org", "bafkqaaa", "/ipns/\(peer)/a", String(repeating: "1", count: 999)] {
            #expect(throws: MultiformatError.self, "\(text)") { try IPNSName(text) }
        }
    }

    @Test("Times are read as RFC 3339 has them")
    func times() throws {
        let time = try #require(UTCTime("2126-01-01T00:00:00.000000001Z".utf8))
        #expect(time.text == "2126-01-01T00:00:00.000000001Z")
        #expect(UTCTime("2026-11-21T12:00:00.5+02:00".utf8)?.text == "2026-11-21T10:00:00.500000000Z")
        #expect(UTCTime("2024-02-29T23:59:59Z".utf8)?.kadTime.milliseconds == 1_709_251_199_000)
        #expect(UTCTime("1969-12-31T23:59:59Z".utf8)?.seconds == -1)
        for text in [
            "", "2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01 00:00:00Z",
            "2024-01-01T00:00:00", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00Zx", "2024-1-1T00:00:00Z",
        ] {
            #expect(UTCTime(text.utf8) == nil, "\(text)")
        }
        var generator = SeededGenerator(seed: 11)
        for _ in 0..<2000 {
            let seconds = Int64.random(in: -62_167_219_200...253_402_300_799, using: &generator)
            let time = UTCTime(seconds: seconds, nanoseconds: UInt32.random(in: 0...999_999_999, using: &generator))
            #expect(UTCTime(time.text.utf8) == time)
        }
    }
}
