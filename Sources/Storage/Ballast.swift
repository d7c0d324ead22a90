#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Space that is kept allocated for the day when the disk is full: collecting garbage needs some itself.
struct Ballast: Sendable {
    let path: String
    let length: Int64

    /// Allocates the file when it is wanted, not there, and the disk has ten times as much free.
    func load() {
        guard length > 0, allocatedBytes(path) < length else { return }
        var status = statvfs()
        guard unsafe statvfs(path.parentFolder, &status) == 0,
            Int64(clamping: status.f_bavail) * Int64(clamping: status.f_frsize) > 10 * length,
            let file = try? PosixFile(path, .create)
        else { return }
        #if os(Linux)
        if posix_fallocate(file.descriptor, 0, off_t(length)) != 0 { drop() }
        #endif
    }

    /// Gives the space up.
    func drop() { unsafe unlink(path) }
}

extension String {
    /// The path without its last component.
    var parentFolder: String { lastIndex(of: "/").map { String(self[..<$0]) } ?? "." }
}
