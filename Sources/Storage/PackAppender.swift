import Foundation

/// A pack that still grows, as found at start.
struct GrowingPack: Sendable {
    var pack: PackFile
    /// Where the next record goes.
    var end: Int64
}

/// The growing end of one kind of pack.
///
/// Appends are serial, so a pack has no gaps and one number says how much of it is written. A failed write
/// moves nothing: the next one starts at the same place.
final class PackAppender: @unchecked Sendable {  // every variable is used under `lock` only
    /// What happened, told while the lock is held, so that a flush sees records and ends in step.
    enum Event {
        /// The pack is full at `end` and is written no more.
        case sealed(PackFile, end: Int64)
        /// The batch lies in the pack from `base` on.
        case written(PackFile, base: Int64)
    }

    private let kind: PackKind
    private let limit: Int64
    private let lock = NSLock()
    private var growing: GrowingPack?

    init(_ kind: PackKind, limit: Int64, _ growing: GrowingPack?) {
        self.kind = kind
        self.limit = limit
        self.growing = growing
    }

    /// Seals the growing pack if it is this one.
    func retire(_ id: UInt32, tell: (PackFile, Int64) -> Void) -> Bool {
        lock.lock()
        defer { lock.unlock() }
        guard let place = growing, place.pack.id == id else { return false }
        tell(place.pack, place.end)
        growing = nil
        return true
    }

    func append(_ batch: RecordBatch, packs: Packs, tell: (Event) -> Void) throws(RepositoryError) {
        lock.lock()
        defer { lock.unlock() }
        if let full = growing, full.end + Int64(batch.length) > limit, full.end > PackFormat.start {
            tell(.sealed(full.pack, end: full.end))
            growing = nil
        }
        let place: GrowingPack
        if let growing {
            place = growing
        } else {
            place = GrowingPack(pack: try packs.create(kind), end: PackFormat.start)
            growing = place
        }
        do throws(RepositoryError) {
            try batch.write(to: place.pack.file, at: place.end)
        } catch {
            // Leave no half a record behind where that is possible; the scan at start ignores one anyway.
            try? place.pack.file.truncate(to: place.end)
            throw error
        }
        growing?.end = place.end + Int64(batch.length)
        tell(.written(place.pack, base: place.end))
    }
}
