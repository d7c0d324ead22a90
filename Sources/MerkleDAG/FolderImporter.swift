import Multiformats
import NIOCore

/// Adds a file or a whole folder from disk: files, folders (empty ones too) and symlinks, with their names
/// as the bytes they are.
///
/// Folders are walked in byte order of their names, so that the same content is stored in the same order
/// everywhere. One folder handle is open per level; symlinks are stored, not followed.
package struct FolderImporter: Sendable {
    /// What the importer tells while it works.
    package enum Progress: Sendable {
        /// So many more bytes of the file at `path` are taken in.
        case bytes(path: String, count: Int)
        /// Something is complete; `path` starts with the root's own name.
        case added(path: String, node: ImportedNode)
    }

    /// The deepest folder that is walked, counted from the root.
    package static let maximumDepth = 256

    /// Whether names that start with a dot are added, too. The root itself always is.
    package var includesHidden: Bool
    private let importer: Importer
    private let maker: NodeMaker

    /// Throws when the profile cannot work.
    package init(profile: ImportProfile = .v1_2025, includesHidden: Bool = false) throws(ImportError) {
        importer = try Importer(profile: profile)
        maker = NodeMaker(profile: profile)
        self.includesHidden = includesHidden
    }

    /// Adds what lies at `path`; everything is stored when this returns.
    ///
    /// Errors: `FileSystemError` when something cannot be read, `ImportError` when something is neither a
    /// file, a folder nor a symlink, and whatever `put` throws.
    package func add(
        path: String, put: @escaping BlockPut, progress: @escaping @Sendable (Progress) -> Void = { _ in }
    ) async throws -> ImportedNode {
        let (parent, name) = try FolderImporter.split(path)
        let importer = self
        return try await withTaskExecutorPreference(WorkExecutor.shared) {
            let walk = Walk(
                importer: importer, sink: BlockSink(put: put, pool: importer.importer.pool), progress: progress)
            do {
                let root = try await walk.add(
                    name, in: try FolderHandle.open(parent), shown: EntryName.text(name), depth: 0)
                try await walk.sink.finish()
                return root
            } catch {
                await walk.sink.abandon()
                throw error
            }
        }
    }

    /// The folder that holds what `path` names, and its name there; `.` and `..` at the end are resolved.
    static func split(_ path: String) throws(FileSystemError) -> (parent: String, name: [UInt8]) {
        var bytes = Array(path.utf8)
        while bytes.count > 1, bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
        let cut = bytes.lastIndex(of: UInt8(ascii: "/"))
        let name = Array(bytes[(cut.map { $0 + 1 } ?? 0)...])
        // "." or ".." or "/" has no name of its own here: the folder is opened as its own entry ".".
        guard EntryName.isComponent(name) else { return (path.isEmpty ? "." : path, [0x2e]) }
        guard let cut else { return (".", name) }
        return (cut == 0 ? "/" : EntryName.text(Array(bytes[..<cut])), name)
    }

    /// One walk: who wants to know, and where blocks go.
    private struct Walk {
        let importer: FolderImporter
        let sink: BlockSink
        let progress: @Sendable (Progress) -> Void

        func add(_ name: [UInt8], in folder: FolderHandle, shown: String, depth: Int) async throws -> ImportedNode {
            try Task.checkCancellation()
            guard depth <= FolderImporter.maximumDepth else { throw ImportError.tooDeep(folder.join(name)) }
            guard let status = try folder.status(name) else {
                throw FileSystemError("open", folder.join(name), code: 2)
            }
            let node: ImportedNode
            switch status.kind {
            case .file:
                let chunks = FileChunks(try folder.file(name), size: status.size, pool: importer.importer.pool)
                node = try await importer.importer.add(chunks, into: sink) { count in
                    progress(.bytes(path: shown, count: count))
                }
            case .folder: node = try await addFolder(try folder.folder(name), shown: shown, depth: depth)
            case .symlink:
                let (block, made) = try importer.maker.symlink(to: try folder.symlinkTarget(name))
                try await sink.append(block)
                node = made
            case .other(let kind): throw ImportError.notAFileOrFolder(path: folder.join(name), kind: kind)
            }
            progress(.added(path: shown, node: node))
            return node
        }

        private func addFolder(_ folder: FolderHandle, shown: String, depth: Int) async throws -> ImportedNode {
            var builder = DirectoryBuilder(maker: importer.maker)
            for name in try folder.names() where importer.includesHidden || name.first != UInt8(ascii: ".") {
                let child = try await add(name, in: folder, shown: shown + "/" + EntryName.text(name), depth: depth + 1)
                try builder.add(name: name, child)
            }
            return try await builder.finish(into: sink)
        }
    }
}

/// A file's content in buffers of the pool's size; a small file in one of its own size, so that thousands of
/// them can be in a batch.
struct FileChunks: AsyncIteratorProtocol {
    /// Files up to this many bytes are small.
    private static let smallFile: Int64 = 64 << 10

    private let file: FileHandle
    private let size: Int64
    private let pool: BufferPool
    private var offset: Int64 = 0
    private var ended = false

    /// - Parameter size: the file's length when it was looked at; it may have another one by now.
    init(_ file: FileHandle, size: Int64, pool: BufferPool) {
        self.file = file
        self.size = size
        self.pool = pool
    }

    mutating func next() async throws -> ByteBuffer? {
        guard !ended else { return nil }
        let isSmall = offset == 0 && size <= FileChunks.smallFile && size <= pool.size
        let length = isSmall ? max(Int(size), 1) : pool.size
        var buffer = isSmall ? BufferPool.buffer(size: length) : pool.take()
        while buffer.readableBytes < length {
            let count = try file.read(into: &buffer, count: length - buffer.readableBytes, at: offset)
            offset += Int64(count)
            if count == 0 {
                ended = true
                break
            }
        }
        if buffer.readableBytes > 0 { return buffer }
        pool.give(buffer)
        return nil
    }
}
