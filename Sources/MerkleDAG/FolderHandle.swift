import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A system call that failed, with the place it was about.
package struct FileSystemError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was being done, as in "open".
    package let action: String
    package let path: String
    /// The errno value.
    package let code: Int32

    package init(_ action: String, _ path: String, code: Int32) {
        self.action = action
        self.path = path
        self.code = code
    }

    package var description: String { "cannot \(action) '\(path)': \(FileSystemError.text(code))" }

    static func text(_ code: Int32) -> String {
        guard let text = unsafe strerror(code) else { return "error \(code)" }
        return unsafe String(cString: text)
    }
}

/// What `lstat` says of something in a folder, as far as it matters here.
struct FileStatus {
    enum Kind: Equatable {
        case file
        case folder
        case symlink
        case other(String)
    }

    let kind: Kind
    let size: Int64

    init(_ status: stat) {
        size = Int64(status.st_size)
        kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .folder
            case S_IFLNK: .symlink
            case S_IFIFO: .other("pipe")
            case S_IFSOCK: .other("socket")
            case S_IFCHR, S_IFBLK: .other("device")
            default: .other("thing of an unknown kind")
            }
    }
}

/// An open file, closed with its last reference.
final class FileHandle {
    let descriptor: Int32
    let path: String

    init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// A second handle on a folder, for what works on any descriptor; it lives on its own.
    init(sharing folder: FolderHandle) {
        descriptor = dup(folder.descriptor)
        path = folder.path
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Reads up to `count` bytes at `offset` behind the writer index of `buffer`; 0 at the end of the file.
    func read(into buffer: inout ByteBuffer, count: Int, at offset: Int64) throws(FileSystemError) -> Int {
        var result = 0
        unsafe buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { room in
            repeat {
                result = unsafe pread(descriptor, room.baseAddress, count, off_t(offset))
            } while result < 0 && errno == EINTR
            return max(result, 0)
        }
        guard result >= 0 else { throw FileSystemError("read", path, code: errno) }
        return result
    }

    /// Writes all readable bytes at the end of the file.
    func write(_ buffer: ByteBuffer) throws(FileSystemError) {
        var failure: Int32 = 0
        unsafe buffer.withUnsafeReadableBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = unsafe Self.write(
                    descriptor, bytes.baseAddress.map { unsafe $0 + done }, bytes.count - done)
                if count >= 0 { done += count } else if errno != EINTR { failure = errno; return }
            }
        }
        guard failure == 0 else { throw FileSystemError("write to", path, code: failure) }
    }

    private static func write(_ descriptor: Int32, _ start: UnsafeRawPointer?, _ count: Int) -> Int {
        #if canImport(Glibc)
        unsafe Glibc.write(descriptor, start, count)
        #elseif canImport(Musl)
        unsafe Musl.write(descriptor, start, count)
        #else
        unsafe Darwin.write(descriptor, start, count)
        #endif
    }

    func setMode(_ mode: UInt32) throws(FileSystemError) {
        guard fchmod(descriptor, mode_t(mode & 0o777)) == 0 else {
            throw FileSystemError("set the mode of", path, code: errno)
        }
    }

    func setModified(_ time: UnixFS.Time) throws(FileSystemError) {
        let stamp = timespec(tv_sec: Int(time.seconds), tv_nsec: Int(time.nanoseconds))
        var times = [stamp, stamp]
        guard unsafe futimens(descriptor, &times) == 0 else {
            throw FileSystemError("set the time of", path, code: errno)
        }
    }
}

/// An open folder. Everything in it is reached by one name from here, so that no path is ever looked up
/// twice and no symlink is followed on the way.
///
/// Names are bytes: what a file system holds need not be UTF-8.
final class FolderHandle {
    let descriptor: Int32
    /// For messages only.
    let path: String

