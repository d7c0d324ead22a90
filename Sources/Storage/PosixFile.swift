import CPlatform

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// One open file and the system calls that the store makes on it, each with a typed error.
///
/// Calls are repeated on EINTR and after a partial transfer. The descriptor is closed with the object, so
/// whoever is reading keeps it alive by holding the object. Every call that changes the disk asks the
/// `FaultPlan` of a test first.
final class PosixFile: Sendable {
    let path: String
    let descriptor: Int32
    private let faults: FaultPlan?

    /// How a file is opened; all are close-on-exec.
    enum Mode: Sendable { case read, readWrite, create, createNew, append }

    init(_ path: String, _ mode: Mode, faults: FaultPlan? = nil) throws(RepositoryError) {
        self.path = path
        self.faults = faults
        if mode != .read, let code = faults?.error(.open, path) { throw failure("open", path, code) }
        let flags: Int32 =
            switch mode {
            case .read: O_RDONLY
            case .readWrite: O_RDWR
            case .create: O_RDWR | O_CREAT
            case .createNew: O_RDWR | O_CREAT | O_EXCL
            case .append: O_RDWR | O_CREAT | O_APPEND
            }
        while true {
            let result = unsafe open(path, flags | O_CLOEXEC, 0o600)
            if result >= 0 {
                descriptor = result
                return
            }
            guard errno == EINTR else { throw failure("open", path, errno) }
        }
    }

    deinit { close(descriptor) }

    /// The file's length in bytes.
    func length() throws(RepositoryError) -> Int64 {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw failure("stat", path, errno) }
        return Int64(status.st_size)
    }

    /// The bytes that the file takes on the disk, holes left out.
    func allocated() throws(RepositoryError) -> Int64 {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw failure("stat", path, errno) }
        return Int64(status.st_blocks) * 512
    }

    /// Writes all of `vectors` (at most 1,024) at `offset`; the vectors are used up on the way.
    func write(_ vectors: UnsafeMutableBufferPointer<iovec>, at offset: Int64) throws(RepositoryError) {
        var index = 0
        var position = offset
        let count = vectors.count
        while index < count {
            var limit = count - index
            if let fault = faults?.next(.write, path) {
                switch fault {
                case .error(let code): throw failure("write", path, code)
                case .short: limit = 1
                }
            }
            let rest = unsafe UnsafeMutableBufferPointer(rebasing: vectors[index..<index + limit])
            let written = unsafe pwritev(descriptor, rest.baseAddress, Int32(limit), off_t(position))
            if written < 0 {
                if errno == EINTR { continue }
                throw failure("write", path, errno)
            }
            position += Int64(written)
            var left = Int(written)
            while index < count, unsafe left >= vectors[index].iov_len {
                unsafe left -= vectors[index].iov_len
                index += 1
            }
            if left > 0 {
                unsafe vectors[index].iov_base += left
                unsafe vectors[index].iov_len -= left
            } else if written == 0, index < count {
                throw failure("write", path, EIO)
            }
        }
    }

    /// Writes all of `bytes` at `offset`.
    func write(_ bytes: [UInt8], at offset: Int64) throws(RepositoryError) {
        if let code = faults?.error(.write, path) { throw failure("write", path, code) }
        var done = 0
        while done < bytes.count {
            let written = unsafe bytes.withUnsafeBytes {
                unsafe pwrite(
                    descriptor, UnsafeRawBufferPointer(rebasing: $0[done...]).baseAddress, $0.count - done,
                    off_t(offset) + off_t(done))
            }
            if written < 0 && errno == EINTR { continue }
            guard written > 0 else { throw failure("write", path, written == 0 ? EIO : errno) }
            done += written
        }
    }

    /// Reads up to `target.count` bytes at `offset`; fewer only at the end of the file.
    func read(into target: UnsafeMutableRawBufferPointer, at offset: Int64) throws(RepositoryError) -> Int {
        if let code = faults?.error(.read, path) { throw failure("read", path, code) }
        var done = 0
        let count = target.count
        while done < count {
            let received = unsafe pread(
                descriptor, UnsafeMutableRawBufferPointer(rebasing: target[done...]).baseAddress, count - done,
                off_t(offset) + off_t(done))
            if received < 0 && errno == EINTR { continue }
            guard received >= 0 else { throw failure("read", path, errno) }
            if received == 0 { break }
            done += received
        }
        return done
    }

    /// Reads first into `head`, then into `body`; returns the bytes read, fewer only at the end of the file.
    func read(
        head: UnsafeMutableRawBufferPointer, body: UnsafeMutableRawBufferPointer, at offset: Int64
    ) throws(RepositoryError) -> Int {
        if let code = faults?.error(.read, path) { throw failure("read", path, code) }
        let headCount = head.count
        let total = headCount + body.count
        var received = 0
        repeat {
            received = unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: 2) { vectors in
                unsafe vectors[0] = unsafe iovec(iov_base: head.baseAddress, iov_len: headCount)
                unsafe vectors[1] = unsafe iovec(iov_base: body.baseAddress, iov_len: body.count)
                return unsafe preadv(descriptor, vectors.baseAddress, body.count == 0 ? 1 : 2, off_t(offset))
            }
        } while received < 0 && errno == EINTR
        guard received >= 0 else { throw failure("read", path, errno) }
        if received == total || received < headCount { return received }
        let done = received - headCount
        return unsafe received
            + (try read(into: UnsafeMutableRawBufferPointer(rebasing: body[done...]), at: offset + Int64(received)))
    }

    /// Up to `count` bytes at `offset`.
    func bytes(_ count: Int, at offset: Int64) throws(RepositoryError) -> [UInt8] {
        do {
            return try unsafe [UInt8](unsafeUninitializedCapacity: count) { target, done in
                let space = unsafe UnsafeMutableRawBufferPointer(start: target.baseAddress, count: count)
                done = unsafe try read(into: space, at: offset)
            }
        } catch let error as RepositoryError {
            throw error
        } catch {
            throw failure("read", path, EIO)
        }
    }

    /// Makes the file's data and length durable.
    ///
    /// After an error the kernel may have dropped the data and would report success the next time; the
    /// caller must give the file up.
    func datasync() throws(RepositoryError) {
        if let code = faults?.error(.sync, path) { throw failure("sync", path, code) }
        let code = cplatform_datasync(descriptor)
        guard code == 0 else { throw failure("sync", path, code) }
    }

    /// Cuts the file to `length` bytes.
    func truncate(to length: Int64) throws(RepositoryError) {
        if let code = faults?.error(.truncate, path) { throw failure("truncate", path, code) }
        guard ftruncate(descriptor, off_t(length)) == 0 else { throw failure("truncate", path, errno) }
    }

    /// Gives the range back to the file system where it can; `false` when it cannot.
    func punch(_ offset: Int64, _ length: Int64) throws(RepositoryError) -> Bool {
        if let code = faults?.error(.punch, path) { throw failure("punch", path, code) }
        let code = cplatform_punch_hole(descriptor, offset, length)
        if code == ENOTSUP || code == ENOSYS { return false }
        guard code == 0 else { throw failure("punch", path, code) }
        return true
    }

    /// The first offset at or after `offset` that holds data; `nil` when only a hole follows.
    func nextData(after offset: Int64) -> Int64? {
        #if os(Linux)
        let found = lseek(descriptor, off_t(offset), 3 /* SEEK_DATA */)
        return found < 0 ? (errno == ENXIO ? nil : offset) : Int64(found)
        #else
        return offset
        #endif
    }
}

