import Multiformats
import NIOCore
import SansIO
import TestSupport
import Testing

/// CIDs, multihashes and the numbers in them.
@Suite struct CIDTests {
    struct File: Decodable {
        struct Valid: Decodable {
            let cid, bytes_hex, codec, mh_code, digest_hex, cidv1_base32: String
            let version: UInt8
            let digest_len: Int
            let cidv0: String?
        }
        struct Invalid: Decodable {
            let s, hex: String?
            let why: String
        }
        let valid: [Valid]
        let invalid: [Invalid]
    }

    @Test(.enabled(if: Vectors.present, "\(Vectors.skipped)"))
    func vectors() throws {
        let file = try Vectors.json("multiformats/cid-vectors.json", as: File.self)
        #expect(file.valid.count == 16)
        for row in file.valid {
            let cid = try CID(row.cid)
            #expect(cid.bytes.hexText == row.bytes_hex)
            #expect(cid.byteCount == row.bytes_hex.count / 2)
            #expect(try CID(hex(row.bytes_hex)) == cid)
            #expect(cid.version == row.version)
            #expect(cid.codec.rawValue == UInt64(row.codec.dropFirst(2), radix: 16))
            #expect(cid.multihash.code.rawValue == UInt64(row.mh_code.dropFirst(2), radix: 16))
            #expect(cid.multihash.digestLength == row.digest_len)
            #expect(cid.multihash.digest.hexText == row.digest_hex)
            #expect(cid.v1.description == row.cidv1_base32)
            #expect(cid.v0?.description == row.cidv0)
            var buffer = ByteBuffer()
            buffer.writeCID(cid)
            #expect(Array(buffer.readableBytesView) == cid.bytes)
            #expect(try CID(buffer) == cid)
        }
        for row in file.invalid {
            #expect(throws: MultiformatError.self, "\(row.why)") {
                if let text = row.s { _ = try CID(text) } else { _ = try CID(hex(row.hex ?? "")) }
            }
        }
    }

    /// Blocks whose names use a weak function or too short a digest must never be stored or asked for.
    @Test(.enabled(if: Vectors.present, "\(Vectors.skipped)"))
    func unsafeHashes() throws {
        // The file's name is its multihash: murmur3.
        let murmur = try Multihash(Base.base32upper.decode("EICEM7ITSI"))
        #expect(murmur.code == .murmur3_x64_64)
        #expect(!murmur.isAllowed)
        // A node with a link to a SHA-256 of a single byte.
        let node = try Vectors.bytes(
            "multiformats/cid-security/CIQG6PGTD2VV34S33BE4MNCQITBRFYUPYQLDXYARR3DQW37MOT7K5XI.data")
        var reader = ProtobufReader(ByteBuffer(bytes: node))
        var links: [CID] = []
        while let field = try reader.next() {
            guard field.number == 2 else { continue }
            var link = ProtobufReader(try field.bytes())
            while let part = try link.next() {
                if part.number == 1 { links.append(try CID(try part.array())) }
            }
        }
        #expect(links.count == 1)
        #expect(links.first?.multihash.digestLength == 1)
        #expect(links.first?.multihash.isAllowed == false)
    }

    @Test func allowedHashes() {
        func allowed(_ code: HashCode, _ length: Int) -> Bool {
            Multihash(code: code, digest: [UInt8](repeating: 7, count: length)).isAllowed
        }
        #expect(allowed(.sha2_256, 32) && allowed(.sha2_256, 20) && !allowed(.sha2_256, 19))
        #expect(allowed(.sha1, 20) && allowed(.sha3_512, 64) && allowed(.keccak256, 32) && allowed(.blake3, 32))
        #expect(allowed(.shake256, 64) && allowed(.doubleSHA2_256, 32))
        #expect(allowed(.identity, 0) && allowed(.identity, 128))
        #expect(
            allowed(.blake2b(bits: 256), 32) && allowed(.blake2b(bits: 160), 20) && !allowed(.blake2b(bits: 152), 20))
        #expect(allowed(.blake2s(bits: 256), 32) && !allowed(.blake2s(bits: 152), 20))
        #expect(
            !allowed(.murmur3_x64_64, 32) && !allowed(HashCode(rawValue: 0x18), 32)
                && !allowed(HashCode(rawValue: 0xd5), 20))
    }

    /// Parsing and printing of every row; making the hashes is PeerCrypto's part, and so are the rows of
    /// multihash-random_vals.csv, which are nothing but inputs to hash.
    @Test(.enabled(if: Vectors.present, "\(Vectors.skipped)"))
    func multihashVectors() throws {
        let codes: [String: HashCode] = [
            "sha1": .sha1, "sha2-256": .sha2_256, "sha2-512": .sha2_512, "sha3": .sha3_512,
        ]
        let rows = try Vectors.csv("multiformats/multihash-test_cases.csv")
        #expect(rows.count == 260)
        for row in rows {
            let bytes = hex(row[3])
            let hash = try Multihash(bytes)
            // The file calls every SHA-3 the same and gives the length; all have sha3-512's code, 0x14, or a sibling's.
            if row[0] == "sha3" {
                #expect([.sha3_512, .sha3_384, .sha3_256, .sha3_224].contains(hash.code))
            } else {
                #expect(hash.code == codes[row[0]])
            }
            #expect(hash.digestLength * 8 == Int(row[1]))
            #expect(hash.bytes == bytes)
            #expect(Multihash(code: hash.code, digest: hash.digest) == hash)
        }
    }

    /// Our numbers and names are those of the multicodec table.
    @Test(.enabled(if: Vectors.present, "\(Vectors.skipped)"))
    func multicodecTable() throws {
        var table: [String: UInt64] = [:]
        for row in try Vectors.csv("multiformats/multicodec-table.csv") {
            table[row[0]] = UInt64(row[2].dropFirst(2), radix: 16)
        }
        for codec: Codec in [.raw, .dagPB, .dagCBOR, .libp2pKey, .cbor, .dagJSON, .json, .dagJOSE] {
            #expect(table[codec.name] == codec.rawValue, "\(codec.name)")
            #expect(Codec(name: codec.name) == codec)
        }
        let hashes: [(String, HashCode)] = [
            ("identity", .identity), ("sha1", .sha1), ("sha2-256", .sha2_256), ("sha2-512", .sha2_512),
            ("sha3-512", .sha3_512), ("sha3-384", .sha3_384), ("sha3-256", .sha3_256), ("sha3-224", .sha3_224),
            ("shake-256", .shake256), ("keccak-224", .keccak224), ("keccak-256", .keccak256),
            ("keccak-384", .keccak384), ("keccak-512", .keccak512), ("blake3", .blake3),
            ("murmur3-x64-64", .murmur3_x64_64), ("dbl-sha2-256", .doubleSHA2_256),
            ("blake2b-8", .blake2b(bits: 8)), ("blake2b-512", .blake2b(bits: 512)),
            ("blake2s-8", .blake2s(bits: 8)), ("blake2s-256", .blake2s(bits: 256)),
        ]
        for (name, code) in hashes { #expect(table[name] == code.rawValue, "\(name)") }
        for proto in Multiaddr.Proto.all where table[proto.name] != nil {
            #expect(table[proto.name] == proto.code, "\(proto.name)")
        }
    }

    @Test func examples() throws {
        let text = "bafybeihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
        let cid = try CID(text)
        #expect(cid.description == text)
        #expect(cid.v0?.description == "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n")
        #expect(cid.v0?.v1 == cid)
        #expect(cid.prefix.hexText == "01701220")
        #expect(cid.v0?.prefix.hexText == "00701220")
        #expect(try CID(text.uppercased()) == cid)
        #expect(try CID(cid.text(in: .base58btc)) == cid)
        #expect(throws: MultiformatError.unknownVersion(2)) { try CID(hex("020155122000")) }
        #expect(throws: MultiformatError.digestLength(129)) { try CID([1, 0x55, 0x12, 0x81, 0x01]) }
        #expect(throws: MultiformatError.trailingBytes) { try CID(cid.bytes + [0]) }
        #expect(Codec(name: "0x0129") == .dagJSON)
        #expect(Codec(name: "nonsense") == nil)
    }

    /// What is kept inline and what is not must not show: hashes are equal when their bytes are.
    @Test(arguments: [11] as [UInt64])
    func inlineAndOther(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var seen: [[UInt8]: Multihash] = [:]
        let codes: [HashCode] = [.identity, .sha2_256, .sha2_512, .sha1]
        for _ in 0..<2000 {
            var digest = (0..<[0, 20, 31, 32, 33, 36, 64].randomElement(using: &random)!).map { _ in
                UInt8(random.next() & 1)
            }
            if digest.count == 36, random.next() & 1 == 0 { digest.replaceSubrange(0..<4, with: [8, 1, 0x12, 0x20]) }
            let hash = Multihash(code: codes.randomElement(using: &random)!, digest: digest)
            #expect(hash.digest == digest && hash.digestLength == digest.count)
            #expect(try Multihash(hash.bytes) == hash)
            #expect((hash.words != nil) == (digest.count == 32 && hash.code != .identity))
            var buffer = ByteBuffer()
            buffer.writeMultihash(hash)
            #expect(Array(buffer.readableBytesView) == hash.bytes)
            if let other = seen[hash.bytes] { #expect(other == hash && other.hashValue == hash.hashValue) }
            seen[hash.bytes] = hash
        }
        #expect(Set(seen.values).count == seen.count)
    }
}