    private init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    /// Opens the folder at `path`, which the user named: symlinks in it are followed.
    static func open(_ path: String) throws(FileSystemError) -> FolderHandle {
        let descriptor = unsafe openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileSystemError("open", path, code: errno) }
        return FolderHandle(descriptor: descriptor, path: path)
    }

    /// Opens a folder in this one; a symlink to a folder is refused.
    func folder(_ name: [UInt8]) throws(FileSystemError) -> FolderHandle {
        let opened = unsafe call(name) {
            unsafe openat(descriptor, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        }
        guard opened >= 0 else { throw failure("open", name) }
        return FolderHandle(descriptor: opened, path: join(name))
    }

    /// Opens a regular file for reading; never waits for a pipe's other end, never follows a symlink.
    func file(_ name: [UInt8]) throws(FileSystemError) -> FileHandle {
        let opened = unsafe call(name) { unsafe openat(descriptor, $0, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) }
        guard opened >= 0 else { throw failure("open", name) }
        return FileHandle(descriptor: opened, path: join(name))
    }

    /// Makes a new file; fails when anything of that name exists.
    func newFile(_ name: [UInt8]) throws(FileSystemError) -> FileHandle {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let opened = unsafe call(name) { unsafe openat(descriptor, $0, flags, 0o666) }
        guard opened >= 0 else { throw failure("create", name) }
        return FileHandle(descriptor: opened, path: join(name))
    }

    /// What is called `name`, without following it; `nil` when nothing is.
    func status(_ name: [UInt8]) throws(FileSystemError) -> FileStatus? {
        var status = stat()
        let result = unsafe call(name) { unsafe fstatat(descriptor, $0, &status, AT_SYMLINK_NOFOLLOW) }
        if result == 0 { return FileStatus(status) }
        guard errno == ENOENT else { throw failure("look at", name) }
        return nil
    }

    /// Makes a folder; returns false when something of that name exists already.
    func makeFolder(_ name: [UInt8]) throws(FileSystemError) -> Bool {
        if unsafe call(name, { unsafe mkdirat(descriptor, $0, 0o777) }) == 0 { return true }
        guard errno == EEXIST else { throw failure("create", name) }
        return false
    }

    func makeSymlink(_ name: [UInt8], to target: [UInt8]) throws(FileSystemError) {
        let result = unsafe call(name) { name in
            unsafe (target.map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer {
                guard let base = $0.baseAddress else { return Int32(-1) }
                return unsafe symlinkat(base, descriptor, name)
            }
        }
        guard result == 0 else { throw failure("create", name) }
    }

    func rename(_ old: [UInt8], to new: [UInt8]) throws(FileSystemError) {
        let result = unsafe call(old) { old in unsafe call(new) { unsafe renameat(descriptor, old, descriptor, $0) } }
        guard result == 0 else { throw failure("create", new) }
    }

    /// Removes a file or symlink; says nothing when there is none.
    func remove(_ name: [UInt8]) { _ = unsafe call(name) { unsafe unlinkat(descriptor, $0, 0) } }

    func symlinkTarget(_ name: [UInt8]) throws(FileSystemError) -> [UInt8] {
        var target = [CChar](repeating: 0, count: 4097)
        let count = unsafe call(name) { name in unsafe Int32(readlinkat(descriptor, name, &target, 4096)) }
        guard count >= 0 else { throw failure("read", name) }
        return target[..<Int(count)].map { UInt8(bitPattern: $0) }
    }

    /// The names in the folder, in byte order, without `.` and `..`.
    func names() throws(FileSystemError) -> [[UInt8]] {
        // A descriptor of its own: closedir closes it.
        let copy = unsafe openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0, let stream = unsafe fdopendir(copy) else { throw FileSystemError("list", path, code: errno) }
        defer { unsafe closedir(stream) }
        var names: [[UInt8]] = []
        while true {
            errno = 0
            guard let entry = unsafe readdir(stream) else { break }
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: UInt8.self, capacity: 256) {
                    unsafe Array(UnsafeBufferPointer(start: $0, count: strnlen(pointer, 256)))
                }
            }
            if name != [0x2e], name != [0x2e, 0x2e] { names.append(name) }
        }
        guard errno == 0 else { throw FileSystemError("list", path, code: errno) }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    func join(_ name: [UInt8]) -> String { path + "/" + EntryName.text(name) }

    private func failure(_ action: String, _ name: [UInt8]) -> FileSystemError {
        FileSystemError(action, join(name), code: errno)
    }

    /// Calls `body` with `name` as a C string. Names never hold a zero byte: they are checked, or come from
    /// the file system.
    private func call(_ name: [UInt8], _ body: (UnsafePointer<CChar>) -> Int32) -> Int32 {
        unsafe (name.map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer {
            guard let base = $0.baseAddress else { return -1 }
            return unsafe body(base)
        }
    }
}
