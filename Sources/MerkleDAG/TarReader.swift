package import NIOCore

/// Reads a tar stream that comes in pieces and gives the tree in it, for an `Unpacker`.
///
/// All paths must start with one common name, the root's, which is dropped. Files, folders and symlinks are
/// read; anything else (hard links, devices, sparse files) is refused, as are names that could lead out of
/// the target. Feed it with `append`, ask `next` until it gives `nil`, and call `finish` when the source ends.
package struct TarReader: Sendable {
    /// The longest extended header or long name, in bytes.
    package static let maximumExtension = 64 << 10

    private enum Phase {
        case header
        /// The content of an extended header or a GNU long name.
        case extension_(TarHeader.Kind, length: Int, padding: Int)
        case content(left: UInt64, padding: Int)
        case padding(Int)
        case ended
    }

    /// The name of the root, once the first entry came.
    package private(set) var rootName: [UInt8]?

    private var buffer = ByteBuffer()
    private var phase = Phase.header
    private var pending: [[UInt8]: [UInt8]] = [:]
    private var global: [[UInt8]: [UInt8]] = [:]

    package init() {}

    /// Whether the stream's own end was read.
    package var isAtEnd: Bool { if case .ended = phase { true } else { false } }

    /// Takes the stream's next bytes.
    package mutating func append(_ bytes: ByteBuffer) {
        guard !isAtEnd else { return }
        buffer.gather(bytes)
    }

    /// Says that the source ended; throws when the stream should go on.
    package func finish() throws(TarError) {
        guard isAtEnd else { throw .truncated }
    }

    /// The next step through the tree; `nil` when more bytes are needed or the stream is at its end.
    package mutating func next() throws(TarError) -> TreeEvent? {
        while true {
            switch phase {
            case .header:
                guard let block = buffer.readBytes(length: TarHeader.blockLength) else { return nil }
                if let event = try read(block) { return event }
            case .extension_(let kind, let length, let padding):
                guard buffer.readableBytes >= length + padding, let bytes = buffer.readBytes(length: length) else {
                    return nil
                }
                buffer.moveReaderIndex(forwardBy: padding)
                try take(bytes, kind)
                phase = .header
            case .content(let left, let padding):
                if left == 0 {
                    phase = .padding(padding)
                    continue
                }
                let count = Int(min(left, UInt64(buffer.readableBytes)))
                guard count > 0, let data = buffer.readSlice(length: count) else { return nil }
                phase = .content(left: left - UInt64(count), padding: padding)
                return .data(data)
            case .padding(let count):
                let step = min(count, buffer.readableBytes)
                buffer.moveReaderIndex(forwardBy: step)
                phase = step == count ? .header : .padding(count - step)
                if step < count { return nil }
            case .ended: return nil
            }
        }
    }

    // MARK: Headers

    private mutating func read(_ block: [UInt8]) throws(TarError) -> TreeEvent? {
        if block.allSatisfy({ $0 == 0 }) {
            phase = .ended
            buffer = ByteBuffer()
            return nil
        }
        guard let sum = TarHeader.number(block[TarHeader.checksum]), sum == UInt64(TarHeader.sum(block)),
            let length = TarHeader.number(block[TarHeader.size])
        else { throw .damaged }
        let type = block[TarHeader.kind]
        guard let kind = TarHeader.Kind(rawValue: type == 0 ? TarHeader.Kind.file.rawValue : type) else {
            throw .unsupportedEntry(type)
        }
        switch kind {
        case .extended, .globalExtended, .gnuLongName, .gnuLongLink:
            guard length <= UInt64(TarReader.maximumExtension) else { throw .damaged }
            phase = .extension_(kind, length: Int(length), padding: TarHeader.padding(after: length))
            return nil
        case .file, .folder, .symlink: return try entry(kind, block, length)
        }
    }

    private mutating func entry(_ kind: TarHeader.Kind, _ block: [UInt8], _ length: UInt64) throws(TarError)
        -> TreeEvent
    {
        let extra = global.merging(pending) { $1 }
        pending = [:]
        if extra.keys.contains(where: { $0.starts(with: "GNU.sparse".utf8) }) { throw .unsupportedEntry(0x53) }
        var name = extra[Array("path".utf8)] ?? Self.name(block)
        if kind == .folder, name.count > 1, name.last == UInt8(ascii: "/") { name.removeLast() }
        let path = try relative(name)
        var size = length
        if let text = extra[Array("size".utf8)] {
            guard let value = UInt64(EntryName.text(text)) else { throw .damaged }
            size = value
        }
        var attributes = NodeAttributes(
            mode: TarHeader.number(block[TarHeader.mode]).map { UInt32(truncatingIfNeeded: $0) & 0o777 })
        if let seconds = TarHeader.number(block[TarHeader.modified]), seconds > 0 {
            attributes.modified = UnixFS.Time(seconds: Int64(clamping: seconds))
        }
        switch kind {
        case .file:
            phase = .content(left: size, padding: TarHeader.padding(after: size))
            return .file(path: path, size: size, attributes, data: ByteBuffer())
        case .symlink:
            let target = extra[Array("linkpath".utf8)] ?? TarHeader.text(block[TarHeader.link])
            return .symlink(path: path, target: target, attributes)
        default: return .folder(path: path, attributes)
        }
    }

    private static func name(_ block: [UInt8]) -> [UInt8] {
        let name = TarHeader.text(block[TarHeader.name])
        // GNU's own format has other fields where POSIX has the prefix.
        guard block[TarHeader.magic].elementsEqual(Array("ustar".utf8) + [0]) else { return name }
        let prefix = TarHeader.text(block[TarHeader.prefix])
        return prefix.isEmpty ? name : prefix + [UInt8(ascii: "/")] + name
    }

    /// The path below the root; every name checked.
    private mutating func relative(_ name: [UInt8]) throws(TarError) -> [[UInt8]] {
        let parts = name.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { Array($0) }
        for part in parts where !EntryName.isSafe(part) { throw .unsafeName(EntryName.text(name)) }
        guard let root = parts.first, rootName == nil || rootName == root else {
            throw .unsafeName(EntryName.text(name))
        }
        rootName = root
        return Array(parts.dropFirst())
    }

    private mutating func take(_ bytes: [UInt8], _ kind: TarHeader.Kind) throws(TarError) {
        switch kind {
        case .gnuLongName: pending[Array("path".utf8)] = TarHeader.text(bytes[...])
        case .gnuLongLink: pending[Array("linkpath".utf8)] = TarHeader.text(bytes[...])
        case .globalExtended: global.merge(try Self.records(bytes)) { $1 }
        default: pending.merge(try Self.records(bytes)) { $1 }
        }
        guard global.count <= 256 else { throw .damaged }
    }

    private static func records(_ bytes: [UInt8]) throws(TarError) -> [[UInt8]: [UInt8]] {
        var result: [[UInt8]: [UInt8]] = [:]
        var rest = bytes[...]
        while !rest.isEmpty {
            guard let space = rest.firstIndex(of: 0x20), space - rest.startIndex <= 10,
                let length = Int(EntryName.text(Array(rest[..<space]))), length > space - rest.startIndex + 1,
                length <= rest.count
            else { throw .damaged }
            let record = rest[(space + 1)..<(rest.startIndex + length)]
            guard record.last == 0x0a, let equals = record.firstIndex(of: UInt8(ascii: "=")) else { throw .damaged }
            result[Array(record[..<equals])] = Array(record[(equals + 1)...].dropLast())
            rest = rest[(rest.startIndex + length)...]
        }
        return result
    }
}

