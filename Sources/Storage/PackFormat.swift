import CPlatform
import Multiformats

/// How blocks lie in pack files, version 1. All numbers are little-endian.
///
/// ```
/// pack    := file header (4,096 bytes) record*
/// header  := "PEERPACK" version:u32 kind:u32 id:u32 salt:u64 crc:u32   then zeros
/// record  := record header, data, zeros up to the next multiple of the kind's alignment
/// record header := magic:u32 headerLength:u16 hashLength:u16 dataLength:u32 dataCRC:u32
///                  added:u32 headerCRC:u32 multihash, zeros up to a multiple of 8
/// ```
/// CRCs are CRC32C. A record header's is seeded with the repository's random salt, so that bytes inside a
/// block that look like a record (by chance, or made by an attacker) are not taken for one when a damaged
/// pack is searched.
enum PackFormat {
    static let version: UInt32 = 1
    /// The bytes before the first record.
    static let start: Int64 = 4096
    static let fixedLength = 24
    /// The longest record header: a multihash of 128 bytes with the longest varints before it.
    static let maximumHeaderLength = 24 + 9 + 2 + 128 + 5
    static let recordMagic: UInt32 = 0x3142_4c43
    static let fileMagic: [UInt8] = Array("PEERPACK".utf8)

    /// The bytes of a pack's own header that carry something.
    static func fileHeader(kind: PackKind, id: UInt32, salt: UInt64) -> [UInt8] {
        var bytes = fileMagic
        for number in [version, UInt32(kind.rawValue), id] { bytes.append(littleEndian: number) }
        bytes.append(littleEndian: salt)
        bytes.append(littleEndian: crc32c(bytes))
        return bytes + [UInt8](repeating: 0, count: Int(start) - bytes.count)
    }

    /// What a pack's own header says; `nil` when it is damaged.
    static func parseFileHeader(_ bytes: [UInt8]) -> (kind: PackKind, id: UInt32, salt: UInt64)? {
        guard bytes.count >= 32, bytes.starts(with: fileMagic), bytes.number(UInt32.self, at: 8) == version,
            let kind = PackKind(rawValue: UInt8(truncatingIfNeeded: bytes.number(UInt32.self, at: 12))),
            bytes.number(UInt32.self, at: 28) == crc32c(Array(bytes[0..<28]))
        else { return nil }
        return (kind, bytes.number(at: 16), bytes.number(at: 20))
    }

    /// The length of the header of a record whose multihash has `hashLength` bytes.
    static func headerLength(hashLength: Int) -> Int { (fixedLength + hashLength + 7) & ~7 }

    /// The bytes that a record takes, padding included.
    static func recordLength(hashLength: Int, dataLength: Int, kind: PackKind) -> Int {
        let mask = kind.alignment - 1
        return (headerLength(hashLength: hashLength) + dataLength + mask) & ~mask
    }
}

/// What a pack holds, which decides how its space is used again.
enum PackKind: UInt8, Sendable, CaseIterable {
    /// Blocks below the small limit, packed tightly; a pack that is mostly dead is written anew.
    case small = 1
    /// Larger blocks on 4 KiB boundaries, so that a dead one can be punched out of the file.
    case large = 2

    /// What record starts are multiples of, in bytes.
    var alignment: Int { self == .small ? 8 : 4096 }
    var name: String { self == .small ? "small" : "large" }
}

/// The header of one record.
struct RecordHeader: Sendable {
    var multihash: [UInt8]
    var dataLength: Int
    var dataCRC: UInt32
    /// When the block was put, in seconds since 1970.
    var added: UInt32

    var length: Int { PackFormat.headerLength(hashLength: multihash.count) }

