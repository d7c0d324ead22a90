import Multiformats
import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Where a block lies: a record that starts at `offset` of a pack and carries `length` bytes.
struct Location: Hashable, Sendable {
    var pack: UInt32
    var offset: Int64
    var length: Int
}

/// One pack file. Bytes once written never change; a dead range may turn into a hole.
///
/// Reads may come from any thread at any time. Who appends is settled in `Packs`.
final class PackFile: Sendable {
    let id: UInt32
    let kind: PackKind
    let file: PosixFile
    private let salt: UInt64

    init(id: UInt32, kind: PackKind, file: PosixFile, salt: UInt64) {
        self.id = id
        self.kind = kind
        self.file = file
        self.salt = salt
    }

    /// What reading a record gave.
    enum Outcome {
        case block(ByteBuffer, added: UInt32)
        /// The bytes are not those that were stored; the text says how that shows.
        case damaged(String)
        /// The system could not read; that says nothing of the bytes.
        case failed(RepositoryError)
    }

    /// Reads the record at `location` and checks that it is the block `multihash`, whole and unchanged.
    ///
    /// One system call; the data goes straight into the buffer that is returned.
    func read(_ location: Location, multihash: [UInt8]) -> Outcome {
        let headerLength = PackFormat.headerLength(hashLength: multihash.count)
        var buffer = ByteBuffer()
        buffer.reserveCapacity(location.length)
        var problem: String?
        var refusal: RepositoryError?
        var added: UInt32 = 0
        unsafe withUnsafeTemporaryAllocation(byteCount: headerLength, alignment: 8) { head in
            _ = unsafe buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: location.length) { space in
                let body = unsafe UnsafeMutableRawBufferPointer(rebasing: space[..<location.length])
                do throws(RepositoryError) {
                    let count = unsafe try file.read(head: head, body: body, at: location.offset)
                    guard count == headerLength + location.length else {
                        problem = "the pack ends inside the record"
                        return 0
                    }
                } catch {
                    // EIO means that the disk lost these bytes; anything else is not the record's fault.
                    if case .io(_, _, EIO) = error { problem = error.description } else { refusal = error }
                    return 0
                }
                guard let header = unsafe RecordHeader(UnsafeRawBufferPointer(head), salt: salt) else {
                    problem = "its record header is damaged"
                    return 0
                }
                guard header.multihash == multihash, header.dataLength == location.length else {
                    problem = "another block lies in its place"
                    return 0
                }
                let crc = unsafe crc32c(UnsafeRawBufferPointer(body))
                guard crc == header.dataCRC else {
                    problem = "its CRC32C does not match"
                    return 0
                }
                added = header.added
                return location.length
            }
        }
        if let refusal { return .failed(refusal) }
        if let problem { return .damaged(problem) }
        return .block(buffer, added: added)
    }

    /// The page-aligned inside of a dead record, which can be given back to the file system.
    ///
    /// The header goes with it, so that a later search of the pack does not find the block again.
    func punch(_ location: Location, hashLength: Int) throws(RepositoryError) {
        let page: Int64 = 4096
        let end =
            location.offset
            + Int64(PackFormat.recordLength(hashLength: hashLength, dataLength: location.length, kind: kind))
        let first = (location.offset + page - 1) & ~(page - 1)
        let last = end & ~(page - 1)
        guard last > first else { return }
        _ = try file.punch(first, last - first)
    }
}

/// Blocks laid out as records, ready to be written at any aligned offset.
///
/// Holds the headers and padding; the data is written from the blocks' own buffers. Checksums are computed
/// here, before any lock is taken.
struct RecordBatch {
    /// A record's place, relative to the start of the batch.
    struct Item {
        let multihash: Multihash
        let offset: Int
        let length: Int
        let headerStart: Int
        let headerLength: Int
        let padding: Int
        let data: ByteBuffer
    }

    private(set) var items: [Item] = []
    private(set) var length = 0
    let kind: PackKind
    let added: UInt32
    private var headers: [UInt8] = []
    private let salt: UInt64

    init(kind: PackKind, added: UInt32, salt: UInt64) {
        self.kind = kind
        self.added = added
        self.salt = salt
    }

    mutating func append(_ multihash: Multihash, _ data: ByteBuffer) {
        let bytes = multihash.bytes
        let crc = unsafe data.withUnsafeReadableBytes { unsafe crc32c($0) }
        let header = RecordHeader(
            multihash: bytes, dataLength: data.readableBytes, dataCRC: crc, added: added)
        let total = PackFormat.recordLength(hashLength: bytes.count, dataLength: data.readableBytes, kind: kind)
        items.append(
            Item(
                multihash: multihash, offset: length, length: data.readableBytes, headerStart: headers.count,
                headerLength: header.length, padding: total - header.length - data.readableBytes, data: data))
        header.encode(salt: salt, into: &headers)
        length += total
    }

    /// Writes all records to `file` at `offset`, without copying any data.
    func write(to file: PosixFile, at offset: Int64) throws(RepositoryError) {
        // The kernel takes at most 1,024 vectors a call, and a record needs up to three.
        var first = 0
        while first < items.count {
            let last = min(first + 340, items.count)
            try write(items[first..<last], to: file, at: offset + Int64(items[first].offset))
            first = last
        }
    }

    private func write(_ part: ArraySlice<Item>, to file: PosixFile, at offset: Int64) throws(RepositoryError) {
        var vectors: [iovec] = unsafe []
        unsafe vectors.reserveCapacity(part.count * 3)
        let result = unsafe headers.withUnsafeBytes { headers -> Result<Void, RepositoryError> in
            unsafe RecordBatch.zeros.withUnsafeBytes { zeros -> Result<Void, RepositoryError> in
                // The pointers outlive their closures: the buffers are held by `items` until the call is over,
                // and nobody changes them.
                withExtendedLifetime(items) {
                    for item in part {
                        let end = item.headerStart + item.headerLength
                        let header = unsafe UnsafeRawBufferPointer(rebasing: headers[item.headerStart..<end])
                        unsafe vectors.append(RecordBatch.vector(header))
                        unsafe item.data.withUnsafeReadableBytes { data in
                            if unsafe !data.isEmpty { unsafe vectors.append(RecordBatch.vector(data)) }
                        }
                        if item.padding > 0 {
                            let padding = unsafe UnsafeRawBufferPointer(rebasing: zeros[..<item.padding])
                            unsafe vectors.append(RecordBatch.vector(padding))
                        }
                    }
                    return unsafe vectors.withUnsafeMutableBufferPointer { vectors in
                        do throws(RepositoryError) {
                            unsafe try file.write(vectors, at: offset)
                            return .success(())
                        } catch {
                            return .failure(error)
                        }
                    }
                }
            }
        }
        try result.get()
    }

    /// A vector for writing; the system call does not change what it points to.
    private static func vector(_ bytes: UnsafeRawBufferPointer) -> iovec {
        unsafe iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
    }

    private static let zeros = [UInt8](repeating: 0, count: 4096)
}
