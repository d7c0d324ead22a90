import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Why no more blocks are accepted.
package enum SpaceShortage: Hashable, Sendable, CustomStringConvertible {
    /// The blocks take as much as they may; both in bytes.
    case quota(used: Int64, limit: Int64)
    /// Less is free on the disk than is to stay free; both in bytes.
    case reserve(free: Int64, minimum: Int64)

    package var description: String {
        switch self {
        case .quota(let used, let limit): "the store holds \(used) bytes of the \(limit) that it may take"
        case .reserve(let free, let minimum): "the disk has \(free) bytes free, and \(minimum) are to stay free"
        }
    }
}

/// The one place that says whether there is room for more blocks.
///
/// Asking costs a system call, so `admit` asks again only after some bytes were written.
final class SpaceGuard: Sendable {
    private let folder: String
    private let quota: Int64?
    private let minimumFree: Int64
    private let minimumFreePercent: Int
    /// Bytes that may still be written before the disk is asked again.
    private let credit = Mutex<Int64>(0)

    init(folder: String, quota: Int64?, minimumFree: Int64, minimumFreePercent: Int) {
        self.folder = folder
        self.quota = quota
        self.minimumFree = minimumFree
        self.minimumFreePercent = minimumFreePercent
    }

    /// Throws when `count` more bytes must not be written; `used` gives the bytes that the store takes.
    func admit(_ count: Int, used: () -> Int64) throws(RepositoryError) {
        let covered = credit.withLock { credit in
            guard credit >= Int64(count) else { return false }
            credit -= Int64(count)
            return true
        }
        if covered { return }
        let used = used()
        if let shortage = shortage(adding: Int64(count), used: used) { throw .belowReserve(shortage) }
        // As long as this much more would fit, too, nobody asks again.
        let ahead: Int64 = 16 << 20
        let roomy = shortage(adding: Int64(count) + ahead, used: used) == nil
        credit.withLock { $0 = roomy ? ahead : 0 }
    }

    /// What is short if `count` bytes are added to a store of `used` bytes; `nil` when there is room.
    func shortage(adding count: Int64, used: Int64) -> SpaceShortage? {
        if let quota, used > quota - count { return .quota(used: used, limit: quota) }
        guard let (free, total) = space() else { return nil }
        let minimum = max(minimumFree, total / 100 * Int64(minimumFreePercent))
        return minimum > 0 && free - count < minimum ? .reserve(free: free, minimum: minimum) : nil
    }

    /// Forgets what was allowed, after space was given back or taken by others.
    func refresh() { credit.withLock { $0 = 0 } }

    /// The free and total bytes of the disk; `nil` when the system does not tell.
    func space() -> (free: Int64, total: Int64)? {
        var status = statvfs()
        guard unsafe statvfs(folder, &status) == 0 else { return nil }
        let unit = Int64(clamping: status.f_frsize)
        return (Int64(clamping: status.f_bavail) * unit, Int64(clamping: status.f_blocks) * unit)
    }
}