/// Why a tar stream cannot be read. Scope: the stream.
package enum TarError: Error, Hashable, Sendable {
    case truncated
    case damaged
    case unsupportedEntry(UInt8)
    /// A path that could lead out of the target, or that starts with another name than the root's.
    case unsafeName(String)
}

extension TarError: CustomStringConvertible {
    /// What is wrong, in words for a user.
    package var description: String {
        switch self {
        case .truncated: "the tar stream ends too early"
        case .damaged: "the tar stream is damaged"
        case .unsupportedEntry(let type):
            "the tar stream holds an entry of type 0x\(String(type, radix: 16)), which is refused"
        case .unsafeName(let name): "the tar stream holds '\(name)', which could lead out of the folder"
        }
    }
}

extension Unpacker {
    /// Writes the tree in a tar stream to `target`.
    package static func unpack<S: AsyncSequence>(
        tar bytes: S, to target: String, rootName: [UInt8], options: Options = Options(),
        progress: @escaping @Sendable (Progress) -> Void = { _ in }
    ) async throws where S.Element == ByteBuffer {
        let unpacker = Unpacker(to: target, rootName: rootName, options: options, progress: progress)
        var tar = TarReader()
        do {
            for try await buffer in bytes {
                tar.append(buffer)
                while let event = try tar.next() { try unpacker.apply(event) }
            }
            try tar.finish()
            try unpacker.finish()
        } catch {
            unpacker.abandon()
            throw error
        }
    }
}
