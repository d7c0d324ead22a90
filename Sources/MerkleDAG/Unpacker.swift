package import Multiformats
import NIOCore

/// Writes a tree to disk so that nothing in it can leave the target.
///
/// Every name is one checked component below an open folder handle, no symlink is ever followed below the
/// target, and the tree's own symlinks are made last, when nothing is written any more. A file appears under
/// its name only when it is complete. Feed it the events of one tree in order, from a DAG or a tar stream.
/// Used by one task; its calls block.
/// Source: the path traversal of CVE-2020-26279 and its relatives
package final class Unpacker {
    package struct Options: Sendable {
        /// Whether files and symlinks that exist already are replaced; otherwise they end the work. Existing
        /// folders are always used.
        package var replaces = false
        /// Whether permission bits and times that the publisher recorded are set.
        package var restoresAttributes = true

        package init(replaces: Bool = false, restoresAttributes: Bool = true) {
            self.replaces = replaces
            self.restoresAttributes = restoresAttributes
        }
    }

    package enum Progress: Sendable {
        /// So many more bytes are written.
        case bytes(Int)
        /// A file, folder or symlink is there.
        case wrote(path: String)
    }

    private struct OpenFile {
        let handle: FileHandle
        let folder: FolderHandle
        let temporaryName: [UInt8]
        let name: [UInt8]
        var missing: UInt64
        let attributes: NodeAttributes
    }

    private let target: String
    private let rootName: [UInt8]
    private let options: Options
    private let progress: @Sendable (Progress) -> Void
    /// Where the root lies, once its first event told what it is.
    private var base: (folder: FolderHandle, name: [UInt8])?
    /// The root folder, when the root is one, and the open folders from there to where we are.
    private var root: FolderHandle?
    private var open: [(name: [UInt8], handle: FolderHandle)] = []
    private var file: OpenFile?
    private var symlinks: [(path: [[UInt8]], target: [UInt8])] = []
    private var folderAttributes: [(path: [[UInt8]], attributes: NodeAttributes)] = []
    private var temporaryCount = 0

    /// - Parameters:
    ///   - target: where the root goes, as in `get -o`: a file becomes this path, or is put into it when it is
    ///     a folder; a folder becomes this path, or is merged into it.
    ///   - rootName: what a file is called inside an existing `target` folder.
    package init(
        to target: String, rootName: [UInt8], options: Options = Options(),
        progress: @escaping @Sendable (Progress) -> Void = { _ in }
    ) {
        self.target = target
        self.rootName = rootName
        self.options = options
        self.progress = progress
    }

    /// Takes the next event of the tree.
    package func apply(_ event: TreeEvent) throws {
        if case .data(let data) = event { return try append(data) }
        guard file == nil else { throw UnpackError.unexpectedEvent }
        switch event {
        case .folder(let path, let attributes): try makeFolder(path, attributes)
        case .file(let path, let size, let attributes, let data):
            try startFile(path, size: size, attributes)
            if data.readableBytes > 0 { try append(data) } else { try finishFileIfComplete() }
        case .symlink(let path, let target, _):
            guard !target.isEmpty, !target.contains(0) else { throw UnpackError.unsafeTarget(shown(path)) }
            for name in path where !EntryName.isSafe(name) { throw UnpackError.unsafeName(EntryName.text(name)) }
            symlinks.append((path, target))
        case .data: break
        }
    }

    /// Makes the symlinks and sets the folders' attributes. The tree must be complete.
    package func finish() throws {
        guard file == nil else { throw UnpackError.unexpectedEvent }
        for (path, target) in symlinks {
            let (folder, name) = try place(path)
            let temporary = nextTemporaryName()
            try refuseExisting(folder, name)
            try folder.makeSymlink(temporary, to: target)
            do { try folder.rename(temporary, to: name) } catch {
                folder.remove(temporary)
                throw error
            }
            progress(.wrote(path: folder.join(name)))
        }
        symlinks = []
        // Deepest first: setting a folder's time is undone by writing into it.
        for (path, attributes) in folderAttributes.reversed() {
            guard let folder = try folder(path) else { continue }
            let handle = FileHandle(sharing: folder)
            set(attributes, on: handle)
        }
        folderAttributes = []
        open = []
    }

    /// Removes what is unfinished, after an error. What was complete stays.
    package func abandon() {
        if let file { file.folder.remove(file.temporaryName) }
        file = nil
        symlinks = []
    }

    // MARK: Folders

    private func makeFolder(_ path: [[UInt8]], _ attributes: NodeAttributes) throws {
        if path.isEmpty {
            let (parent, name) = try FolderImporter.split(target)
            let folder = try FolderHandle.open(parent)
            if name != [0x2e] { _ = try folder.makeFolder(name) }
            // The user named this path, so that a symlink to a folder is followed here and only here.
            root = try FolderHandle.open(target)
            base = (folder, name)
        } else {
            let (folder, name) = try place(path)
            _ = try folder.makeFolder(name)
            open.append((name, try folder.folder(name)))
        }
        if options.restoresAttributes, attributes.mode != nil || attributes.modified != nil {
            folderAttributes.append((path, attributes))
        }
        progress(.wrote(path: shown(path)))
    }

    /// The open folder at `path` below the root; `nil` when the root is no folder.
    private func folder(_ path: [[UInt8]]) throws -> FolderHandle? {
        guard let root else { return nil }
        var common = 0
        while common < min(open.count, path.count), open[common].name == path[common] { common += 1 }
        open.removeLast(open.count - common)
        for name in path[common...] {
            guard EntryName.isSafe(name) else { throw UnpackError.unsafeName(EntryName.text(name)) }
            open.append((name, try (open.last?.handle ?? root).folder(name)))
        }
        return open.last?.handle ?? root
    }

    /// The folder in which `path` lies, and its checked name there.
    private func place(_ path: [[UInt8]]) throws -> (FolderHandle, [UInt8]) {
        guard let name = path.last else { return try placeOfRoot() }
        guard EntryName.isSafe(name) else { throw UnpackError.unsafeName(EntryName.text(name)) }
        guard let folder = try folder(path.dropLast()) else { throw UnpackError.unexpectedEvent }
        return (folder, name)
    }

    /// Where a root that is no folder goes.
    private func placeOfRoot() throws -> (FolderHandle, [UInt8]) {
        guard root == nil else { throw UnpackError.unexpectedEvent }
        if let base { return base }
        let (parent, name) = try FolderImporter.split(target)
        let found: (FolderHandle, [UInt8])
        if let existing = try? FolderHandle.open(target) {
            guard EntryName.isSafe(rootName) else { throw UnpackError.unsafeName(EntryName.text(rootName)) }
            found = (existing, rootName)
        } else {
            found = (try FolderHandle.open(parent), name)
        }
        base = found
        return found
    }

    // MARK: Files

    private func startFile(_ path: [[UInt8]], size: UInt64, _ attributes: NodeAttributes) throws {
        let (folder, name) = try place(path)
        try refuseExisting(folder, name)
        let temporary = nextTemporaryName()
        let handle = try folder.newFile(temporary)
        file = OpenFile(
            handle: handle, folder: folder, temporaryName: temporary, name: name, missing: size, attributes: attributes)
    }

    private func append(_ data: ByteBuffer) throws {
        guard let missing = file?.missing, UInt64(data.readableBytes) <= missing else {
            throw UnpackError.unexpectedEvent
        }
        try file?.handle.write(data)
        file?.missing = missing - UInt64(data.readableBytes)
        progress(.bytes(data.readableBytes))
        try finishFileIfComplete()
    }

    private func finishFileIfComplete() throws {
        guard let done = file, done.missing == 0 else { return }
        if options.restoresAttributes { set(done.attributes, on: done.handle) }
        try done.folder.rename(done.temporaryName, to: done.name)
        file = nil
        progress(.wrote(path: done.folder.join(done.name)))
    }

    /// A publisher's modes and times are a nicety: a file system that cannot keep them does not fail a download.
    private func set(_ attributes: NodeAttributes, on handle: FileHandle) {
        if let mode = attributes.mode { try? handle.setMode(mode) }
        if let modified = attributes.modified { try? handle.setModified(modified) }
    }

    private func refuseExisting(_ folder: FolderHandle, _ name: [UInt8]) throws {
        guard let status = try folder.status(name) else { return }
        guard options.replaces, status.kind != .folder else { throw UnpackError.exists(folder.join(name)) }
    }

    private func nextTemporaryName() -> [UInt8] {
        temporaryCount += 1
        let unique = String(UInt64.random(in: .min ... .max), radix: 36)
        return Array(".unpack-\(unique)-\(temporaryCount).part".utf8)
    }

    private func shown(_ path: [[UInt8]]) -> String {
        ([target] + path.map { EntryName.text($0) }).joined(separator: "/")
    }
}

