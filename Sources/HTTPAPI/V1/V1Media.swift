import Catalog
import Media
import MerkleDAG
import Multiformats
import NIOCore
import NIOHTTP1

/// Routes that give the bytes of files: audio and pictures, from here or from whoever has them.
///
/// Only files that the catalog names are served, and only as audio or pictures: nothing that is stored here can be
/// shown as a page from this address.
enum V1Media {
    static let routes: [V1Route] = [
        file(
            "stream", "streamDigitalContent", "The audio, from this node's disk or from peers, by ranges",
            isDownload: false),
        file(
            "download", "downloadDigitalContent", "The same as a file to keep, where the author allows it",
            isDownload: true),
        picture("digital_contents/{id}/artwork", "getDigitalContentArtwork") { call in
            let row = try call.content()
            return row.isDeleted ? nil : row.fields.artwork
        },
        picture("content_lists/{id}/artwork", "getContentListArtwork") { call in
            let row = try call.list()
            return row.isDeleted ? nil : row.fields.artwork
        },
        picture("users/{id}/picture", "getUserPicture") { try $0.user().fields.picture },
        picture("users/{id}/cover", "getUserCover") { try $0.user().fields.cover },
    ]

    // MARK: Audio

    private static func file(_ word: String, _ name: String, _ summary: String, isDownload: Bool) -> V1Route {
        V1Route(
            pattern: "digital_contents/{id}/\(word)", name: name, summary: summary,
            parameters: [.original, .preview, .noRedirect], answer: .audio,
            action: .answer { call in
                let (row, media) = try await call.api.onThread { try chosen(call, isDownload: isDownload) }
                if try call.query.flag("no_redirect") {
                    let link = "\(call.request.base)/v1/digital_contents/\(row.id)/\(word)"
                    return call.api.answer(V1Result(.string(link)), to: call)
                }
                let type = audioType(media.mime)
                var fields: [(String, String)] = [("Cache-Control", "public, max-age=300")]
                if isDownload || type == nil {
                    let name = Permalink.slug(row.title) + (type.flatMap { endings[$0] } ?? ".bin")
                    fields.append(("Content-Disposition", "attachment; filename=\"\(name)\""))
                }
                return try await answer(call, media.cid, fields) { _ in type ?? "application/octet-stream" }
            })
    }

    /// The file that a request means, which may be fetched.
    private static func chosen(_ call: V1Call, isDownload: Bool) throws -> (ContentRow, ContentBody.Media) {
        let row = try call.content()
        if row.isDeleted { throw V1Problem(.gone, "its author has deleted it") }
        let media: ContentBody.Media?
        if try call.query.flag("preview") {
            media = row.fields.media.first { $0.role == .preview }
        } else {
            let isAllowed = isDownload ? row.fields.access.download : row.fields.access.stream
            guard isAllowed else {
                throw V1Problem(.forbidden, "its author lets nobody \(isDownload ? "download" : "stream") it")
            }
            let wantsOriginal = try call.query.flag("original")
            media = wantsOriginal || isDownload ? row.original ?? row.streamed : row.streamed
        }
        guard let media else { throw V1Problem(.notFound, "there is no such file of it") }
        return (row, media)
    }

    /// The audio types that are served as what they are, and how they are spelled besides.
    private static let audioTypes: [String: String] = [
        "audio/mpeg": "audio/mpeg", "audio/mp3": "audio/mpeg", "audio/x-mp3": "audio/mpeg",
        "audio/flac": "audio/flac", "audio/x-flac": "audio/flac",
        "audio/ogg": "audio/ogg", "audio/opus": "audio/ogg", "audio/vorbis": "audio/ogg",
        "application/ogg": "audio/ogg",
        "audio/mp4": "audio/mp4", "audio/m4a": "audio/mp4", "audio/x-m4a": "audio/mp4", "audio/aac": "audio/aac",
        "audio/wav": "audio/wav", "audio/x-wav": "audio/wav", "audio/wave": "audio/wav", "audio/vnd.wave": "audio/wav",
        "audio/webm": "audio/webm",
    ]

