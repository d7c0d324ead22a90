package import Multiformats
package import NIOCore

/// Writes a tree as a tar stream, in buffers to send one after the other; file bytes are not copied.
///
/// What does not fit the old header (long or non-ASCII names, sizes above 8 GiB) goes into a pax header. A
/// name that could lead out of the folder it is unpacked into ends the stream with an error.
package struct TarWriter: Sendable {
    private let rootName: [UInt8]
    private var missing: UInt64 = 0
    private var padding = 0

    /// - Parameter rootName: what the tree's root is called, the first component of every path.
    package init(rootName: [UInt8]) { self.rootName = rootName }

    /// Appends what `event` is in a tar stream to `output`.
    package mutating func write(_ event: TreeEvent, to output: inout [ByteBuffer]) throws(UnpackError) {
        if case .data(let data) = event { return try append(data, to: &output) }
        guard missing == 0 else { throw .unexpectedEvent }
        switch event {
        case .folder(let path, let attributes):
            let mode = attributes.mode ?? 0o755
            output.append(try header(path, .folder, size: 0, mode: mode, attributes))
        case .file(let path, let size, let attributes, let data):
            output.append(try header(path, .file, size: size, mode: attributes.mode ?? 0o644, attributes))
            missing = size
            padding = TarHeader.padding(after: size)
            if data.readableBytes > 0 { try append(data, to: &output) }
        case .symlink(let path, let target, let attributes):
            guard !target.isEmpty, !target.contains(0) else {
                throw .unsafeTarget(EntryName.text(path.last ?? rootName))
            }
            output.append(try header(path, .symlink, size: 0, mode: 0o777, attributes, link: target))
        case .data: break
        }
    }

    /// The stream's end.
    package func end() throws(UnpackError) -> ByteBuffer {
        guard missing == 0 else { throw .unexpectedEvent }
        return ByteBuffer(repeating: 0, count: 2 * TarHeader.blockLength)
    }

    private mutating func append(_ data: ByteBuffer, to output: inout [ByteBuffer]) throws(UnpackError) {
        guard UInt64(data.readableBytes) <= missing else { throw .unexpectedEvent }
        missing -= UInt64(data.readableBytes)
        output.append(data)
        if missing == 0, padding > 0 { output.append(ByteBuffer(repeating: 0, count: padding)) }
    }

    private func header(
        _ path: [[UInt8]], _ kind: TarHeader.Kind, size: UInt64, mode: UInt32, _ attributes: NodeAttributes,
        link: [UInt8] = []
    ) throws(UnpackError) -> ByteBuffer {
        for name in [rootName] + path where !EntryName.isSafe(name) { throw .unsafeName(EntryName.text(name)) }
        let name = Array(([rootName] + path).joined(separator: [UInt8(ascii: "/")]))
        let modified = UInt64(max(0, attributes.modified?.seconds ?? 0))
        var records: [UInt8] = []
        func isPlain(_ text: [UInt8]) -> Bool { text.count <= 100 && text.allSatisfy { $0 < 0x80 } }
        if !isPlain(name) { Self.add("path", name, to: &records) }
        if !isPlain(link) { Self.add("linkpath", link, to: &records) }
        if size > TarHeader.largestOctal { Self.add("size", Array(String(size).utf8), to: &records) }
        if !records.isEmpty, [name, link].contains(where: { String(validating: $0, as: UTF8.self) == nil }) {
            // Names are UTF-8 in pax headers unless this says that they are just bytes.
            var binary: [UInt8] = []
            Self.add("hdrcharset", Array("BINARY".utf8), to: &binary)
            records = binary + records
        }
        var output = ByteBuffer()
        if !records.isEmpty {
            let extended = Array("PaxHeaders.0/entry".utf8)
            output.writeBytes(
                TarHeader.block(name: extended, kind: .extended, size: UInt64(records.count), mode: 0o644, modified: 0))
            output.writeBytes(records)
            output.writeRepeatingByte(0, count: TarHeader.padding(after: UInt64(records.count)))
        }
        output.writeBytes(
            TarHeader.block(
                name: Array(name.suffix(100)), kind: kind, size: size, mode: mode, modified: modified,
                link: Array(link.prefix(100))))
        return output
    }

    /// A pax record: its own length in decimal, a space, `key=value` and a line feed.
    private static func add(_ key: String, _ value: [UInt8], to records: inout [UInt8]) {
        let rest = [0x20] + Array(key.utf8) + [UInt8(ascii: "=")] + value + [0x0a]
        var length = rest.count + 1
        while rest.count + String(length).utf8.count != length { length = rest.count + String(length).utf8.count }
        records += Array(String(length).utf8) + rest
    }
}

/// The tree at a root as a tar stream. Iterate once.
package struct TarStream: AsyncSequence, Sendable {
    package typealias Element = ByteBuffer

    private let events: TreeEvents
    private let rootName: [UInt8]

    /// - Parameter rootName: what the root is called in the archive: the path's last name, or its CID.
    package init(_ root: CID, from reader: DAGReader, rootName: [UInt8]) {
        events = reader.tree(root)
        self.rootName = rootName
    }

    package func makeAsyncIterator() -> Iterator {
        Iterator(events: events.makeAsyncIterator(), writer: TarWriter(rootName: rootName))
    }

    package struct Iterator: AsyncIteratorProtocol {
        fileprivate let events: TreeEvents.Iterator
        fileprivate var writer: TarWriter
        fileprivate var output: [ByteBuffer] = []
        fileprivate var given = 0
        fileprivate var ended = false

        fileprivate init(events: TreeEvents.Iterator, writer: TarWriter) {
            self.events = events
            self.writer = writer
        }

        package mutating func next() async throws -> ByteBuffer? {
            while given == output.count {
                guard !ended else { return nil }
                output.removeAll(keepingCapacity: true)
                given = 0
                if let event = try await events.next() {
                    try writer.write(event, to: &output)
                } else {
                    ended = true
                    output.append(try writer.end())
                }
            }
            given += 1
            return output[given - 1]
        }
    }
}
