package import Multiformats

/// `content.put`: one piece of digital content, made or changed.
package struct ContentBody: Equatable, Sendable {
    package var id: String
    package var title: Patch<String> = .unchanged
    package var description: Patch<String> = .unchanged
    package var genre: Patch<String> = .unchanged
    package var mood: Patch<String> = .unchanged
    package var tags: Patch<[String]> = .unchanged
    /// A date as ISO 8601 writes it, such as `2026-03-01`.
    package var releaseDate: Patch<String> = .unchanged
    package var license: Patch<String> = .unchanged
    package var isrc: Patch<String> = .unchanged
    /// In milliseconds.
    package var duration: Patch<UInt64> = .unchanged
    package var media: Patch<[Media]> = .unchanged
    package var artwork: Patch<CID> = .unchanged
    /// Left out of lists and searches, but not secret.
    package var unlisted: Patch<Bool> = .unchanged
    package var remixOf: Patch<EntityRef> = .unchanged
    package var stemOf: Patch<EntityRef> = .unchanged
    package var access: Patch<Access> = .unchanged
    /// How many nodes the author would like to hold the media.
    package var replicas: Patch<UInt64> = .unchanged
    /// Fields that are unknown here.
    package var extra: [DAGEntry] = []

    package init(id: String) { self.id = id }

    /// One file of the content.
    package struct Media: Hashable, Sendable {
        package var cid: CID
        /// Such as `audio/flac`.
        package var mime: String
        /// Such as `flac`; empty when unknown.
        package var codec: String
        /// In bits a second; 0 when unknown.
        package var bitrate: UInt64
        /// In bytes.
        package var size: UInt64
        package var role: Role

        package init(cid: CID, mime: String, codec: String = "", bitrate: UInt64 = 0, size: UInt64, role: Role) {
            self.cid = cid
            self.mime = mime
            self.codec = codec
            self.bitrate = bitrate
            self.size = size
            self.role = role
        }
    }

    /// What a file is for; others than these are kept.
    package struct Role: RawRepresentable, Hashable, Sendable {
        package let rawValue: String
        package init(rawValue: String) { self.rawValue = rawValue }

        package static let original = Role(rawValue: "original")
        package static let stream = Role(rawValue: "stream")
        package static let preview = Role(rawValue: "preview")
    }

    /// What the author would like others to be able to do. A wish: what is public can be copied.
    package struct Access: Hashable, Sendable {
        package var stream: Bool
        package var download: Bool

        package init(stream: Bool, download: Bool) {
            self.stream = stream
            self.download = download
        }
    }
}

extension ContentBody {
    init(_ fields: inout BodyFields) throws(UpdateError) {
        id = try fields.required("id", BodyFields.id)
        title = try fields.patch("title", BodyFields.text(1...UpdateLimits.title))
        description = try fields.patch("description", BodyFields.text(0...UpdateLimits.description))
        genre = try fields.patch("genre", BodyFields.text(0...UpdateLimits.word))
        mood = try fields.patch("mood", BodyFields.text(0...UpdateLimits.word))
        tags = try fields.patch(
            "tags", BodyFields.list(0...UpdateLimits.tags, of: BodyFields.text(1...UpdateLimits.word)))
        releaseDate = try fields.patch("releaseDate", BodyFields.text(0...UpdateLimits.word))
        license = try fields.patch("license", BodyFields.text(0...UpdateLimits.word))
        isrc = try fields.patch("isrc", BodyFields.text(0...UpdateLimits.word))
        duration = try fields.patch("duration", BodyFields.number)
        media = try fields.patch("media", BodyFields.list(0...UpdateLimits.media, of: Media.init))
        artwork = try fields.patch("artwork", BodyFields.cid)
        unlisted = try fields.patch("unlisted", BodyFields.flag)
        remixOf = try fields.patch("remixOf", EntityRef.init)
        stemOf = try fields.patch("stemOf", EntityRef.init)
        access = try fields.patch("access", Access.init)
        replicas = try fields.patch("replicas", BodyFields.number)
        extra = fields.left
    }

    var entries: [DAGEntry] {
        var writer = BodyWriter(keeping: extra)
        writer.put("id", id)
        writer.put("title", title)
        writer.put("description", description)
        writer.put("genre", genre)
        writer.put("mood", mood)
        writer.put("tags", tags) { .list($0.map { .string($0) }) }
        writer.put("releaseDate", releaseDate)
        writer.put("license", license)
        writer.put("isrc", isrc)
        writer.put("duration", duration)
        writer.put("media", media) { .list($0.map(\.value)) }
        writer.put("artwork", artwork)
        writer.put("unlisted", unlisted)
        writer.put("remixOf", remixOf) { $0.value }
        writer.put("stemOf", stemOf) { $0.value }
        writer.put("access", access) { $0.value }
        writer.put("replicas", replicas)
        return writer.entries
    }
}

extension ContentBody.Media {
    init(_ value: DAGValue, _ field: String) throws(UpdateError) {
        var fields = try BodyFields(value, named: field)
        cid = try fields.required("cid", BodyFields.cid)
        mime = try fields.required("mime", BodyFields.text(1...UpdateLimits.name))
        codec = try fields.optional("codec", BodyFields.text(0...UpdateLimits.word)) ?? ""
        bitrate = try fields.optional("bitrate", BodyFields.number) ?? 0
        size = try fields.required("size", BodyFields.number)
        role = ContentBody.Role(rawValue: try fields.required("role", BodyFields.text(1...UpdateLimits.word)))
        try fields.expectNoMore(in: field)
    }

    var value: DAGValue {
        var writer = BodyWriter(keeping: [])
        writer.put("cid", .link(cid))
        writer.put("mime", mime)
        if !codec.isEmpty { writer.put("codec", codec) }
        if bitrate != 0 { writer.put("bitrate", bitrate) }
        writer.put("size", size)
        writer.put("role", role.rawValue)
        return .map(writer.entries)
    }
}

extension ContentBody.Access {
    init(_ value: DAGValue, _ field: String) throws(UpdateError) {
        var fields = try BodyFields(value, named: field)
        stream = try fields.required("stream", BodyFields.flag)
        download = try fields.required("download", BodyFields.flag)
        try fields.expectNoMore(in: field)
    }

    var value: DAGValue { .map([DAGEntry("stream", .bool(stream)), DAGEntry("download", .bool(download))]) }
}
