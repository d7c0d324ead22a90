package import Multiformats
package import NIOCore

/// The index of a version 2 CAR file, or one kept beside a file: where blocks are, by their hashes.
///
/// An index is a hint. Whoever reads at an offset checks that the block there is the one wanted.
/// Source: https://ipld.io/specs/transport/car/carv2/#index-format, with the counts that go-car writes
package struct CARIndex: Sendable {
    /// Entries of one length, sorted by digest: digest, then the offset in 8 bytes, little-endian.
    private struct Bucket {
        var digestLength: Int
        var count: Int
        var entries: ByteBuffer
        /// The hash function, in indexes that keep it.
        var code: HashCode?
    }

    /// The most buckets that are read.
    private static let maximumBuckets = 1024

    private let buckets: [Bucket]

    /// The number of entries.
    package var count: Int { buckets.reduce(0) { $0 + $1.count } }

    /// Reads an index; `nil` when its format is unknown or it is damaged, which is the same as having none.
    package init?(_ bytes: ByteBuffer) {
        var rest = bytes
        guard let codec = (try? rest.readVarint()) ?? nil else { return nil }
        var buckets: [Bucket] = []
        switch codec {
        case 0x0400: guard Self.readBuckets(&rest, nil, &buckets) else { return nil }
        case 0x0401:
            guard let codes = rest.readInteger(endianness: .little, as: Int32.self), codes >= 0,
                codes <= CARIndex.maximumBuckets
            else { return nil }
            for _ in 0..<codes {
                guard let code = rest.readInteger(endianness: .little, as: UInt64.self),
                    Self.readBuckets(&rest, HashCode(rawValue: code), &buckets)
                else { return nil }
            }
        default: return nil
        }
        self.buckets = buckets
    }

    private static func readBuckets(_ rest: inout ByteBuffer, _ code: HashCode?, _ buckets: inout [Bucket]) -> Bool {
        guard let count = rest.readInteger(endianness: .little, as: Int32.self), count >= 0,
            count <= maximumBuckets - buckets.count
        else { return false }
        for _ in 0..<count {
            guard let width = rest.readInteger(endianness: .little, as: UInt32.self),
                let length = rest.readInteger(endianness: .little, as: UInt64.self),
                width > 8, width <= UInt32(Multihash.maximumDigestLength + 8), length % UInt64(width) == 0,
                length <= UInt64(rest.readableBytes), let entries = rest.readSlice(length: Int(length))
            else { return false }
            buckets.append(
                Bucket(
                    digestLength: Int(width) - 8, count: Int(length) / Int(width), entries: entries, code: code))
        }
        return true
    }

    /// Where blocks of that hash start, in bytes from the start of the version 1 payload.
    package func offsets(of multihash: Multihash) -> [UInt64] {
        let digest = multihash.digest
        var result: [UInt64] = []
        for bucket in buckets
        where bucket.digestLength == digest.count && (bucket.code ?? multihash.code) == multihash.code {
            var low = 0
            var high = bucket.count
            while low < high {
                let middle = (low + high) / 2
                if Self.digest(bucket, middle).lexicographicallyPrecedes(digest) {
                    low = middle + 1
                } else {
                    high = middle
                }
            }
            while low < bucket.count, Self.digest(bucket, low).elementsEqual(digest) {
                let end = bucket.entries.readerIndex + (low + 1) * (bucket.digestLength + 8)
                if let offset: UInt64 = bucket.entries.getInteger(at: end - 8, endianness: .little) {
                    result.append(offset)
                }
                low += 1
            }
        }
        return result
    }

    private static func digest(_ bucket: Bucket, _ index: Int) -> ByteBufferView {
        let start = bucket.entries.readerIndex + index * (bucket.digestLength + 8)
        return bucket.entries.viewBytes(at: start, length: bucket.digestLength) ?? ByteBufferView()
    }
}