/// The bytes that the file at `path` takes on the disk; 0 when there is none.
func allocatedBytes(_ path: String) -> Int64 {
    var status = stat()
    return unsafe lstat(path, &status) == 0 ? Int64(status.st_blocks) * 512 : 0
}

/// Creates a folder, and those above it, for the owner alone; one that exists is left as it is.
func makeFolder(_ path: String) throws(RepositoryError) {
    if unsafe mkdir(path, 0o700) == 0 || errno == EEXIST { return }
    let above = path.parentFolder
    guard errno == ENOENT, above != path, !above.isEmpty else { throw failure("create", path, errno) }
    try makeFolder(above)
    guard unsafe mkdir(path, 0o700) == 0 || errno == EEXIST else { throw failure("create", path, errno) }
}

/// Makes the names in the folder durable: what was created, renamed or removed there.
func syncFolder(_ path: String, faults: FaultPlan? = nil) throws(RepositoryError) {
    if let code = faults?.error(.sync, path) { throw failure("sync", path, code) }
    let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("open", path, errno) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw failure("sync", path, errno) }
}

/// Removes a file; one that is already gone is no error.
func removeFile(_ path: String, faults: FaultPlan? = nil) throws(RepositoryError) {
    if let code = faults?.error(.remove, path) { throw failure("remove", path, code) }
    guard unsafe unlink(path) == 0 || errno == ENOENT else { throw failure("remove", path, errno) }
}

/// Puts `source` in the place of `target` in one step.
func renameFile(_ source: String, _ target: String) throws(RepositoryError) {
    guard unsafe rename(source, target) == 0 else { throw failure("rename", source, errno) }
}

/// The error that an errno value stands for.
func failure(_ operation: String, _ path: String, _ code: Int32) -> RepositoryError {
    switch code {
    case ENOSPC, EDQUOT: .diskFull(path: path)
    case EROFS, EACCES, EPERM: .readOnly(path: path)
    default: .io(operation: operation, path: path, code: code)
    }
}

/// The system's words for an errno value.
func systemMessage(_ code: Int32) -> String { unsafe String(cString: strerror(code)) }

/// The time as whole seconds since 1970, in the 32 bits that records keep it in.
func secondsNow() -> UInt32 { UInt32(clamping: time(nil)) }
