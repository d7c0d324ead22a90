import Foundation
import Synchronization

/// The pack files of a repository: which there are, their open descriptors, and which one of each kind grows.
///
/// ```
/// packs/small-00000001.pack   packs/large-00000002.pack   ...
/// ```
/// A pack grows until its limit, is then sealed, and goes away as a whole once nothing in it is alive.
/// Descriptors are kept open, the least recently used are closed above a limit; a reader holds the
/// `PackFile` and so keeps its own open.
final class Packs: Sendable {
    /// What is known of a pack beyond its file.
    struct Known: Sendable {
        var kind: PackKind
        var used: UInt64
        var file: PackFile?
    }
    private struct State {
        var known: [UInt32: Known] = [:]
        var clock: UInt64 = 0
        var open = 0
        var highest: UInt32 = 0
    }

    let folder: String
    let salt: UInt64
    let faults: FaultPlan?
    private let maximumOpen: Int
    private let state: Mutex<State>

    /// The packs in `folder`, which must exist.
    init(folder: String, salt: UInt64, maximumOpen: Int, faults: FaultPlan?) throws {
        self.folder = folder
        self.salt = salt
        self.faults = faults
        self.maximumOpen = max(4, maximumOpen)
        var state = State()
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
            guard let (kind, id) = Packs.parse(name) else { continue }
            state.known[id] = Known(kind: kind, used: 0, file: nil)
            state.highest = max(state.highest, id)
        }
        self.state = Mutex(state)
    }

    /// The ids of all packs, in the order in which they were begun.
    var ids: [UInt32] { state.withLock { $0.known.keys.sorted() } }

    func kind(of id: UInt32) -> PackKind? { state.withLock { $0.known[id]?.kind } }

    /// The pack's open file; `nil` when there is no such pack.
    func file(_ id: UInt32) throws(RepositoryError) -> PackFile? {
        let (found, kind) = state.withLock { state -> (PackFile?, PackKind?) in
            guard let known = state.known[id] else { return (nil, nil) }
            state.clock += 1
            state.known[id]?.used = state.clock
            return (known.file, known.kind)
        }
        if let found { return found }
        guard let kind else { return nil }
        // Two threads may open the same file; the later one's object wins, both work.
        let opened = PackFile(
            id: id, kind: kind, file: try PosixFile(path(kind, id), .readWrite, faults: faults), salt: salt)
        keep(opened)
        return opened
    }

    /// Begins a new pack: the file, its header and its name are on the disk when this returns.
    func create(_ kind: PackKind) throws(RepositoryError) -> PackFile {
        let id = state.withLock { state in
            state.highest += 1
            return state.highest
        }
        let file = try PosixFile(path(kind, id), .createNew, faults: faults)
        do throws(RepositoryError) {
            try file.write(PackFormat.fileHeader(kind: kind, id: id, salt: salt), at: 0)
            try syncFolder(folder, faults: faults)
        } catch {
            try? removeFile(path(kind, id))
            throw error
        }
        let pack = PackFile(id: id, kind: kind, file: file, salt: salt)
        state.withLock { $0.known[id] = Known(kind: kind, used: $0.clock, file: nil) }
        keep(pack)
        return pack
    }

    /// Removes a pack in which nothing is alive.
    func remove(_ id: UInt32) throws(RepositoryError) {
        guard let kind = kind(of: id) else { return }
        try removeFile(path(kind, id), faults: faults)
        state.withLock {
            if $0.known.removeValue(forKey: id)?.file != nil { $0.open -= 1 }
        }
    }

    /// The bytes that all packs take on the disk.
    func diskBytes() -> Int64 {
        ids.reduce(0) { sum, id in sum + (kind(of: id).map { allocatedBytes(path($0, id)) } ?? 0) }
    }

    func path(_ kind: PackKind, _ id: UInt32) -> String {
        let digits = String(id)
        return "\(folder)/\(kind.name)-\(String(repeating: "0", count: max(0, 8 - digits.count)))\(digits).pack"
    }

    private func keep(_ pack: PackFile) {
        let closed = state.withLock { state -> PackFile? in
            guard let before = state.known[pack.id] else { return nil }
            state.known[pack.id]?.file = pack
            if before.file == nil { state.open += 1 }
            guard state.open > maximumOpen else { return nil }
            let oldest = state.known.filter { $0.value.file != nil && $0.key != pack.id }.min {
                $0.value.used < $1.value.used
            }
            guard let oldest else { return nil }
            state.open -= 1
            state.known[oldest.key]?.file = nil
            return oldest.value.file
        }
        // Closing happens here, outside the lock, unless a reader still holds the file.
        _ = closed
    }

    private static func parse(_ name: String) -> (PackKind, UInt32)? {
        for kind in PackKind.allCases where name.hasPrefix(kind.name + "-") && name.hasSuffix(".pack") {
            if let id = UInt32(name.dropFirst(kind.name.count + 1).dropLast(5)) { return (kind, id) }
        }
        return nil
    }
}
