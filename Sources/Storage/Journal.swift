import Foundation
import Multiformats

/// What must survive even the loss of the whole database, appended to a file of its own.
///
/// Pins and durable records are in SQLite, and are read there. Each change is also appended here first and
/// synced, so that a database that is deleted or damaged beyond reading can be built again: blocks from the
/// packs, these from the journal. Opening rewrites a journal that is mostly history; until then it grows by
/// one entry with each pin or durable record, which only the node's own user makes.
///
/// ```
/// entry := magic:u32 length:u32 crc:u32 payload      (little-endian, CRC32C of the payload)
/// ```
final class Journal: @unchecked Sendable {  // `end` is used under `lock` only; the file never changes
    enum Entry: Hashable, Sendable {
        case pin(Pin)
        case unpin(CID)
        case record(space: String, key: [UInt8], value: [UInt8])
        case noRecord(space: String, key: [UInt8])
    }

    private static let magic: UInt32 = 0x4c4e_524a
    /// The most bytes one entry may have.
    static let maximumPayload = 16 << 20

    private let file: PosixFile
    private let lock = NSLock()
    private var end: Int64

    private init(file: PosixFile, end: Int64) {
        self.file = file
        self.end = end
    }

    /// Opens the journal at `path`, which gets `current` as its whole content when what it has is mostly history.
    ///
    /// `current` is nil when the database is new, in which case the journal's own content is what counts.
    static func open(_ path: String, current: [Entry]?, faults: FaultPlan?) throws -> Journal {
        let file = try PosixFile(path, .create, faults: faults)
        let length = try file.length()
        if let current {
            let size = current.reduce(0) { $0 + encode($1).count }
            if length > 65_536 + 4 * Int64(size) { return try rewrite(path, current, faults: faults) }
        }
        return Journal(file: file, end: length)
    }

    /// Replaces the journal by one that holds just `entries`.
    static func rewrite(_ path: String, _ entries: [Entry], faults: FaultPlan?) throws -> Journal {
        let fresh = path + ".new"
        try removeFile(fresh)
        let file = try PosixFile(fresh, .createNew, faults: faults)
        let bytes = entries.flatMap(encode)
        try file.write(bytes, at: 0)
        try file.datasync()
        try renameFile(fresh, path)
        try syncFolder((path as NSString).deletingLastPathComponent, faults: faults)
        return Journal(file: file, end: Int64(bytes.count))
    }

    /// Appends `entry`; it is on the disk when this returns.
    func append(_ entry: Entry) throws(RepositoryError) {
        lock.lock()
        defer { lock.unlock() }
        let bytes = Journal.encode(entry)
        try file.write(bytes, at: end)
        try file.datasync()
        end += Int64(bytes.count)
    }

    /// The intact entries of the journal at `path`, in order; damaged ones are left out.
    static func entries(_ path: String) throws -> [Entry] {
        let file = try PosixFile(path, .create)
        let bytes = try file.bytes(Int(try file.length()), at: 0)
        var entries: [Entry] = []
        var index = 0
        while index + 12 <= bytes.count {
            let length = Int(bytes.number(UInt32.self, at: index + 4))
            let next = index + 12 + length
            guard bytes.number(UInt32.self, at: index) == magic, length <= maximumPayload, next <= bytes.count,
                crc32c(Array(bytes[index + 12..<next])) == bytes.number(UInt32.self, at: index + 8)
            else {
                index += 1
                continue
            }
            if let entry = decode(Array(bytes[index + 12..<next])) { entries.append(entry) }
            index = next
        }
        return entries
    }

    private static func encode(_ entry: Entry) -> [UInt8] {
        var payload: [UInt8] = []
        func put(_ bytes: [UInt8]) {
            payload.append(littleEndian: UInt32(bytes.count))
            payload += bytes
        }
        switch entry {
        case .pin(let pin):
            payload = [1, UInt8(pin.kind.rawValue)]
            put(pin.cid.bytes)
            put(Array(pin.name.utf8))
        case .unpin(let cid):
            payload = [2]
            put(cid.bytes)
        case .record(let space, let key, let value):
            payload = [3]
            for part in [Array(space.utf8), key, value] { put(part) }
        case .noRecord(let space, let key):
            payload = [4]
            for part in [Array(space.utf8), key] { put(part) }
        }
        var bytes: [UInt8] = []
        bytes.append(littleEndian: magic)
        bytes.append(littleEndian: UInt32(payload.count))
        bytes.append(littleEndian: crc32c(payload))
        return bytes + payload
    }

    private static func decode(_ payload: [UInt8]) -> Entry? {
        var index = payload.first == 1 ? 2 : 1
        func take() -> [UInt8]? {
            guard index + 4 <= payload.count else { return nil }
            let length = Int(payload.number(UInt32.self, at: index))
            guard index + 4 + length <= payload.count else { return nil }
            defer { index += 4 + length }
            return Array(payload[index + 4..<index + 4 + length])
        }
        switch payload.first {
        case 1:
            guard payload.count > 2, let kind = PinKind(rawValue: Int(payload[1])), let bytes = take(),
                let cid = try? CID(bytes), let name = take()
            else { return nil }
            return .pin(Pin(cid: cid, kind: kind, name: String(decoding: name, as: UTF8.self)))
        case 2: return take().flatMap { try? CID($0) }.map(Entry.unpin)
        case 3:
            guard let space = take(), let key = take(), let value = take() else { return nil }
            return .record(space: String(decoding: space, as: UTF8.self), key: key, value: value)
        case 4:
            guard let space = take(), let key = take() else { return nil }
            return .noRecord(space: String(decoding: space, as: UTF8.self), key: key)
        default: return nil
        }
    }
}
