import Catalog
import Foundation
import Multiformats
import PeerCrypto
import Synchronization

/// The bytes of an exported catalog.
///
/// ```
/// "coliving-catalog/1\n"                              19 bytes
/// for each update, ordered by (time, digest), so that ancestors come first:
///     length of the header   varint of multiformats, at least 1
///     length of the body     varint; 0 when it was erased
///     header, body           canonical dag-cbor, together at most 32 KiB
/// 0x00                                                ends the updates
/// number of updates          8 bytes, big-endian
/// SHA-256                    32 bytes, over everything before
/// ```
enum CatalogFile {
    static let magic = Array("coliving-catalog/1\n".utf8)
    /// Updates that are read from the log at once.
    private static let page = 512

    /// Writes the updates with these keys that are held to a new file beside `path`, syncs it and puts it there.
    static func write(_ keys: SumTree, of store: CatalogStore, to path: String) throws -> Int {
        let temporary = path + ".part"
        guard FileManager.default.createFile(atPath: temporary, contents: nil) else {
            throw CatalogServiceError.cannotWrite(temporary)
        }
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: temporary))
        do {
            defer { try? file.close() }
            var (hasher, count) = (SHA256Hasher(), 0)
            func put(_ bytes: [UInt8]) throws {
                hasher.update(bytes)
                try file.write(contentsOf: bytes)
            }
            try put(magic)
            var lower = UpdateKey.first
            while true {
                let some = keys.keys(from: lower, limit: page)
                guard let last = some.last else { break }
                lower = last.next
                var bytes: [UInt8] = []
                for found in try store.log.blocks(some.map(\.digest)) {
                    guard let (block, headerLength) = found else { continue }
                    bytes += Varint.bytes(UInt64(headerLength)) + Varint.bytes(UInt64(block.count - headerLength))
                    bytes += block
                    count += 1
                }
                try put(bytes)
            }
            try put([0])
            let number = UInt64(count)
            try put(stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: number >> UInt64($0)) })
            try file.write(contentsOf: hasher.finish().digest)
            try file.synchronize()
            guard unsafe rename(temporary, path) == 0 else {
                throw CatalogServiceError.cannotWrite(path)
            }
            return count
        } catch {
            try? FileManager.default.removeItem(atPath: temporary)
            throw error
        }
    }

    /// Reads a file from its beginning, batch by batch.
    final class Reader: Sendable {
        private struct State {
            let file: FileHandle
            var hasher = SHA256Hasher()
            var buffer: [UInt8] = []
            var start = 0
            var isAtEnd = false
            var isDone = false
        }

        private let path: String
        private let state: Mutex<State>
        /// Bytes that are read at once, and updates of one batch.
        private static let chunk = 1 << 20
        private static let batch = 1_024

        /// Opens the file and checks how it begins.
        init(_ path: String) throws {
            self.path = path
            var state = State(file: try FileHandle(forReadingFrom: URL(fileURLWithPath: path)))
            guard try Self.take(magic.count, &state) == magic else { throw CatalogServiceError.notAnExport(path) }
            self.state = Mutex(state)
        }

        /// The next updates; `nil` behind the last, once the end has proved right. `count` have been read before.
        func next(after count: Int) throws -> [[UInt8]]? {
            try state.withLock { state in
                guard !state.isDone else { return nil }
                var blocks: [[UInt8]] = []
                while blocks.count < Self.batch {
                    guard let block = try Self.block(&state) else {
                        guard try Self.isEndRight(&state, count: count + blocks.count) else {
                            throw CatalogServiceError.damagedExport(path, imported: count)
                        }
                        state.isDone = true
                        return blocks.isEmpty ? nil : blocks
                    }
                    guard !block.isEmpty else {
                        throw CatalogServiceError.damagedExport(path, imported: count)
                    }
                    blocks.append(block)
                }
                return blocks
            }
        }

        /// The next update, `nil` at the mark of the end, and an empty one where the file is damaged.
        private static func block(_ state: inout State) throws -> [UInt8]? {
            guard let header = try number(&state) else { return [] }
            if header == 0 { return nil }
            guard let body = try number(&state), header <= UInt64(Update.maximumLength),
                body <= UInt64(Update.maximumLength)
            else { return [] }
            return try take(Int(header + body), &state) ?? []
        }

        /// A varint of at most 9 bytes; `nil` where there is none.
        private static func number(_ state: inout State) throws -> UInt64? {
            var value: UInt64 = 0
            for shift in stride(from: UInt64(0), to: 63, by: 7) {
                guard let byte = try take(1, &state)?.first else { return nil }
                value |= UInt64(byte & 0x7f) << shift
                if byte & 0x80 == 0 { return value }
            }
            return nil
        }

        private static func isEndRight(_ state: inout State, count: Int) throws -> Bool {
            guard let number = try take(8, &state) else { return false }
            let stated = number.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            let hasher = state.hasher
            return try stated == UInt64(count) && take(32, &state) == hasher.finish().digest
                && take(1, &state) == nil
        }

        /// The next bytes; `nil` when there are not so many.
        private static func take(_ count: Int, _ state: inout State) throws -> [UInt8]? {
            while state.buffer.count - state.start < count, !state.isAtEnd {
                state.buffer.removeFirst(state.start)
                state.start = 0
                let more = try state.file.read(upToCount: chunk) ?? Data()
                state.isAtEnd = more.isEmpty
                state.buffer += more
            }
            guard state.buffer.count - state.start >= count else { return nil }
            let bytes = Array(state.buffer[state.start..<state.start + count])
            state.start += count
            state.hasher.update(bytes)
            return bytes
        }
    }
}
