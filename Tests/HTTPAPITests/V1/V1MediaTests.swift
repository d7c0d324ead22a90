import Catalog
import HTTPAPI
import NIOHTTP1
import Synchronization
import Testing

@Suite("Audio and pictures of the catalog's read side")
struct V1MediaTests {
    private static let song = CatalogSample.content(1, "song-1")
    private static let stream = "/v1/tracks/\(song)/stream"

    /// A range that is asked for, and what comes of a file of 10,000 bytes; nil: the whole.
    struct Case: Sendable, CustomStringConvertible {
        let header: String
        let range: Range<Int>?
        var description: String { header }
    }

    @Test(
        "A single range that the file has is answered with just that",
        arguments: [
            Case(header: "bytes=0-0", range: 0..<1), Case(header: "bytes=0-999", range: 0..<1_000),
            Case(header: "bytes=999-1000", range: 999..<1_001), Case(header: "bytes=1000-", range: 1_000..<10_000),
            Case(header: "bytes=0-", range: 0..<10_000), Case(header: "bytes=-1", range: 9_999..<10_000),
            Case(header: "bytes=-2500", range: 7_500..<10_000), Case(header: "bytes=-10000", range: 0..<10_000),
            Case(header: "bytes=-99999999999999999999999", range: 0..<10_000),
            Case(header: "bytes=9999-", range: 9_999..<10_000), Case(header: "bytes=9999-10000", range: 9_999..<10_000),
            Case(header: "bytes=5-18446744073709551615", range: 5..<10_000),
            Case(header: "bytes=5-99999999999999999999999", range: 5..<10_000),
            Case(header: " Bytes = 3 - 7 ", range: 3..<8), Case(header: "BYTES=3-7", range: 3..<8),
            // What is no single range of bytes is as good as none.
            Case(header: "bytes=0-1,5-6", range: nil), Case(header: "bytes=7-3", range: nil),
            Case(header: "bytes=", range: nil), Case(header: "bytes=-", range: nil), Case(header: "bytes", range: nil),
            Case(header: "bytes=a-b", range: nil), Case(header: "bytes=1-b", range: nil),
            Case(header: "bytes=0x1-2", range: nil), Case(header: "bytes=--5", range: nil),
            Case(header: "bytes=+1-2", range: nil), Case(header: "items=0-1", range: nil), Case(header: "", range: nil),
        ])
    func ranges(test: Case) async throws {
        let sample = try await CatalogSample()
        let answer = await sample.get(Self.stream, ["Range": test.header])
        let bytes = try await answer.bytes()
        let expected = test.range ?? 0..<10_000
        #expect(answer.status == (test.range == nil ? .ok : .partialContent))
        #expect(bytes == Array(sample.song.bytes[expected]))
        let said = answer.headers.first(name: "content-range")
        #expect(said == test.range.map { "bytes \($0.lowerBound)-\($0.upperBound - 1)/10000" })
        #expect(answer.headers.first(name: "accept-ranges") == "bytes")
        #expect(answer.headers.first(name: "etag") == "\"\(sample.song.cid)\"")
        #expect(answer.headers.first(name: "content-type") == "audio/flac")
    }

    @Test(
        "A range behind the end is 416 with the size",
        arguments: ["bytes=10000-", "bytes=10000-10001", "bytes=-0", "bytes=99999999999999999999999-"])
    func unsatisfiable(header: String) async throws {
        let sample = try await CatalogSample()
        let answer = await sample.get(Self.stream, ["Range": header])
        #expect(answer.status == .rangeNotSatisfiable)
        #expect(answer.headers.first(name: "content-range") == "bytes */10000")
        // Only the root was needed to know.
        #expect(sample.media.asked == [sample.song.cid])
    }

