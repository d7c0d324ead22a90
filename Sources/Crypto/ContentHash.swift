import Crypto
package import Multiformats
package import NIOCore

/// Hashes content and checks that a block is what its CID says.
///
/// SHA-2, SHA-1 and SHA-3 come from swift-crypto, which uses the processor's own instructions; BLAKE2b
/// from libsodium. What neither has (SHA-3 of 224 bits, Keccak, SHAKE, BLAKE2s, BLAKE3, murmur) gives `nil`:
/// such a block is refused, never taken on trust.
package enum ContentHash {
    /// The SHA-256 multihash of the readable bytes; nothing is copied.
    package static func sha256(_ buffer: ByteBuffer) -> Multihash {
        unsafe buffer.withUnsafeReadableBytes { unsafe sha256($0) }
    }

    /// The SHA-256 multihash of an array.
    package static func sha256(_ bytes: [UInt8]) -> Multihash {
        unsafe bytes.withUnsafeBytes { unsafe sha256($0) }
    }

    private static func sha256(_ bytes: UnsafeRawBufferPointer) -> Multihash {
        var hasher = SHA256()
        unsafe hasher.update(bufferPointer: bytes)
        return Multihash(sha256: words(of: hasher.finalize()))
    }

    static func words(of digest: SHA256.Digest) -> (UInt64, UInt64, UInt64, UInt64) {
        unsafe digest.withUnsafeBytes { bytes in
            func word(_ offset: Int) -> UInt64 {
                UInt64(bigEndian: unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            }
            return (word(0), word(8), word(16), word(24))
        }
    }

    /// The multihash of the readable bytes by the function that `code` names, cut to `length` bytes if given;
    /// `nil` when it cannot be computed here or has fewer bytes than that.
    package static func hash(_ buffer: ByteBuffer, code: HashCode, length: Int? = nil) -> Multihash? {
        if code == .sha2_256, length ?? 32 == 32 { return sha256(buffer) }
        if code == .identity {
            guard buffer.readableBytes <= Multihash.maximumDigestLength,
                length ?? buffer.readableBytes == buffer.readableBytes
            else { return nil }
            return .identity(Array(buffer.readableBytesView))
        }
        guard let digest = unsafe buffer.withUnsafeReadableBytes({ unsafe digest($0, code) }) else { return nil }
        let wanted = length ?? digest.count
        guard wanted >= 0, wanted <= digest.count else { return nil }
        return Multihash(code: code, digest: wanted == digest.count ? digest : Array(digest[..<wanted]))
    }

    private static func digest(_ bytes: UnsafeRawBufferPointer, _ code: HashCode) -> [UInt8]? {
        switch code {
        case .sha1: unsafe digest(bytes, with: Insecure.SHA1())
        case .sha2_256: unsafe digest(bytes, with: SHA256())
        case .sha2_512: unsafe digest(bytes, with: SHA512())
        case .sha3_256: unsafe digest(bytes, with: SHA3_256())
        case .sha3_384: unsafe digest(bytes, with: SHA3_384())
        case .sha3_512: unsafe digest(bytes, with: SHA3_512())
        case .doubleSHA2_256: unsafe Array(SHA256.hash(data: digest(bytes, with: SHA256())))
        default:
            blake2bLengths.contains(code.rawValue)
                ? unsafe Sodium.blake2b(bytes, length: Int(code.rawValue - 0xb200)) : nil
        }
    }

    private static func digest(_ bytes: UnsafeRawBufferPointer, with function: consuming some HashFunction) -> [UInt8] {
        unsafe function.update(bufferPointer: bytes)
        return Array(function.finalize())
    }

    /// Whether `data` is what `cid` names: its hash is allowed, can be computed here, and is the same.
    package static func verify(_ data: ByteBuffer, matches cid: CID) -> Bool {
        guard cid.multihash.isAllowed else { return false }
        if cid.isIdentity { return cid.multihash.digest.elementsEqual(data.readableBytesView) }
        return hash(data, code: cid.multihash.code, length: cid.multihash.digestLength) == cid.multihash
    }

    /// Whether blocks under this hash can be checked here at all.
    package static func canVerify(_ multihash: Multihash) -> Bool {
        multihash.isAllowed && multihash.digestLength <= longestDigest(of: multihash.code)
    }

    /// The length of the whole digest, in bytes; 0 for functions that are not computed here.
    private static func longestDigest(of code: HashCode) -> Int {
        switch code {
        case .identity: Multihash.maximumDigestLength
        case .sha1: 20
        case .sha2_256, .sha3_256, .doubleSHA2_256: 32
        case .sha3_384: 48
        case .sha2_512, .sha3_512: 64
        default: blake2bLengths.contains(code.rawValue) ? Int(code.rawValue - 0xb200) : 0
        }
    }

    /// The codes of BLAKE2b with 16 to 64 bytes; libsodium makes no shorter ones, and Kubo refuses their CIDs.
    private static let blake2bLengths: ClosedRange<UInt64> = 0xb210...0xb240
}

/// SHA-256 of content that arrives in pieces.
package struct SHA256Hasher: Sendable {
    private var state = SHA256()

    package init() {}

    /// Adds the readable bytes of `buffer`; nothing is copied.
    package mutating func update(_ buffer: ByteBuffer) {
        unsafe buffer.withUnsafeReadableBytes { unsafe state.update(bufferPointer: $0) }
    }

    /// Adds an array.
    package mutating func update(_ bytes: [UInt8]) {
        unsafe bytes.withUnsafeBytes { unsafe state.update(bufferPointer: $0) }
    }

    /// The multihash of everything so far; more may follow.
    package func finish() -> Multihash { Multihash(sha256: ContentHash.words(of: state.finalize())) }
}

/// Why bytes are not the block that a CID names. Scope: the block, and whoever sent it.
package enum ContentError: Error, Hashable, Sendable {
    /// The bytes have another hash.
    case mismatch(CID)
    /// The hash function is unknown here, too weak, or cut too short.
    case refusedHash(HashCode, digestLength: Int)
    /// More than `Block.maximumLength` bytes.
    case tooLong(Int)
}

extension ContentError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .mismatch(let cid): "the bytes are not those of \(cid)"
        case .refusedHash(let code, let length):
            "hash function 0x\(String(code.rawValue, radix: 16)) with \(length) bytes is not accepted"
        case .tooLong(let length): "a block of \(length) bytes is longer than the \(Block.maximumLength) allowed"
        }
    }
}

extension Block {
    /// A block from outside: it exists only if `data` is what `cid` names.
    package init(verifying data: ByteBuffer, as cid: CID) throws(ContentError) {
        guard data.readableBytes <= Block.maximumLength else { throw .tooLong(data.readableBytes) }
        guard ContentHash.verify(data, matches: cid) else {
            guard ContentHash.canVerify(cid.multihash) else {
                throw .refusedHash(cid.multihash.code, digestLength: cid.multihash.digestLength)
            }
            throw .mismatch(cid)
        }
        self.init(cid: cid, data: data)
    }
}
