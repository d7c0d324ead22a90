import HTTPAPI
import NIOCore
import Testing

@Suite("Multipart bodies")
struct MultipartTests {
    private static let body = [
        "preamble\r\n--B\r\nContent-Disposition: form-data; name=\"file?mode=0755&mtime=5&mtime-nsecs=7\"; filename=\"a%20b%2Fc\"",
        "\r\nContent-Type: application/x-directory\r\n\r\n\r\n--B\r\n",
        "content-disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n",
        "line\r\n--not the boundary\r\n-\r\r\n--\r\n--Bé\r",
        "\n--B  \r\nContent-Disposition: form-data; filename=\"l\"\r\n",
        "Content-Type: application/symlink\r\n\r\ntarget\r\n--B--\r\nepilogue --B",
    ].joined()

    private struct Read: Equatable {
        var part: Part
        var content: String
    }

    private static func read(_ pieces: [ByteBuffer], boundary: String = "B") async throws -> [Read] {
        var rest = pieces[...]
        let reader = try MultipartReader(contentType: "multipart/form-data; boundary=\"\(boundary)\"") {
            rest.popFirst()
        }
        var result: [Read] = []
        while let part = try await reader.nextPart() {
            result.append(Read(part: part, content: String(buffer: try await reader.collect(limit: 1 << 20))))
        }
        return result
    }

    private static let expected = [
        Read(
            part: Part(
                path: "a b/c", kind: .folder, mode: 0o755, modified: .init(seconds: 5, nanoseconds: 7)), content: ""),
        Read(part: Part(path: "x", kind: .file), content: "line\r\n--not the boundary\r\n-\r\r\n--\r\n--Bé\r"),
        Read(part: Part(field: "", path: "l", kind: .symlink), content: "target"),
    ]

    @Test("Parts come out the same wherever the stream is cut")
    func cuts() async throws {
        // The boundary with something behind it ends a part only when it is followed by CRLF or dashes, so the
        // look-alike is taken out here and has its own test.
        let bytes = Array(Self.body.replacing("\r\n--Bé\r\n--B", with: "\r\n--b\r\n--B").utf8)
        var expected = Self.expected
        expected[1].content = "line\r\n--not the boundary\r\n-\r\r\n--\r\n--b"
        for cut in 0...bytes.count {
            let pieces = [ByteBuffer(bytes: bytes[..<cut]), ByteBuffer(bytes: bytes[cut...])]
            #expect(try await Self.read(pieces) == expected, "cut at \(cut)")
        }
        #expect(try await Self.read(bytes.map { ByteBuffer(bytes: [$0]) }) == expected)
    }

    @Test("A boundary with something behind it is an error, not content")
    func lookAlike() async {
        await #expect(throws: RPCError.self) { try await Self.read([ByteBuffer(string: Self.body)]) }
    }

    @Test("Bodies that end early are errors, wherever they end")
    func truncation() async throws {
        let whole = "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nhello\r\n--B--\r\n"
        let bytes = Array(whole.utf8)
        for length in 0..<(bytes.count - 2) {
            await #expect(throws: RPCError.self, "cut at \(length)") {
                try await Self.read([ByteBuffer(bytes: bytes[..<length])])
            }
        }
        #expect(try await Self.read([ByteBuffer(bytes: bytes)]).count == 1)
    }

    @Test(
        "Hostile bodies are refused",
        arguments: [
            "no boundary at all", String(repeating: "x", count: 1 << 20), "--B\r\nNoColon\r\n\r\nx\r\n--B--\r\n",
            "--B\nContent-Type: text/plain\n\nx\n--B--\n", "--B\r\n: x\r\n\r\n\r\n--B--\r\n",
            "--B\r\n folded: x\r\n\r\n\r\n--B--\r\n", "--B\r\nA: " + String(repeating: "x", count: 1 << 20),
            "--B\r\n" + String(repeating: "A: b\r\n", count: 10_000) + "\r\n\r\n--B--\r\n",
            "--B\r\nContent-Disposition: form-data; filename=\"%zz\"\r\n\r\n\r\n--B--\r\n",
            "--B\r\nContent-Type: multipart/mixed; boundary=C\r\n\r\n\r\n--B--\r\n", "--Bx\r\n\r\n\r\n--B--\r\n",
        ])
    func hostile(body: String) async {
        await #expect(throws: RPCError.self) { try await Self.read([ByteBuffer(string: body)]) }
    }

    @Test(
        "Hostile boundaries are refused",
        arguments: [
            "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"\"",
            "multipart/mixed; boundary=B", "text/plain", "",
            "multipart/form-data; boundary=" + String(repeating: "x", count: 71),
            "multipart/form-data; boundary=\"a\u{1}b\"", "multipart/form-data; boundary=\"é\"",
            "multipart/form-data; boundary=\"x \"",
        ])
    func boundaries(contentType: String) {
        #expect(throws: RPCError.self) { try MultipartReader(contentType: contentType) { nil } }
    }

    @Test("Content that is longer than allowed is refused")
    func limit() async throws {
        let body =
            "--B\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n" + String(repeating: "x", count: 100)
            + "\r\n--B--\r\n"
        var rest = [ByteBuffer(string: body)][...]
        let reader = try MultipartReader(contentType: "multipart/form-data; boundary=B") { rest.popFirst() }
        _ = try await reader.nextPart()
        await #expect(throws: RPCError.self) { try await reader.collect(limit: 99) }
    }

    @Test("A part that nobody read is skipped")
    func skipping() async throws {
        let body =
            "--B\r\nContent-Disposition: form-data; filename=\"a\"\r\n\r\nunread\r\n--B\r\nContent-Disposition: form-data; filename=\"b\"\r\n\r\nread\r\n--B--\r\n"
        var rest = [ByteBuffer(string: body)][...]
        let reader = try MultipartReader(contentType: "multipart/form-data; boundary=B") { rest.popFirst() }
        #expect(try await reader.nextPart()?.path == "a")
        #expect(try await reader.nextPart()?.path == "b")
        #expect(String(buffer: try await reader.collect(limit: 10)) == "read")
        #expect(try await reader.nextPart() == nil)
    }
}
