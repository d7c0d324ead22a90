import Foundation
package import NIOCore

/// Files, folders and symlinks of this machine (or standard input) as the content of a request.
///
/// A node in the same process takes the paths as they are; one behind a socket gets the parts that `reader`
/// walks through.
package struct LocalFiles: Sendable {
    package enum Source: Sendable, Hashable {
        case path(String)
        case standardInput
    }

    package let sources: [Source]
    /// Whether names that start with a dot are taken from folders.
    package let includesHidden: Bool

    package init(_ sources: [Source], includesHidden: Bool = false) {
        self.sources = sources
        self.includesHidden = includesHidden
    }

    package func reader() -> LocalPartReader { LocalPartReader(self) }
}

/// Walks through `LocalFiles`, folders before their content, names in byte order.
package final class LocalPartReader: PartReader {
    private enum Pending {
        case source(LocalFiles.Source)
        /// A path on disk and the name it has in the request.
        case entry(path: String, name: String)
    }

    /// The bytes of one piece of a file.
    private static let maximumPiece = 1 << 20

    private let includesHidden: Bool
    /// What is still to come, the next one last.
    private var pending: [Pending]
    private var file: FileReader?
    private var pieceSize = maximumPiece
    /// A piece that is known already: the target of a symlink.
    private var piece: ByteBuffer?

    init(_ files: LocalFiles) {
        includesHidden = files.includesHidden
        pending = files.sources.reversed().map { .source($0) }
    }

    package func nextPart() async throws -> Part? {
        file = nil
        piece = nil
        switch pending.popLast() {
        case nil: return nil
        case .source(.standardInput):
            file = FileReader.standardInput
            pieceSize = Self.maximumPiece
            return Part(path: "", kind: .file)
        case .source(.path(let path)):
            return try part(path, name: URL(fileURLWithPath: path).lastPathComponent)
        case .entry(let path, let name): return try part(path, name: name)
        }
    }

    package func nextChunk() async throws -> ByteBuffer? {
        if let piece = piece.take() { return piece }
        return try file?.read(upTo: pieceSize)
    }

    private func part(_ path: String, name: String) throws -> Part {
        let manager = FileManager.default
        let attributes: [FileAttributeKey: Any]
        do {
            attributes = try manager.attributesOfItem(atPath: path)
        } catch {
            throw RPCError(.notFound, "cannot read \(path): there is no such file or folder, or it is not yours")
        }
        let mode = (attributes[.posixPermissions] as? NSNumber)?.uint32Value
        let modified = (attributes[.modificationDate] as? Date).map(Self.time)
        switch attributes[.type] as? FileAttributeType {
        case .typeDirectory:
            let names = try manager.contentsOfDirectory(atPath: path)
                .filter { includesHidden || !$0.hasPrefix(".") }
                .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            pending += names.reversed().map { .entry(path: path + "/" + $0, name: name + "/" + $0) }
            return Part(path: name, kind: .folder, mode: mode, modified: modified)
        case .typeSymbolicLink:
            piece = ByteBuffer(string: try manager.destinationOfSymbolicLink(atPath: path))
            return Part(path: name, kind: .symlink, mode: mode, modified: modified)
        case .typeRegular:
            file = try FileReader(path)
            // One byte more than it has, so that a small file takes one read and little memory.
            pieceSize = min(Self.maximumPiece, ((attributes[.size] as? NSNumber)?.intValue ?? Self.maximumPiece) + 1)
            return Part(path: name, kind: .file, mode: mode, modified: modified)
        default:
            throw RPCError.usage("'\(path)' is neither a file, a folder nor a symlink")
        }
    }

    private static func time(_ date: Date) -> Part.Time {
        let seconds = date.timeIntervalSince1970.rounded(.down)
        let nanoseconds = (date.timeIntervalSince1970 - seconds) * 1e9
        return Part.Time(seconds: Int64(seconds), nanoseconds: UInt32(min(999_999_999, max(0, nanoseconds))))
    }
}

/// Reads a file, or standard input, piece by piece. Blocks its thread while it reads.
package final class FileReader {
    private let descriptor: Int32
    private let path: String

    package static var standardInput: FileReader { FileReader(descriptor: 0, path: "standard input") }

    package init(_ path: String) throws(RPCError) {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.failure(path) }
        self.descriptor = descriptor
        self.path = path
    }

    private init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit {
        if descriptor > 2 { close(descriptor) }
    }

    /// Up to `count` bytes; nil at the end. A pipe gives what it has.
    package func read(upTo count: Int) throws(RPCError) -> ByteBuffer? {
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        while true {
            let length = unsafe buffer.withUnsafeMutableWritableBytes { bytes in
                unsafe Foundation.read(descriptor, bytes.baseAddress, min(count, bytes.count))
            }
            if length < 0, errno == EINTR { continue }
            guard length >= 0 else { throw Self.failure(path) }
            buffer.moveWriterIndex(forwardBy: length)
            return length == 0 ? nil : buffer
        }
    }

    private static func failure(_ path: String) -> RPCError {
        let code = errno
        let reason = unsafe String(cString: strerror(code))
        return RPCError(code == ENOENT ? .notFound : .failure, "cannot read \(path): \(reason)")
    }
}
