import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The small files around the store: the lock, the format version with the salt, and the mark of a clean stop.
///
/// ```
/// repo.lock      flock and the owner's process id      version   "format 1" and the salt of record headers
/// index.sqlite   rows, pins, records                   journal   pins and durable records once more
/// packs/         the blocks                            damaged/  databases that were set aside
/// clean          only while stopped: length and CRC32C of index.sqlite
/// ```
struct RepositoryFolder: Sendable {
    static let format = 1

    let path: String
    var packs: String { path + "/packs" }
    var index: String { path + "/index.sqlite" }
    var journal: String { path + "/journal" }
    var damaged: String { path + "/damaged" }
    var ballast: String { path + "/ballast" }
    private var version: String { path + "/version" }
    private var cleanMark: String { path + "/clean" }

    /// Creates what is missing; only the owner may enter.
    init(_ path: String) throws(RepositoryError) {
        self.path = path
        for folder in [path, path + "/packs"] {
            try makeFolder(folder)
        }
    }

    /// Takes the lock that makes this process the only user; it is given up with the file, at the latest by the
    /// system when the process ends.
    func lock() throws(RepositoryError) -> PosixFile {
        let file = try PosixFile(path + "/repo.lock", .create)
        guard flock(file.descriptor, LOCK_EX | LOCK_NB) == 0 else {
            if errno != EWOULDBLOCK { throw failure("lock", file.path, errno) }
            let owner = String(decoding: (try? file.bytes(16, at: 0)) ?? [], as: UTF8.self)
            throw .locked(byPID: Int32(owner.trimmingCharacters(in: .whitespacesAndNewlines)))
        }
        // The lock counts, not the number in it, which a full disk may refuse.
        try? file.truncate(to: 0)
        try? file.write(Array("\(getpid())\n".utf8), at: 0)
        return file
    }

    /// The salt of this repository's records, from the version file or else from any pack; a new repository
    /// gets a random one.
    func salt() throws(RepositoryError) -> UInt64 {
        if FileManager.default.fileExists(atPath: version) {
            let text = String(decoding: try PosixFile(version, .read).bytes(256, at: 0), as: UTF8.self)
            let words = text.split(whereSeparator: \.isWhitespace)
            if words.count == 4, words[0] == "format", words[2] == "salt", let found = Int(words[1]) {
                guard found <= RepositoryFolder.format else {
                    throw .newerFormat(found: found, supported: RepositoryFolder.format)
                }
                if let salt = UInt64(words[3], radix: 16) { return salt }
            }
        }
        let salt = saltOfPacks() ?? UInt64.random(in: .min ... .max)
        let fresh = version + ".new"
        try removeFile(fresh)
        let file = try PosixFile(fresh, .createNew)
        let digits = String(salt, radix: 16)
        try file.write(Array("format \(RepositoryFolder.format)\nsalt \(digits)\n".utf8), at: 0)
        try file.datasync()
        try renameFile(fresh, version)
        try syncFolder(path)
        return salt
    }

    private func saltOfPacks() -> UInt64? {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: packs)) ?? [] where name.hasSuffix(".pack") {
            let bytes = (try? PosixFile(packs + "/" + name, .read).bytes(64, at: 0)) ?? []
            if let header = PackFormat.parseFileHeader(bytes) { return header.salt }
        }
        return nil
    }

    // MARK: The mark of a clean stop

    /// Whether the last stop was clean and the database is still as it was then; takes the mark away.
    ///
    /// The CRC makes the mark prove itself: should its removal be undone by a power loss, it no longer fits.
    func takeCleanMark() throws(RepositoryError) -> Bool {
        guard FileManager.default.fileExists(atPath: cleanMark) else { return false }
        let text = String(decoding: try PosixFile(cleanMark, .read).bytes(64, at: 0), as: UTF8.self)
        try removeFile(cleanMark)
        guard allocatedBytes(index + "-wal") == 0, let now = try? fingerprint() else { return false }
        return text == now
    }

    /// Notes that the database is whole and nothing is left to do.
    func leaveCleanMark() throws(RepositoryError) {
        let file = try PosixFile(cleanMark + ".new", .create)
        try file.truncate(to: 0)
        try file.write(Array(try fingerprint().utf8), at: 0)
        try file.datasync()
        try renameFile(cleanMark + ".new", cleanMark)
        try syncFolder(path)
    }

    /// Length and CRC32C of the database; of a large one only the first 64 MiB, so that a start stays quick.
    private func fingerprint() throws(RepositoryError) -> String {
        let file = try PosixFile(index, .read)
        let length = try file.length()
        var crc: UInt32 = 0
        var position: Int64 = 0
        while position < min(length, 64 << 20) {
            let bytes = try file.bytes(1 << 20, at: position)
            if bytes.isEmpty { break }
            crc = crc32c(bytes, seed: crc)
            position += Int64(bytes.count)
        }
        return "index \(length) \(String(crc, radix: 16))\n"
    }

    // MARK: Setting aside

    /// Moves the database out of the way, into a folder of its own, and returns that.
    func setDatabaseAside(now: UInt32) throws(RepositoryError) -> String {
        var target = "\(damaged)/\(now)"
        var attempt = 1
        while FileManager.default.fileExists(atPath: target) {
            attempt += 1
            target = "\(damaged)/\(now)-\(attempt)"
        }
        try makeFolder(target)
        for suffix in ["", "-wal", "-shm"] where FileManager.default.fileExists(atPath: index + suffix) {
            try renameFile(index + suffix, target + "/index.sqlite" + suffix)
        }
        try syncFolder(path)
        return target + "/index.sqlite"
    }
}
