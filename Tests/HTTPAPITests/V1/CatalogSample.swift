import Catalog
import HTTPAPI
import Multiformats
import NIOCore
import NIOHTTP1
import PeerCrypto

/// A small catalog made by hand, with files in memory, and the API in front of it.
///
/// Authors: 1 Ada (25 songs, an album, a playlist), 2 Bob (a remix), 3 Cyd, 4 Dee, and 5, who claims Bob's handle.
struct CatalogSample: Sendable {
    /// 2026-03-01, in milliseconds.
    static let start: UInt64 = 1_772_323_200_000
    static let now = start + 86_400_000

    let database: CatalogDatabase
    let media: MemoryMedia
    let news = TestNews()
    let api: CatalogAPI

    /// Ada's files.
    let song: MemoryMedia.File
    let preview: MemoryMedia.File
    let original: MemoryMedia.File
    let cover: MemoryMedia.File

    init(followers: Int = 32, heartbeat: Duration = .seconds(60)) async throws {
        database = try CatalogDatabase(path: ":memory:")
        _ = try database.write { try CatalogView.prepare($0) }
        media = MemoryMedia()
        song = try await media.add(Self.bytes(10_000, head: "fLaC"))
        preview = try await media.add(Self.bytes(2_000, head: "fLaC"))
        original = try await media.add(Self.bytes(20_000, head: "RIFF"))
        cover = try await media.add([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a] + Self.bytes(3_000, head: ""))
        let source = SampleSource(reader: CatalogReader(database.writer), news: news)
        api = CatalogAPI(
            source, media: media, followers: followers, heartbeat: heartbeat, now: { CatalogSample.now })
        var writer = SampleWriter()
        try fill(&writer)
        let updates = writer.updates
        try database.write { try CatalogView.apply(updates, in: $0) }
        try Trending.refresh(reader: database.writer, writer: database.writer, now: Self.now)
    }

    /// Bytes that begin with `head` and go on without a pattern that repeats soon.
    static func bytes(_ count: Int, head: String) -> [UInt8] {
        var bytes = Array(head.utf8)
        var state: UInt32 = 12_345
        while bytes.count < count {
            state = state &* 1_664_525 &+ 1_013_904_223
            bytes.append(UInt8(truncatingIfNeeded: state >> 16))
        }
        return bytes
    }

    // MARK: Names

    static func author(_ n: Int) -> AuthorID { AuthorID(digest("author \(n)")) }
    static func digest(_ text: String) -> Digest32 { Digest32(ContentHash.sha256(Array(text.utf8)).digest)! }
    static func user(_ n: Int) -> EntityID { EntityID(.author, author(n)) }
    static func content(_ n: Int, _ id: String) -> EntityID { EntityID(.content, author(n), id) }
    static func list(_ n: Int, _ id: String) -> EntityID { EntityID(.list, author(n), id) }
    static func ref(_ n: Int, _ id: String) -> EntityRef { EntityRef(author(n), id) }
    /// The key of the node that Ada announces.
    static let nodeKey = KeyPair(seed: [UInt8](repeating: 7, count: 32))

    // MARK: Content

    private func fill(_ writer: inout SampleWriter) throws {
        for (n, handle, name) in [
            (1, "ada", "Ada Lovelace"), (2, "bob", "Bob"), (3, "cyd", "Cyd"), (4, "dee", "Dee"), (5, "bob", "Not Bob"),
        ] {
            writer.add(n, .authorCreate(AuthorCreateBody(recovery: Self.digest("recovery \(n)"))))
            var profile = ProfileBody()
            profile.handle = .set(handle)
            profile.name = .set(name)
            if n == 1 {
                profile.bio = .set("First \"programmer\"\nof all")
                profile.picture = .set(cover.cid)
                profile.cover = .set(cover.cid)
            }
            writer.add(n, .profile(profile))
        }
        for index in 1...25 {
            var body = ContentBody(id: "song-\(index)")
            body.title = .set("Song Number \(index)")
            body.genre = .set(index % 2 == 0 ? "Electronic" : "Hip-Hop/Rap")
            body.tags = .set(["tape", "no\(index)"])
            body.duration = .set(61_500)
            body.media = .set(files)
            if index == 1 { body.artwork = .set(cover.cid) }
            if index == 2 { body.access = .set(ContentBody.Access(stream: true, download: false)) }
            if index == 3 { body.access = .set(ContentBody.Access(stream: false, download: false)) }
            writer.add(1, .content(body))
        }
        var hidden = ContentBody(id: "unlisted")
        hidden.title = .set("Song Unlisted")
        hidden.unlisted = .set(true)
        writer.add(1, .content(hidden))
        var gone = ContentBody(id: "gone")
        gone.title = .set("Song Gone")
        gone.media = .set(files)
        writer.add(1, .content(gone))
        writer.add(1, .contentDelete(DeleteBody(id: "gone")))
        var remix = ContentBody(id: "remix")
        remix.title = .set("Song Number 1 (Bob's Remix)")
        remix.remixOf = .set(Self.ref(1, "song-1"))
        remix.media = .set([
            ContentBody.Media(cid: song.cid, mime: "text/html", size: 10_000, role: .original)
        ])
        writer.add(2, .content(remix))
        fillLists(&writer)
        fillEdges(&writer)
        try announce(&writer)
    }

    private var files: [ContentBody.Media] {
        [
            .init(
                cid: original.cid, mime: "audio/wav", codec: "pcm", bitrate: 1_411_000, size: 20_000, role: .original),
            .init(
                cid: song.cid, mime: "audio/x-flac; rate=44100", codec: "flac", bitrate: 0, size: 10_000, role: .stream),
            .init(cid: preview.cid, mime: "audio/flac", codec: "flac", bitrate: 0, size: 2_000, role: .preview),
        ]
    }

