#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

extension KeyPair {
    /// Reads the identity from a file that only its owner can read: PEM, or libp2p's protobuf as
    /// `ipfs key export --format=libp2p-protobuf-cleartext` writes it.
    package static func load(from path: String) throws(KeyFileError) -> KeyPair {
        var bytes = try PrivateFile.content(of: path, limit: maximumFileLength)
        defer { Sodium.zero(&bytes) }
        do throws(KeyError) {
            return try KeyPair(fileContent: bytes)
        } catch {
            throw .notAKey(path, error)
        }
    }

    /// Reads what a key file holds: PEM, or libp2p's protobuf.
    package init(fileContent bytes: [UInt8]) throws(KeyError) {
        if bytes.starts(with: Array("-----".utf8)) {
            try self.init(pem: String(decoding: bytes, as: UTF8.self))
        } else {
            try self.init(privateProtobuf: bytes)
        }
    }

    /// Writes the identity as PEM with mode 0600. After it returns the file is on the disk, whole; a crash on
    /// the way leaves the old state. An existing file is kept and reported, unless `replacing`.
    package func save(to path: String, replacing: Bool = false) throws(KeyFileError) {
        var bytes = Array(pem.utf8)
        defer { Sodium.zero(&bytes) }
        try PrivateFile.store(bytes, at: path, replacing: replacing)
    }
}

/// Why a key file could not be read or written.
package enum KeyFileError: Error, Hashable, Sendable {
    case notFound(String)
    case alreadyExists(String)
    /// Others than the owner may read or change the file.
    case permissions(String, mode: UInt32)
    case notAFile(String)
    case notAKey(String, KeyError)
    /// What the system refused, and its error number.
    case system(String, operation: String, code: Int32)
}

extension KeyFileError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notFound(let path): "there is no key file at \(path)"
        case .alreadyExists(let path): "\(path) exists already and is not replaced"
        case .permissions(let path, let mode):
            "\(path) can be used by others than its owner (mode 0\(String(mode, radix: 8))); run: chmod 600 \(path)"
        case .notAFile(let path): "\(path) is not a key file of a sensible size"
        case .notAKey(let path, let error): "\(path) is not usable: \(error)"
        case .system(let path, let operation, let code):
            "cannot \(operation) \(path): \(unsafe String(cString: strerror(code)))"
        }
    }
}

/// Small files that hold a secret: mode 0600, written whole or not at all, refused when others can read them.
package enum PrivateFile {
    /// The content of the file at `path`, at most `limit` bytes.
    package static func content(of path: String, limit: Int) throws(KeyFileError) -> [UInt8] {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw errno == ENOENT ? .notFound(path) : .system(path, operation: "open", code: errno)
        }
        defer { close(descriptor) }
        // The open file is asked, not the path, so that nobody can swap it in between.
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw .system(path, operation: "read", code: errno) }
        let mode = UInt32(status.st_mode)
        guard mode & UInt32(S_IFMT) == UInt32(S_IFREG), status.st_size <= limit else { throw .notAFile(path) }
        guard mode & 0o077 == 0 else { throw .permissions(path, mode: mode & 0o777) }
        var bytes = [UInt8](repeating: 0, count: limit)
        var length = 0
        while length < limit {
            let count = unsafe bytes.withUnsafeMutableBytes { unsafe readSome(descriptor, into: $0, from: length) }
            guard count >= 0 else { throw .system(path, operation: "read", code: errno) }
            if count == 0 { break }
            length += count
        }
        let content = Array(bytes[..<length])
        Sodium.zero(&bytes)
        return content
    }

    /// Writes `content` to a file beside `path`, syncs it, puts it in place and syncs the folder.
    package static func store(_ content: [UInt8], at path: String, replacing: Bool) throws(KeyFileError) {
        let temporary = path + ".new-" + String(RandomBytes.uint64(), radix: 16)
        let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .system(path, operation: "create", code: errno) }
        do throws(KeyFileError) {
            do {
                defer { close(descriptor) }
                // A strange umask may have taken the owner's own bits away.
                guard fchmod(descriptor, 0o600) == 0 else { throw .system(path, operation: "protect", code: errno) }
                var written = 0
                while written < content.count {
                    let count = unsafe content.withUnsafeBytes { unsafe writeSome(descriptor, $0, from: written) }
                    guard count > 0 else { throw .system(path, operation: "write", code: errno) }
                    written += count
                }
                guard fsync(descriptor) == 0 else { throw .system(path, operation: "sync", code: errno) }
            }
            try move(temporary, to: path, replacing: replacing)
        } catch {
            unsafe unlink(temporary)
            throw error
        }
        try syncFolder(of: path)
    }

    private static func move(_ temporary: String, to path: String, replacing: Bool) throws(KeyFileError) {
        if replacing {
            guard unsafe rename(temporary, path) == 0 else { throw .system(path, operation: "replace", code: errno) }
            return
        }
        // Unlike rename, link never takes the place of a file.
        if unsafe link(temporary, path) == 0 {
            unsafe unlink(temporary)
            return
        }
        guard errno != EEXIST else { throw .alreadyExists(path) }
        // A file system without hard links: look, then rename.
        guard unsafe access(path, F_OK) != 0 else { throw .alreadyExists(path) }
        guard unsafe rename(temporary, path) == 0 else { throw .system(path, operation: "create", code: errno) }
    }

    private static func syncFolder(of path: String) throws(KeyFileError) {
        var folder = "."
        if let slash = path.lastIndex(of: "/") { folder = slash == path.startIndex ? "/" : String(path[..<slash]) }
        let descriptor = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(folder, operation: "open", code: errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .system(folder, operation: "sync", code: errno) }
    }

    /// One `read` behind `offset`, repeated when a signal interrupts it.
    private static func readSome(_ descriptor: Int32, into bytes: UnsafeMutableRawBufferPointer, from offset: Int)
        -> Int
    {
        repeat {
            guard let base = bytes.baseAddress else { return 0 }
            let count = unsafe read(descriptor, base + offset, bytes.count - offset)
            if count >= 0 || errno != EINTR { return count }
        } while true
    }

    private static func writeSome(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, from offset: Int) -> Int {
        repeat {
            guard let base = bytes.baseAddress else { return 0 }
            let count = unsafe write(descriptor, base + offset, bytes.count - offset)
            if count >= 0 || errno != EINTR { return count }
        } while true
    }
}
