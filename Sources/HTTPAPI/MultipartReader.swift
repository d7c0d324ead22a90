package import NIOCore

/// The parts of a `multipart/form-data` body, in the form that Kubo's clients send.
///
/// Folders and symlinks are marked by their content type; `filename` is percent-encoded; permissions and
/// time travel in the query of the field's name: `name="file?mode=0644&mtime=1795254255"`.
/// Source: https://github.com/ipfs/boxo/blob/main/files/multipartfile.go
package final class MultipartReader: PartReader {
    private var parser: MultipartParser
    private let read: () async throws -> ByteBuffer?
    private var inPart = false
    private var ended = false

    /// - Parameters:
    ///   - contentType: the header of the request, which names the boundary.
    ///   - read: gives the next bytes of the body; nil at its end.
    package init(contentType: String, read: @escaping () async throws -> ByteBuffer?) throws(RPCError) {
        let header = HeaderValue(contentType)
        guard header.value.lowercased() == "multipart/form-data", let boundary = header.parameters["boundary"] else {
            throw .usage("the body must be multipart/form-data with a boundary")
        }
        do {
            parser = try MultipartParser(boundary: boundary)
        } catch {
            throw .usage(error.description)
        }
        self.read = read
    }

    package func nextPart() async throws -> Part? {
        while inPart {
            if try await nextChunk() == nil { break }
        }
        guard let event = try await nextEvent() else { return nil }
        guard case .part(let headers) = event else { return nil }
        inPart = true
        return try Self.part(headers)
    }

    package func nextChunk() async throws -> ByteBuffer? {
        guard inPart else { return nil }
        switch try await nextEvent() {
        case .content(let bytes): return bytes
        case .partEnd, .part, nil:
            inPart = false
            return nil
        }
    }

    private func nextEvent() async throws -> MultipartParser.Event? {
        while true {
            do {
                if let event = try parser.next() { return event }
            } catch {
                throw RPCError.usage(error.description)
            }
            if parser.isClosed || ended { return nil }
            if let bytes = try await read() {
                parser.append(bytes)
            } else {
                ended = true
                guard parser.isClosed else { throw RPCError.usage("the multipart body ends before its last boundary") }
            }
        }
    }

    private static func part(_ headers: [String: String]) throws(RPCError) -> Part {
        let disposition = HeaderValue(headers["content-disposition"] ?? "")
        let field = (disposition.parameters["name"] ?? "").split(
            separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let query = try Parameters(query: field.count > 1 ? field[1] : "")
        guard let path = Parameters.decode((disposition.parameters["filename"] ?? "")[...]) else {
            throw .usage("the name of a part is not percent-encoded UTF-8")
        }
        let kind: Part.Kind
        switch HeaderValue(headers["content-type"] ?? "").value.lowercased() {
        case "application/x-directory": kind = .folder
        case "application/symlink": kind = .symlink
        case let type where type.hasPrefix("multipart/"): throw .usage("a part must not be multipart itself")
        default: kind = .file
        }
        // Go's mode carries the type above the permission bits.
        let mode = query.text("mode").flatMap { UInt64($0, radix: 8) }.map { UInt32($0 & 0o7777) }
        let seconds = query.text("mtime").flatMap { Int64($0) }
        let nanoseconds = query.text("mtime-nsecs").flatMap { UInt32($0) } ?? 0
        return Part(
            field: String(field[0]), path: path, kind: kind, mode: mode,
            modified: seconds.map { Part.Time(seconds: $0, nanoseconds: nanoseconds) })
    }
}

/// A header value with parameters: `form-data; name="file"; filename="a%20b"`.
struct HeaderValue: Equatable {
    let value: String
    /// By name in small letters; the first of a repeated name counts.
    let parameters: [String: String]

    init(_ text: String) {
        var rest = text[...]
        value = Self.trim(rest.prefix { $0 != ";" })
        rest = rest.drop { $0 != ";" }
        var parameters: [String: String] = [:]
        while rest.first == ";" {
            rest = rest.dropFirst()
            let name = Self.trim(rest.prefix { $0 != "=" && $0 != ";" }).lowercased()
            rest = rest.drop { $0 != "=" && $0 != ";" }
            guard rest.first == "=" else { continue }
            rest = rest.dropFirst().drop { $0 == " " }
            let value = rest.first == "\"" ? Self.quoted(&rest) : Self.trim(rest.prefix { $0 != ";" })
            rest = rest.drop { $0 != ";" }
            if parameters[name] == nil { parameters[name] = value }
        }
        self.parameters = parameters
    }

    private static func quoted(_ rest: inout Substring) -> String {
        rest = rest.dropFirst()
        var result = ""
        while let character = rest.popFirst(), character != "\"" {
            if character == "\\", let escaped = rest.popFirst() {
                result.append(escaped)
            } else {
                result.append(character)
            }
        }
        return result
    }

    private static func trim(_ text: Substring) -> String {
        String(text.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}