    @Test("An empty file has no range, and is answered whole without one")
    func empty() {
        #expect(ByteRange(nil, ifRange: nil, validator: "", size: 0) == .whole)
        for header in ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"] {
            #expect(ByteRange(header, ifRange: nil, validator: "", size: 0) == .unsatisfiable, "\(header)")
        }
        let last = ByteRange("bytes=-1", ifRange: nil, validator: "", size: .max)
        #expect(last == .part(UInt64.max - 1..<UInt64.max))
    }

    @Test("If-Range takes the range of the same version only, If-None-Match and If-Match the version")
    func conditions() async throws {
        let sample = try await CatalogSample()
        let tag = "\"\(sample.song.cid)\""
        func status(_ headers: HTTPHeaders) async -> HTTPResponseStatus {
            await sample.get(Self.stream, headers).status
        }
        #expect(await status(["Range": "bytes=0-9", "If-Range": tag]) == .partialContent)
        #expect(await status(["Range": "bytes=0-9", "If-Range": "\"other\""]) == .ok)
        // Weak tags and dates are no proof of the same bytes.
        #expect(await status(["Range": "bytes=0-9", "If-Range": "W/\(tag)"]) == .ok)
        #expect(await status(["Range": "bytes=0-9", "If-Range": "Sat, 21 Nov 2026 09:44:15 GMT"]) == .ok)
        #expect(await status(["Range": "bytes=99999-", "If-Range": "\"other\""]) == .ok)
        #expect(await status(["If-Match": tag]) == .ok)
        #expect(await status(["If-Match": "\"other\""]) == .preconditionFailed)
        let before = sample.media.asked.count
        #expect(await status(["If-None-Match": tag, "Range": "bytes=0-9"]) == .notModified)
        #expect(await status(["If-None-Match": "*"]) == .notModified)
        // The tag is the content's hash: nothing was fetched to know.
        #expect(sample.media.asked.count == before)
    }

    @Test("HEAD says what GET would, and fetches the root only")
    func head() async throws {
        let sample = try await CatalogSample()
        let answer = await sample.api.answer(
            V1Request(.head, Self.stream, headers: ["Host": "x", "Range": "bytes=0-9"]))
        guard case .stream(let length, _) = answer.body else {
            Issue.record("no stream")
            return
        }
        #expect(answer.status == .ok && length == 10_000)
        #expect(sample.media.asked == [sample.song.cid])
    }

    @Test("The file is chosen: the one for streaming, the original, the preview, the one to keep")
    func choice() async throws {
        let sample = try await CatalogSample()
        let whole = try await sample.get(Self.stream).bytes()
        let original = await sample.get("\(Self.stream)?original=true")
        let originalBytes = try await original.bytes()
        let preview = try await sample.get("\(Self.stream)?preview=1").bytes()
        let download = await sample.get("/v1/tracks/\(Self.song)/download")
        let downloadBytes = try await download.bytes()
        #expect(whole == sample.song.bytes && preview == sample.preview.bytes)
        #expect(originalBytes == sample.original.bytes && downloadBytes == sample.original.bytes)
        #expect(original.headers.first(name: "content-type") == "audio/wav")
        #expect(original.headers.first(name: "content-disposition") == nil)
        #expect(download.headers.first(name: "content-disposition") == "attachment; filename=\"song-number-1.wav\"")
        let link = try await sample.data("\(Self.stream)?no_redirect=true")
        #expect(link.text == "http://node.test/v1/digital_contents/\(Self.song)/stream")
        #expect(
            sample.media.readWhole == [sample.song.cid, sample.original.cid, sample.preview.cid, sample.original.cid])
    }

    @Test("What the author forbids, has deleted or never gave is refused, each in its way")
    func refusals() async throws {
        let sample = try await CatalogSample()
        func status(_ id: String, _ word: String) async -> Int {
            Int(await sample.get("/v1/tracks/\(CatalogSample.content(1, id))/\(word)").status.code)
        }
        #expect(await status("song-2", "stream") == 200)
        #expect(await status("song-2", "download") == 403)
        #expect(await status("song-3", "stream") == 403)
        #expect(await status("song-3", "stream?preview=true") == 200)
        #expect(await status("gone", "stream") == 410)
        #expect(await status("unlisted", "stream") == 404)
        #expect(await status("song-2", "artwork") == 404)
    }

    @Test("What is declared as no audio is given as a nameless file to keep, never as a page")
    func types() async throws {
        let sample = try await CatalogSample()
        let answer = await sample.get("/v1/tracks/\(CatalogSample.content(2, "remix"))/stream")
        #expect(answer.headers.first(name: "content-type") == "application/octet-stream")
        #expect(answer.headers.first(name: "content-disposition")?.hasPrefix("attachment;") == true)
    }

    @Test("A picture is served as what it is; its own CID in the link lets it be kept for ever")
    func pictures() async throws {
        let sample = try await CatalogSample()
        let data = try await sample.data("/v1/tracks/\(Self.song)")
        let link = try #require(data["artwork"]?["480x480"]?.text)
        let answer = await sample.get(String(link.dropFirst("http://node.test".count)))
        let bytes = try await answer.bytes()
        #expect(bytes == sample.cover.bytes)
        #expect(answer.headers.first(name: "content-type") == "image/png")
        #expect(answer.headers.first(name: "cache-control")?.contains("immutable") == true)
        let plain = await sample.get("/v1/tracks/\(Self.song)/artwork", ["Range": "bytes=-5"])
        let end = try await plain.bytes()
        #expect(plain.status == .partialContent && end == sample.cover.bytes.suffix(5))
        #expect(plain.headers.first(name: "cache-control") == "public, max-age=300")
        let audio = await sample.get("/v1/playlists/\(CatalogSample.list(1, "playlist"))/artwork")
        #expect(audio.status == .unsupportedMediaType)
        for path in ["playlists/\(CatalogSample.list(1, "album"))/artwork", "users/\(CatalogSample.user(1))/picture"] {
            let picture = await sample.get("/v1/\(path)")
            #expect(picture.headers.first(name: "content-type") == "image/png", "\(path)")
        }
    }

    // MARK: While it is fetched

    @Test("The first bytes are sent as soon as the first block is here, while the rest is still on its way")
    func firstBytes() async throws {
        let sample = try await CatalogSample()
        let leaves = stride(from: 0, to: 10_000, by: 1_000).map { MemoryMedia.leaf(sample.song.bytes[$0..<$0 + 1_000]) }
        sample.media.holdUp(leaves.dropFirst())
        let answer = await sample.get(Self.stream)
        guard case .stream(_, let source) = answer.body else {
            Issue.record("no stream")
            return
        }
        var first: [UInt8]?
        let sink = CollectingSink { piece in
            guard first == nil else { return }
            first = piece
            sample.media.openGate()
        }
        try await source(sink)
        #expect(first == Array(sample.song.bytes[..<1_000]))
        #expect(sink.bytes == sample.song.bytes)
    }

    @Test("Only the blocks of the range are fetched")
    func fewBlocks() async throws {
        let sample = try await CatalogSample()
        let answer = await sample.get(Self.stream, ["Range": "bytes=4500-4600"])
        _ = try await answer.bytes()
        let asked = Set(sample.media.asked)
        let leaves = stride(from: 0, to: 10_000, by: 1_000).map { MemoryMedia.leaf(sample.song.bytes[$0..<$0 + 1_000]) }
        #expect(leaves.filter { asked.contains($0) } == [leaves[4]])
        #expect(sample.media.readWhole.isEmpty)
    }

    @Test("A root that nobody has is 504 with a time to come again; a lost block ends the stream with an error")
    func missing() async throws {
        let sample = try await CatalogSample()
        sample.media.lose(MemoryMedia.leaf(sample.song.bytes[9_000..<10_000]))
        let broken = await sample.get(Self.stream)
        #expect(broken.status == .ok)
        await #expect(throws: (any Error).self) { _ = try await broken.bytes() }
        #expect(sample.media.readWhole.isEmpty)
        sample.media.lose(sample.song.cid)
        let answer = await sample.get(Self.stream)
        let json = try await answer.json()
        #expect(answer.status == .gatewayTimeout && json["status"]?.integer == 504)
        #expect(answer.headers.first(name: "retry-after") == "10")
    }
}