    private static let endings = [
        "audio/mpeg": ".mp3", "audio/flac": ".flac", "audio/ogg": ".ogg", "audio/mp4": ".m4a", "audio/aac": ".aac",
        "audio/wav": ".wav", "audio/webm": ".webm",
    ]

    /// The type to serve for what an author declared; `nil` for what is not on the list.
    private static func audioType(_ declared: String) -> String? {
        audioTypes[String(declared.prefix { $0 != ";" }).trimmed.lowercased()]
    }

    // MARK: Pictures

    private static func picture(
        _ pattern: String, _ name: String, _ cid: @escaping @Sendable (V1Call) throws -> CID?
    ) -> V1Route {
        V1Route(
            pattern: pattern, name: name, summary: "The picture: PNG, JPEG, WebP or GIF", parameters: [.pictureCID],
            answer: .image,
            action: .answer { call in
                guard let cid = try await call.api.onThread({ try cid(call) }) else {
                    throw V1Problem(.notFound, "it has no picture")
                }
                let isNamed = call.query.text("cid") == cid.description
                let age = isNamed ? "max-age=29030400, immutable" : "max-age=300"
                return try await answer(call, cid, [("Cache-Control", "public, \(age)")]) { file in
                    guard file.size <= UInt64(ImageCheck.maximumLength) else {
                        throw V1Problem(.unsupportedMediaType, "the picture is too large")
                    }
                    var head: [UInt8] = []
                    let range = 0..<min(file.size, UInt64(MediaKind.headLength))
                    for try await bytes in file.reader.bytes(of: file.cid, range: range) {
                        head += bytes.readableBytesView
                    }
                    let kind = MediaKind(head: head)
                    guard kind.isImage else {
                        throw V1Problem(.unsupportedMediaType, "it is no PNG, JPEG, WebP or GIF picture")
                    }
                    return kind.mimeType
                }
            })
    }

    // MARK: Files

    /// The part of a file that the request wants. `type` says what it is, and may look into it.
    private static func answer(
        _ call: V1Call, _ cid: CID, _ fields: [(String, String)], type: (MediaFile) async throws -> String
    ) async throws -> V1Answer {
        let headers = call.request.headers
        let tag = "\"\(cid)\""
        var answer = V1Answer()
        for (name, value) in fields { answer.headers.add(name: name, value: value) }
        answer.headers.add(name: "ETag", value: tag)
        answer.headers.add(name: "Accept-Ranges", value: "bytes")
        if let wanted = headers.first(name: "if-match"), !ETags.match(wanted, tag) {
            throw V1Problem(.preconditionFailed, "the file is another one now: \(cid)")
        }
        // The tag is the content's hash: that it is the same is known before anything is fetched.
        if ETags.match(headers["if-none-match"].joined(separator: ","), tag) {
            answer.status = .notModified
            return answer
        }
        let file = try await call.api.media.open(cid)
        answer.headers.add(name: "Content-Type", value: try await type(file))
        let wanted = call.request.method == .head ? nil : headers.first(name: "range")
        switch ByteRange(wanted, ifRange: headers.first(name: "if-range"), validator: tag, size: file.size) {
        case .whole: answer.body = body(file, 0..<file.size)
        case .part(let range):
            answer.status = .partialContent
            answer.headers.add(
                name: "Content-Range", value: "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(file.size)")
            answer.body = body(file, range)
        case .unsatisfiable:
            var problem = V1Problem(.rangeNotSatisfiable, "the file has \(file.size) bytes")
            problem.fields = [
                ("Content-Range", "bytes */\(file.size)"), ("Accept-Ranges", "bytes"), ("ETag", tag),
            ]
            throw problem
        }
        return answer
    }

    private static func body(_ file: MediaFile, _ range: Range<UInt64>) -> V1Answer.Body {
        let length = range.upperBound - range.lowerBound
        guard length > 0 else { return .bytes(ByteBuffer()) }
        return .stream(length: length) { sink in
            var sent: UInt64 = 0
            for try await bytes in file.reader.bytes(of: file.cid, range: range) {
                sent += UInt64(bytes.readableBytes)
                guard sent <= length else { break }
                try await sink.write(bytes)
            }
            guard sent == length else { throw DAGReadError.limit("the file has not the length that its root says") }
            if length == file.size { await file.wasReadWhole() }
        }
    }
}
