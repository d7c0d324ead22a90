import Crypto
import Multiformats
import NIOCore
import PeerCrypto
import TestSupport
import Testing

@Suite struct ContentHashTests {
    @Test(
        "every row of the multihash test cases is computed",
        .enabled(if: Vectors.present, Comment(rawValue: Vectors.skipped)))
    func vectors() throws {
        // The input is hashed as text. Nothing is left out: the file has SHA-1, SHA-2 and SHA-3 of 512 bits (its "sha3"), whole and cut.
        let codes: [String: HashCode] = [
            "sha1": .sha1, "sha2-256": .sha2_256, "sha2-512": .sha2_512, "sha3": .sha3_512,
        ]
        let rows = try Vectors.csv("multiformats/multihash-test_cases.csv")
        #expect(rows.count == 260)
        for row in rows {
            let code = try #require(codes[row[0]], "unknown function \(row[0])")
            let length = try #require(Int(row[1])) / 8
            let hash = ContentHash.hash(ByteBuffer(string: row[2]), code: code, length: length)
            #expect(hash?.bytes == hex(row[3]), "\(row)")
        }
    }

    @Test(
        "the functions without a row there give their published digests of \"abc\"",
        arguments: [
            (HashCode.sha3_256, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
            (
                .sha3_384,
                "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25"
            ),
            (.doubleSHA2_256, "4f8b42c22dd3729b519ba6f68d2da7cc5b2d606d05daed5ad5128cc03e6c6358"),
            (
                .blake2b(bits: 512),
                "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"
            ),
            (.blake2b(bits: 256), "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"),
            (.identity, "616263"),
        ])
    func others(_ code: HashCode, _ digest: String) throws {
        let hash = try #require(ContentHash.hash(ByteBuffer(string: "abc"), code: code))
        #expect(ContentHash.canVerify(hash))
        #expect(ContentHash.verify(ByteBuffer(string: "abc"), matches: CID(codec: .raw, multihash: hash)))
        #expect(ContentHash.hash(ByteBuffer(string: "abc"), code: code)?.digest == hex(digest))
    }

    @Test("functions that nobody here computes give nil, and their blocks are refused")
    func unknown() throws {
        let data = ByteBuffer(string: "abc")
        for code: HashCode in [
            .sha3_224, .shake256, .keccak224, .keccak256, .keccak384, .keccak512, .blake3, .murmur3_x64_64,
            .blake2s(bits: 256), .blake2b(bits: 120), HashCode(rawValue: 0xb200), HashCode(rawValue: 0x999999),
        ] {
            #expect(ContentHash.hash(data, code: code) == nil)
            let cid = CID(codec: .raw, multihash: Multihash(code: code, digest: seed(1)))
            #expect(throws: ContentError.refusedHash(code, digestLength: 32)) { try Block(verifying: data, as: cid) }
        }
        #expect(ContentHash.hash(data, code: .sha1, length: 21) == nil)
        let long = CID(codec: .raw, multihash: Multihash(code: .sha1, digest: [UInt8](repeating: 1, count: 21)))
        #expect(throws: ContentError.refusedHash(.sha1, digestLength: 21)) { try Block(verifying: data, as: long) }
        #expect(ContentHash.hash(data, code: .identity, length: 2) == nil)
        #expect(ContentHash.hash(ByteBuffer(repeating: 1, count: 129), code: .identity) == nil)
    }

    @Test("a slice in the middle of a buffer, pieces, and an array hash alike, and as swift-crypto says")
    func sameDigest() {
        var seeded = SystemRandomNumberGenerator()
        let start = UInt64.random(in: 0 ... .max, using: &seeded)
        for count in [0, 1, 55, 56, 63, 64, 65, 1000, 70_000] {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: start &+ UInt64($0) &* 7) }
            let whole = ByteBuffer(bytes: [1, 2, 3] + bytes + [4])
            guard let slice = whole.getSlice(at: 3, length: count) else { continue }
            let expected = Multihash(code: .sha2_256, digest: Array(SHA256.hash(data: bytes)))
            #expect(ContentHash.sha256(slice) == expected, "start \(start)")
            #expect(ContentHash.sha256(bytes) == expected, "start \(start)")
            var hasher = SHA256Hasher()
            hasher.update(Array(bytes.prefix(count / 3)))
            var copy = hasher
            hasher.update(ByteBuffer(bytes: bytes.dropFirst(count / 3)))
            #expect(hasher.finish() == expected && hasher.finish() == expected, "start \(start)")
            // A copy goes its own way.
            copy.update([9])
            #expect(copy.finish() == ContentHash.sha256(Array(bytes.prefix(count / 3)) + [9]))
        }
    }

    @Test("a block is accepted under its CID and under no other")
    func verifying() throws {
        let data = ByteBuffer(string: "hello world")
        let cid = CID(codec: .raw, multihash: ContentHash.sha256(data))
        #expect(cid.description == "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e")
        #expect(try Block(verifying: data, as: cid).data == data)
        let digest = cid.multihash.digest
        for position in digest.indices {
            var changed = digest
            changed[position] ^= 1 << UInt8(position % 8)
            let other = CID(codec: .raw, multihash: Multihash(code: .sha2_256, digest: changed))
            #expect(throws: ContentError.mismatch(other)) { try Block(verifying: data, as: other) }
        }
        for (count, accepted) in [(19, false), (20, true), (31, true)] {
            let cut = CID(codec: .raw, multihash: Multihash(code: .sha2_256, digest: Array(digest[..<count])))
            #expect(ContentHash.verify(data, matches: cut) == accepted)
        }
        let inline = CID(codec: .raw, multihash: .identity(Array("hello world".utf8)))
        #expect(ContentHash.verify(data, matches: inline))
        #expect(!ContentHash.verify(ByteBuffer(string: "hello worle"), matches: inline))
        let long = ByteBuffer(repeating: 0, count: Block.maximumLength + 1)
        #expect(throws: ContentError.tooLong(long.readableBytes)) {
            try Block(verifying: long, as: CID(codec: .raw, multihash: ContentHash.sha256(long)))
        }
    }
}
