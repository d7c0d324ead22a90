import Foundation
package import NIOCore

/// Cuts `multipart/form-data` into parts as the bytes arrive, whatever their pieces.
///
///     preamble -> delimiter -> headers -> content -> delimiter -> ... -> closed
///
/// Content leaves in slices of the pieces that came in; only what could be the start of a delimiter waits.
/// Source: RFC 2046 section 5.1, RFC 7578
package struct MultipartParser {
    package enum Event: Equatable {
        /// The headers of a new part, names in small letters.
        case part([String: String])
        case content(ByteBuffer)
        /// The end of the current part's content.
        case partEnd
    }

    package struct Failure: Error, Equatable, CustomStringConvertible {
        package let reason: String
        package var description: String { "the multipart body is malformed: \(reason)" }
    }

    /// The length of a boundary, in bytes; RFC 2046 has 70.
    static let boundaryLengths = 1...70
    /// The most bytes of one part's headers.
    static let maximumHeaderBytes = 16 << 10
    /// The most bytes before the first delimiter.
    static let maximumPreamble = 16 << 10
    /// The most parts of a body: a folder of that many files is not sent through one request.
    static let maximumParts = 4_000_000

    private enum Phase {
        case preamble
        /// Right after a delimiter: CRLF or `--` decides.
        case delimited
        case headers
        case content
        case closed
    }

    /// CRLF, two dashes and the boundary.
    private let delimiter: [UInt8]
    private var phase = Phase.preamble
    private var buffer = ByteBuffer()
    private var parts = 0
    private var preamble = 0

    /// Whether the closing delimiter has been read.
    package var isClosed: Bool { phase == .closed }

    package init(boundary: String) throws(Failure) {
        let allowed = boundary.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f || $0 == 0x20 }
        guard Self.boundaryLengths.contains(boundary.utf8.count), allowed, !boundary.hasSuffix(" ") else {
            throw Failure(reason: "its boundary is not 1 to 70 printable characters")
        }
        delimiter = [UInt8]("\r\n--".utf8) + boundary.utf8
        // The first delimiter may open the body, without a line before it.
        buffer.writeStaticString("\r\n")
    }

    /// Takes the next bytes of the body.
    package mutating func append(_ bytes: ByteBuffer) {
        guard phase != .closed else { return }
        if buffer.readableBytes == 0 {
            buffer = bytes
        } else {
            buffer.writeImmutableBuffer(bytes)
        }
    }

    /// The next event of what has come in; nil when more is needed, or everything has been read.
    package mutating func next() throws(Failure) -> Event? {
        while true {
            switch phase {
            case .preamble:
                guard try skipPreamble() else { return nil }
                phase = .delimited
            case .delimited:
                guard let opening = try readDelimiterEnd() else { return nil }
                phase = opening ? .headers : .closed
            case .headers:
                guard let headers = try readHeaders() else { return nil }
                parts += 1
                guard parts <= Self.maximumParts else { throw Failure(reason: "it has too many parts") }
                phase = .content
                return .part(headers)
            case .content:
                let (content, found) = readContent()
                if let content { return .content(content) }
                guard found else { return nil }
                phase = .delimited
                return .partEnd
            case .closed:
                // What follows the last delimiter means nothing.
                buffer.clear()
                return nil
            }
        }
    }

    private mutating func skipPreamble() throws(Failure) -> Bool {
        let (content, found) = readContent()
        preamble += content?.readableBytes ?? 0
        guard preamble <= Self.maximumPreamble else { throw Failure(reason: "its boundary does not occur") }
        if found { return true }
        guard content != nil else { return false }
        return try skipPreamble()
    }

    /// True for CRLF, false for the closing `--`.
    private mutating func readDelimiterEnd() throws(Failure) -> Bool? {
        // Spaces may follow a delimiter.
        while let byte = buffer.getInteger(at: buffer.readerIndex, as: UInt8.self), byte == 0x20 || byte == 0x09 {
            buffer.moveReaderIndex(forwardBy: 1)
        }
        switch buffer.readInteger(as: UInt16.self) {
        case 0x0d0a: return true
        case 0x2d2d: return false
        case nil: return nil
        default: throw Failure(reason: "something else follows a boundary")
        }
    }

    /// Content up to the next possible delimiter; `found` when that is complete, and then it is consumed.
    private mutating func readContent() -> (content: ByteBuffer?, found: Bool) {
        let (length, found) = search()
        if length > 0 { return (buffer.readSlice(length: length), false) }
        if found { buffer.moveReaderIndex(forwardBy: delimiter.count) }
        return (nil, found)
    }

    /// How many bytes certainly lie before the next delimiter, and whether it follows them whole.
    private func search() -> (length: Int, found: Bool) {
        unsafe buffer.withUnsafeReadableBytes { bytes in
            guard let base = bytes.baseAddress else { return (0, false) }
            var start = 0
            while start < bytes.count,
                let found = unsafe memchr(base + start, 0x0d, bytes.count - start)
            {
                let at = unsafe UnsafeRawPointer(found) - base
                let available = min(delimiter.count, bytes.count - at)
                if unsafe bytes[at..<at + available].elementsEqual(delimiter[..<available]) {
                    return (at, available == delimiter.count)
                }
                start = at + 1
            }
            return (bytes.count, false)
        }
    }

    private mutating func readHeaders() throws(Failure) -> [String: String]? {
        var headers: [String: String] = [:]
        var rest = buffer
        while true {
            let view = rest.readableBytesView
            guard let end = view.firstIndex(of: 0x0a) else {
                guard buffer.readableBytes <= Self.maximumHeaderBytes else {
                    throw Failure(reason: "the headers of a part are too long")
                }
                return nil
            }
            let line = view[view.startIndex..<end]
            guard line.last == 0x0d else { throw Failure(reason: "a header line does not end in CR LF") }
            rest.moveReaderIndex(to: end + 1)
            guard buffer.readableBytes - rest.readableBytes <= Self.maximumHeaderBytes else {
                throw Failure(reason: "the headers of a part are too long")
            }
            if line.count == 1 {
                buffer = rest
                return headers
            }
            let text = String(decoding: line.dropLast(), as: UTF8.self)
            guard let colon = text.firstIndex(of: ":"), colon != text.startIndex, text.first != " " else {
                throw Failure(reason: "a header line has no name")
            }
            headers[text[..<colon].lowercased()] =
                text[text.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
    }
}