extension Unpacker {
    /// Writes the tree at `root` to `target`; blocks are fetched ahead while files are written.
    package static func unpack(
        _ root: CID, from reader: DAGReader, to target: String, rootName: [UInt8]? = nil, options: Options = Options(),
        progress: @escaping @Sendable (Progress) -> Void = { _ in }
    ) async throws {
        let name = rootName ?? Array(root.description.utf8)
        try await withTaskExecutorPreference(WorkExecutor.shared) {
            let unpacker = Unpacker(to: target, rootName: name, options: options, progress: progress)
            do {
                for try await event in reader.tree(root) { try unpacker.apply(event) }
                try unpacker.finish()
            } catch {
                unpacker.abandon()
                throw error
            }
        }
    }
}

/// Why a tree was not written. Scope: the request.
package enum UnpackError: Error, Hashable, Sendable {
    /// A name that could lead out of the target.
    case unsafeName(String)
    case unsafeTarget(String)
    case exists(String)
    /// Data without a file, a file that ends too early, something inside a file: a broken stream.
    case unexpectedEvent
}

extension UnpackError: CustomStringConvertible {
    /// What is wrong, in words for a user.
    package var description: String {
        switch self {
        case .unsafeName(let name):
            "an entry is called '\(name)', which could lead out of the folder; nothing more is written"
        case .unsafeTarget(let path): "the symlink '\(path)' has no usable target"
        case .exists(let path): "'\(path)' exists already"
        case .unexpectedEvent: "the stream of files is broken"
        }
    }
}
