#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Bytes that are read by place: an open regular file, or an array in tests.
///
/// Every read names its length, is bounded, and gives nothing rather than less than asked: readers of media
/// never see bytes that are not there. A file that shrinks meanwhile looks like one that ends there.
package final class MediaSource: Sendable {
    /// The most that one read gives, in bytes; pictures and tags beyond it are left out.
    static let maximumRead = 32 << 20

    private enum Storage: Sendable {
        case memory([UInt8])
        case file(descriptor: Int32)
    }

    /// Where it came from, for messages; empty for memory.
    package let path: String
    /// The length in bytes when it was opened.
    package let count: Int
    private let storage: Storage

    /// Bytes in memory.
    package init(_ bytes: [UInt8]) {
        path = ""
        count = bytes.count
        storage = .memory(bytes)
    }

    /// Opens the regular file at `path`, which the user named: symlinks in it are followed. Never waits for the
    /// other end of a pipe.
    package init(opening path: String) throws(MediaError) {
        let descriptor = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw .fileSystem(action: "open", path: path, code: errno) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            let code = errno
            close(descriptor)
            throw .fileSystem(action: "look at", path: path, code: code)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw .notAFile(path: path)
        }
        self.path = path
        count = max(0, Int(status.st_size))
        storage = .file(descriptor: descriptor)
    }

    /// A regular file that was opened by somebody else, and is closed here.
    init?(descriptor: Int32, path: String) {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        self.path = path
        count = max(0, Int(status.st_size))
        storage = .file(descriptor: descriptor)
    }

    deinit { if case .file(let descriptor) = storage { close(descriptor) } }

    /// The open file; `nil` for memory.
    var descriptor: Int32? {
        guard case .file(let descriptor) = storage else { return nil }
        return descriptor
    }

    /// A name under which the very file that is open here can be opened again by others in this process, even
    /// if `path` leads elsewhere by now; `nil` for memory.
    var reopeningPath: String? {
        guard case .file(let descriptor) = storage else { return nil }
        #if os(Linux)
        return "/proc/self/fd/\(descriptor)"
        #else
        return path
        #endif
    }

    /// The `length` bytes at `offset`; `nil` when the source does not hold all of them, or they are too many.
    package func bytes(at offset: Int, count length: Int) -> [UInt8]? {
        guard offset >= 0, length >= 0, length <= Self.maximumRead, offset <= count, length <= count - offset else {
            return nil
        }
        let bytes = read(offset, length)
        return bytes.count == length ? bytes : nil
    }

    /// Up to `length` bytes at `offset`; fewer at the end, none outside.
    package func bytes(at offset: Int, upTo length: Int) -> [UInt8] {
        guard offset >= 0, length > 0, offset < count else { return [] }
        return read(offset, min(length, count - offset, Self.maximumRead))
    }

    private func read(_ offset: Int, _ length: Int) -> [UInt8] {
        switch storage {
        case .memory(let bytes): return Array(bytes[offset..<offset + length])
        case .file(let descriptor):
            return unsafe [UInt8](unsafeUninitializedCapacity: length) { target, filled in
                while filled < length {
                    let start = unsafe target.baseAddress.map { unsafe $0 + filled }
                    let received = unsafe pread(descriptor, start, length - filled, off_t(offset + filled))
                    if received < 0, errno == EINTR { continue }
                    guard received > 0 else { return }
                    filled += received
                }
            }
        }
    }
}
