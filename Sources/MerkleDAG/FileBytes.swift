import Multiformats
package import NIOCore

/// A file's bytes, or a range of them, in order, as slices of its blocks.
///
/// Only blocks that hold bytes of the range are fetched, a window of them at once; every node's sizes are
/// checked against its parent's. A range that reaches past the end ends there. Iterate once.
package struct FileBytes: AsyncSequence, Sendable {
    package typealias Element = ByteBuffer

    private let cid: CID
    private let range: Range<UInt64>
    private let limits: DAGLimits
    private let get: BlockGet

    init(_ cid: CID, range: Range<UInt64>, limits: DAGLimits, get: @escaping BlockGet) {
        self.cid = cid
        self.range = range
        self.limits = limits
        self.get = get
    }

    package func makeAsyncIterator() -> Iterator { Iterator(cid, range, limits, get) }

    /// Ends its fetches when it goes.
    package final class Iterator: AsyncIteratorProtocol {
        private let fetch: OrderedFetch<FilePart, ByteBuffer>
        private let byteLimit: UInt64?
        private var given: UInt64 = 0

        fileprivate init(_ cid: CID, _ range: Range<UInt64>, _ limits: DAGLimits, _ get: @escaping BlockGet) {
            byteLimit = limits.bytes
            let root = FilePart(start: 0, size: nil, depth: 0)
            fetch = OrderedFetch([.init(cid: cid, item: root)], window: limits.window, get: get) { visit, block in
                try visit.item.expand(visit.cid, block, range: range, limits: limits)
            }
        }

        deinit { fetch.cancel() }

        package func next() async throws -> ByteBuffer? {
            guard let buffer = try await fetch.next() else { return nil }
            given += UInt64(buffer.readableBytes)
            if let byteLimit, given > byteLimit { throw DAGReadError.limit("more than \(byteLimit) bytes") }
            return buffer
        }
    }
}

/// A node of a file's tree and where it lies in the file.
struct FilePart: Sendable {
    /// Where its bytes start in the file.
    let start: UInt64
    /// What its parent says it holds; `nil` for the root.
    let size: UInt64?
    let depth: Int

    /// Its own bytes within `range`, and the parts that overlap it.
    func expand(
        _ cid: CID, _ block: ByteBuffer, range: Range<UInt64>, limits: DAGLimits
    ) throws(DAGReadError) -> OrderedFetch<FilePart, ByteBuffer>.Expansion {
        guard depth <= limits.depth else { throw .limit("a file deeper than \(limits.depth) levels") }
        let node: FileNode
        if let size {
            node = try FileNode(part: cid, block, size: size, limits: limits)
        } else if case .file(let root, _) = try UnixNode(cid, block, limits: limits) {
            node = root
        } else {
            throw .notAFile(cid)
        }
        var result = OrderedFetch<FilePart, ByteBuffer>.Expansion()
        // The root starts at 0 and its sizes add up without overflow, so no position below can overflow.
        var position = start
        if let slice = Self.slice(node.ownBytes, at: position, range) { result.output = slice }
        position += UInt64(node.ownBytes.readableBytes)
        for part in node.parts {
            let end = position + part.size
            // Parts without bytes are never looked at: a tree of them could go on for ever.
            if part.size > 0, position < range.upperBound, end > range.lowerBound {
                let item = FilePart(start: position, size: part.size, depth: depth + 1)
                result.children.append(.init(cid: part.cid, item: item))
            }
            position = end
        }
        return result
    }

    private static func slice(_ bytes: ByteBuffer, at position: UInt64, _ range: Range<UInt64>) -> ByteBuffer? {
        let length = UInt64(bytes.readableBytes)
        let from = max(range.lowerBound, position)
        let to = min(range.upperBound, position + length)
        guard from < to else { return nil }
        return bytes.getSlice(at: bytes.readerIndex + Int(from - position), length: Int(to - from))
    }
}
