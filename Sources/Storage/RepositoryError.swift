/// Why the repository could not do what was asked.
///
/// Damage to stored blocks is not an error: a bad block is quarantined and reads of it give `nil`.
package enum RepositoryError: Error, Hashable, Sendable {
    /// Another process (or another `Repository` in this one) has the folder open.
    case locked(byPID: Int32?)
    /// The folder was written by a newer program.
    case newerFormat(found: Int, supported: Int)
    /// The file system has no room left.
    case diskFull(path: String)
    /// The file system or the folder refuses writes.
    case readOnly(path: String)
    /// The quota, or the free space that is to stay on the disk, is reached; reads and GC go on.
    case belowReserve(SpaceShortage)
    /// A system call failed; `code` is its errno.
    case io(operation: String, path: String, code: Int32)
    /// SQLite refused a statement; `code` is its extended result code.
    case database(code: Int32, message: String)
    /// The index is damaged; it is rebuilt from the packs when the repository is opened next.
    case damagedIndex(message: String)
    /// The block is larger than `Block.maximumLength`.
    case blockTooLarge(Int)
    /// The data does not hash to the CID it was given with.
    case mismatch(String)
    /// The hash function of the CID is not known here, so the block could not be verified.
    case unknownHash(String)
    /// The block is pinned and must be unpinned before it is deleted.
    case pinned(String)
    /// GC stopped before it deleted anything: what hangs below this quarantined block cannot be known.
    case pinnedBlockUnreadable(String)
    /// The repository was closed.
    case closed
}

extension RepositoryError: CustomStringConvertible {
    /// What is wrong and, where there is something to do, what to do.
    package var description: String {
        switch self {
        case .locked(let pid?): "the repository is in use by process \(pid)"
        case .locked(nil): "the repository is in use by another process"
        case .newerFormat(let found, let supported):
            "the repository has format \(found), this program knows formats up to \(supported): use a newer one"
        case .diskFull(let path): "no space left on the disk of \(path)"
        case .readOnly(let path): "\(path) cannot be written: the disk or the folder is read-only"
        case .belowReserve(let shortage): shortage.description
        case .io(let operation, let path, let code): "\(operation) \(path): \(systemMessage(code))"
        case .database(let code, let message): "index: \(message) (SQLite \(code))"
        case .damagedIndex(let message): "the index is damaged and is rebuilt at the next start: \(message)"
        case .blockTooLarge(let count): "a block of \(count) bytes is larger than 2 MiB"
        case .mismatch(let cid): "the data does not match \(cid)"
        case .unknownHash(let cid): "the hash function of \(cid) is not known here"
        case .pinned(let cid): "\(cid) is pinned"
        case .pinnedBlockUnreadable(let cid): "\(cid) is pinned but quarantined: fetch or unpin it before collecting"
        case .closed: "the repository is closed"
        }
    }
}