    private func fillLists(_ writer: inout SampleWriter) {
        var album = ListBody(id: "album")
        album.name = .set("Song Album")
        album.isAlbum = .set(true)
        album.artwork = .set(cover.cid)
        writer.add(1, .list(album))
        var playlist = ListBody(id: "playlist")
        playlist.name = .set("Song Playlist")
        // Audio, which must not be shown as a picture.
        playlist.artwork = .set(original.cid)
        writer.add(1, .list(playlist))
        for index in 1...12 {
            let position = ListPosition([UInt8(index)])!
            let item = Self.ref(1, "song-\(index)")
            if index <= 3 { writer.add(1, .listItem(ListItemBody(list: "album", .add(item, position)))) }
            writer.add(1, .listItem(ListItemBody(list: "playlist", .add(item, position))))
        }
    }

    private func fillEdges(_ writer: inout SampleWriter) {
        for n in 2...5 { writer.add(n, .edge(EdgeBody(.follow, .author(Self.author(1))))) }
        for n in 3...5 { writer.add(n, .edge(EdgeBody(.follow, .author(Self.author(2))))) }
        writer.add(1, .edge(EdgeBody(.follow, .author(Self.author(2)))))
        writer.add(4, .edge(EdgeBody(.follow, .author(Self.author(3)))))
        writer.add(2, .edge(EdgeBody(.subscribe, .author(Self.author(1)))))
        for n in 2...5 {
            for index in [1, 4, 5] {
                writer.add(n, .edge(EdgeBody(.save, .content(Self.ref(1, "song-\(index)")))))
                writer.add(n, .edge(EdgeBody(.repost, .content(Self.ref(1, "song-\(index)")))))
            }
            writer.add(n, .edge(EdgeBody(.save, .list(Self.ref(1, "album")))))
            writer.add(n, .edge(EdgeBody(.repost, .list(Self.ref(1, "playlist")))))
        }
        for index in 1...7 {
            let parent = index == 7 ? Self.ref(2, "comment-1") : nil
            writer.add(
                2,
                .comment(
                    CommentBody(
                        id: "comment-\(index)", on: Self.ref(1, "song-1"), parent: parent, text: "Line \(index) <b>")))
        }
        let day = Self.start / 86_400_000
        for index in 1...6 {
            writer.add(2, .plays(PlaysBody([.init(Self.ref(1, "song-\(index)"), day: day, count: UInt64(index))])))
        }
    }

    private func announce(_ writer: inout SampleWriter) throws {
        var body = NodeBody(
            peer: Self.nodeKey.peerID, roles: ["landlord"], endpoint: "https://ada.example", capacity: 1 << 40,
            free: 1 << 39, isAccepting: true, version: "peernode/1")
        let time = Self.now - 60_000
        try body.sign(with: Self.nodeKey, author: Self.author(1), time: time)
        writer.add(1, .node(body), at: time)
    }
}

/// Makes updates that count, one second after the other.
struct SampleWriter {
    private(set) var updates: [CountedUpdate] = []

    mutating func add(_ n: Int, _ body: UpdateBody, at time: UInt64? = nil) {
        let count = updates.count + 1
        let author = CatalogSample.author(n)
        let stamp = Stamp(
            time: time ?? CatalogSample.start + UInt64(count) * 1_000, id: CatalogSample.digest("update \(count)"))
        updates.append(CountedUpdate(stamp: stamp, owner: author, author: author, body: body))
    }
}

/// What the API is asked for, and what it says, in a test's words.
extension CatalogSample {
    func get(_ target: String, _ headers: HTTPHeaders = [:]) async -> V1Answer {
        await api.answer(V1Request(.get, target, headers: HTTPHeaders([("Host", "node.test")]) + headers))
    }

    /// The `data` of an answer.
    func data(_ target: String) async throws -> JSON {
        let answer = await get(target)
        let json = try await answer.json()
        guard answer.status == .ok, let data = json["data"] else { throw Unexpected(target: target, answer: json) }
        return data
    }

    struct Unexpected: Error {
        let target: String
        let answer: JSON
    }
}

extension HTTPHeaders {
    static func + (left: HTTPHeaders, right: HTTPHeaders) -> HTTPHeaders {
        var sum = left
        for (name, value) in right { sum.add(name: name, value: value) }
        return sum
    }
}

extension V1Answer {
    /// The whole body.
    func bytes() async throws -> [UInt8] {
        switch body {
        case .bytes(let buffer): return Array(buffer.readableBytesView)
        case .stream(let length, let source):
            let sink = CollectingSink()
            try await source(sink)
            guard sink.bytes.count == length else { throw WrongLength(said: length, came: sink.bytes.count) }
            return sink.bytes
        case .endless: return []
        }
    }

    func json() async throws -> JSON { try JSON(parsing: try await bytes()) }

    struct WrongLength: Error {
        let said: UInt64
        let came: Int
    }
}

/// Keeps what it is given, and tells a test of each piece.
final class CollectingSink: V1Sink {
    private(set) var bytes: [UInt8] = []
    private let onWrite: ([UInt8]) throws -> Void

    init(onWrite: @escaping ([UInt8]) throws -> Void = { _ in }) { self.onWrite = onWrite }

    nonisolated(nonsending) func write(_ piece: ByteBuffer) async throws {
        let piece = Array(piece.readableBytesView)
        bytes += piece
        try onWrite(piece)
    }
}