    func encode(salt: UInt64, into bytes: inout [UInt8]) {
        let begin = bytes.count
        bytes.append(littleEndian: PackFormat.recordMagic)
        bytes.append(littleEndian: UInt16(length))
        bytes.append(littleEndian: UInt16(multihash.count))
        bytes.append(littleEndian: UInt32(dataLength))
        bytes.append(littleEndian: dataCRC)
        bytes.append(littleEndian: added)
        bytes.append(littleEndian: UInt32(0))
        bytes.append(contentsOf: multihash)
        bytes.append(contentsOf: repeatElement(0, count: begin + length - bytes.count))
        let crc = unsafe bytes.withUnsafeBytes { all in
            unsafe RecordHeader.checksum(UnsafeRawBufferPointer(rebasing: all[begin...]), salt: salt)
        }
        for index in 0..<4 { bytes[begin + 20 + index] = UInt8(truncatingIfNeeded: crc >> UInt32(8 * index)) }
    }

    /// Reads the header that starts `bytes`; `nil` when there is no intact one of this repository.
    ///
    /// `bytes` must reach to the header's end or be as long as the longest header.
    init?(_ bytes: UnsafeRawBufferPointer, salt: UInt64) {
        guard bytes.count >= PackFormat.fixedLength,
            unsafe bytes.number(UInt32.self, at: 0) == PackFormat.recordMagic
        else { return nil }
        let length = unsafe Int(bytes.number(UInt16.self, at: 4))
        let hashLength = unsafe Int(bytes.number(UInt16.self, at: 6))
        guard length <= bytes.count, length == PackFormat.headerLength(hashLength: hashLength) else { return nil }
        let crc = unsafe RecordHeader.checksum(UnsafeRawBufferPointer(rebasing: bytes[..<length]), salt: salt)
        guard unsafe crc == bytes.number(UInt32.self, at: 20) else { return nil }
        dataLength = unsafe Int(bytes.number(UInt32.self, at: 8))
        guard dataLength <= Block.maximumLength else { return nil }
        dataCRC = unsafe bytes.number(at: 12)
        added = unsafe bytes.number(at: 16)
        multihash = unsafe Array(bytes[24..<24 + hashLength])
    }

    init(multihash: [UInt8], dataLength: Int, dataCRC: UInt32, added: UInt32) {
        self.multihash = multihash
        self.dataLength = dataLength
        self.dataCRC = dataCRC
        self.added = added
    }

    /// The CRC32C of a whole header except for the place of the CRC itself.
    private static func checksum(_ header: UnsafeRawBufferPointer, salt: UInt64) -> UInt32 {
        var salt = salt.littleEndian
        let seed = unsafe cplatform_crc32c(0, &salt, 8)
        let first = unsafe crc32c(UnsafeRawBufferPointer(rebasing: header[..<20]), seed: seed)
        return unsafe crc32c(UnsafeRawBufferPointer(rebasing: header[24...]), seed: first)
    }
}

/// CRC32C of `bytes`.
func crc32c(_ bytes: [UInt8], seed: UInt32 = 0) -> UInt32 {
    unsafe bytes.withUnsafeBytes { unsafe crc32c($0, seed: seed) }
}

/// CRC32C of `bytes`, continuing from `seed`.
func crc32c(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> UInt32 {
    guard let base = bytes.baseAddress else { return seed }
    return unsafe cplatform_crc32c(seed, base, bytes.count)
}

extension [UInt8] {
    mutating func append<T: FixedWidthInteger>(littleEndian number: T) {
        for index in 0..<MemoryLayout<T>.size { append(UInt8(truncatingIfNeeded: number >> T(8 * index))) }
    }

    func number<T: FixedWidthInteger>(_ type: T.Type = T.self, at offset: Int) -> T {
        unsafe withUnsafeBytes { unsafe $0.number(at: offset) }
    }
}

extension UnsafeRawBufferPointer {
    func number<T: FixedWidthInteger>(_ type: T.Type = T.self, at offset: Int) -> T {
        T(littleEndian: unsafe loadUnaligned(fromByteOffset: offset, as: T.self))
    }
}
