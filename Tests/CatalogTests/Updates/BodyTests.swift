import Catalog
import Multiformats
import PeerCrypto
import SansIO
import Testing

@Suite("Bodies by kind") struct BodyTests {
    static let author = AuthorID(Digest32(words: (1, 2, 3, 4)))
    static let other = AuthorID(Digest32(words: (5, 6, 7, 8)))
    static let song = EntityRef(other, "song")
    static let update = Digest32(words: (9, 9, 9, 9))
    static let file = CID(codec: .raw, multihash: ContentHash.sha256([1, 2, 3]))

    static func position(_ bytes: UInt8...) -> ListPosition {
        guard let position = ListPosition(bytes) else { preconditionFailure("a test's own bytes") }
        return position
    }

    static var all: [UpdateBody] {
        var profile = ProfileBody()
        profile.handle = .set("lena.k_2")
        profile.picture = .set(file)
        profile.bio = .cleared
        profile.deactivated = .set(true)
        var content = ContentBody(id: "song")
        content.title = .set("Après l'orage 雨")
        content.tags = .set(["a", "b"])
        content.duration = .set(215_000)
        content.media = .set([
            ContentBody.Media(cid: file, mime: "audio/flac", codec: "flac", bitrate: 900_000, size: 5, role: .original),
            ContentBody.Media(cid: file, mime: "audio/ogg", size: 5, role: .stream),
        ])
        content.remixOf = .set(song)
        content.access = .set(ContentBody.Access(stream: true, download: false))
        content.unlisted = .set(false)
        content.replicas = .cleared
        var list = ListBody(id: "album")
        list.name = .set("Songs")
        list.isAlbum = .set(true)
        return [
            .authorCreate(AuthorCreateBody(recovery: update)), .profile(profile), .content(content),
            .contentDelete(DeleteBody(id: "song")), .forget(ForgetBody([update])), .list(list),
            .listDelete(DeleteBody(id: "album")), .listItem(ListItemBody(list: "album", .add(song, position(1)))),
            .listItem(ListItemBody(list: "album", .move(tag: update, position(0, 7)))),
            .listItem(ListItemBody(list: "album", .remove([update]))),
            .edge(EdgeBody(.follow, .author(other))), .edge(EdgeBody(.save, .list(song), isOn: false)),
            .edge(EdgeBody(EdgeBody.Relation(rawValue: "later"), .comment(song))),
            .comment(CommentBody(id: "c1", on: song, parent: EntityRef(author, "c0"), text: "Yes!")),
            .commentDelete(DeleteBody(id: "c1")),
            .plays(PlaysBody([PlaysBody.Row(song, day: 20_000, count: 12)])),
            .grant(GrantBody(to: other, kinds: [.contentPut], entity: .content(song))),
            .grant(GrantBody(to: other, kinds: [.contentPut, .profileSet])),
            .revoke(RevokeBody(update, keep: [update])), .revoke(RevokeBody(update)),
            .rotate(RotateBody(key: [UInt8](repeating: 4, count: 32), recovery: update)),
            .label(LabelBody(.author(other), label: "spam", reason: "sells shoes")),
            .label(LabelBody(.content(song), label: "spam", isOn: false)),
        ]
    }

    @Test("Every kind reads back as it was written") func roundTrip() throws {
        for body in Self.all {
            let bytes = try body.encoded()
            #expect(try UpdateBody(bytes, kind: body.kind) == body)
            var value = body.entries
            value.append(DAGEntry("zzz", .string("later")))
            let extended = try DagCBOR.encode(.map(value))
            let read = try UpdateBody(extended, kind: body.kind)
            #expect(try DagCBOR.encode(.map(read.entries)) == extended, "\(body.kind)")
        }
        #expect(Set(Self.all.map(\.kind)).union([.nodeAnnounce]) == Set(UpdateKind.known))
    }

    @Test("Fields beyond their limits are refused") func limits() throws {
        func text(_ count: Int) -> String { String(repeating: "ü", count: count) }
        var profile = ProfileBody()
        profile.bio = .set(text(256))
        #expect(try UpdateBody.profile(profile).encoded().count > 512)
        profile.bio = .set(text(257))
        #expect(throws: UpdateError.badField("bio")) { try UpdateBody.profile(profile).encoded() }
        for handle in ["", "Lena", "a b", "ü", String(repeating: "a", count: 31)] {
            profile = ProfileBody()
            profile.handle = .set(handle)
            #expect(throws: UpdateError.badField("handle")) { try UpdateBody.profile(profile).encoded() }
        }
        var content = ContentBody(id: "x")
        content.description = .set(text(2_500))
        content.tags = .set((0..<30).map { "t\($0)" })
        #expect(try UpdateBody.content(content).encoded().count > 5_000)
        content.tags = .set((0..<31).map { "t\($0)" })
        #expect(throws: UpdateError.badField("tags")) { try UpdateBody.content(content).encoded() }
        #expect(throws: UpdateError.badField("text")) {
            try UpdateBody.comment(CommentBody(id: "c", on: Self.song, text: "")).encoded()
        }
        #expect(throws: UpdateError.badField("text")) {
            try UpdateBody.comment(CommentBody(id: "c", on: Self.song, text: text(401))).encoded()
        }
        #expect(throws: UpdateError.badField("id")) { try UpdateBody.contentDelete(DeleteBody(id: "")).encoded() }
        #expect(throws: UpdateError.badField("target")) {
            try UpdateBody.edge(EdgeBody(.follow, .content(Self.song))).encoded()
        }
        #expect(ListPosition([UInt8](repeating: 1, count: 65)) == nil)
        #expect(ListPosition([1, 0]) == nil)
    }

    @Test("Nobody follows or reposts what is their own") func oneself() throws {
        let first = try UpdateTests.create()
        func sign(_ edge: EdgeBody) throws -> Update {
            try Update.sign(
                .edge(edge), author: first.author, prev: [first.id], seq: 1, time: 2_000, with: UpdateTests.key)
        }
        let own = EntityRef(first.author, "song")
        #expect(throws: UpdateError.aboutOneself) { try sign(EdgeBody(.follow, .author(first.author))) }
        #expect(throws: UpdateError.aboutOneself) { try sign(EdgeBody(.repost, .content(own))) }
        #expect(try sign(EdgeBody(.save, .content(own))).seq == 1)
        #expect(try sign(EdgeBody(.follow, .author(Self.other))).seq == 1)
    }

    @Test("A node is announced with its own signature, for this author and time") func node() throws {
        let first = try UpdateTests.create()
        let node = KeyPair(seed: [UInt8](repeating: 11, count: 32))
        var body = NodeBody(
            peer: node.peerID, roles: ["landlord"], capacity: 5, free: 4, isAccepting: true, version: "1")
        func sign(_ body: NodeBody, time: UInt64 = 2_000) throws -> Update {
            try Update.sign(
                .node(body), author: first.author, prev: [first.id], seq: 1, time: time, with: UpdateTests.key)
        }
        #expect(throws: UpdateError.badField("nodeSig")) { try sign(body) }
        #expect(throws: UpdateError.badNodeSignature) {
            try body.sign(with: UpdateTests.key, author: first.author, time: 2_000)
        }
        try body.sign(with: node, author: first.author, time: 2_000)
        #expect(try sign(body).body == .node(body))
        #expect(throws: UpdateError.badNodeSignature) { try sign(body, time: 2_001) }
        body.free = 5
        #expect(throws: UpdateError.badNodeSignature) { try sign(body) }
        try body.sign(with: node, author: Self.other, time: 2_000)
        #expect(throws: UpdateError.badNodeSignature) { try sign(body) }
    }

    @Test("There is a place between any two, and hundreds in a row fit at the end") func positions() throws {
        var luck = SeededGenerator(seed: 3)
        var list: [ListPosition] = []
        for _ in 0..<300 {
            let index = Int.random(in: 0...list.count, using: &luck)
            let lower = index > 0 ? list[index - 1] : nil
            let upper = index < list.count ? list[index] : nil
            let new = try #require(ListPosition.between(lower, upper))
            if let lower { #expect(lower < new) }
            if let upper { #expect(new < upper) }
            list.insert(new, at: index)
        }
        var last: ListPosition?
        for _ in 0..<1_000 {
            let next = try #require(ListPosition.between(last, nil))
            if let last { #expect(last < next) }
            last = next
        }
        #expect(ListPosition.between(list[1], list[0]) == nil)
        #expect(ListPosition.between(list[0], list[0]) == nil)
    }

    @Test("An author's text reads back, and its short form has 12 characters") func authorText() throws {
        let author = AuthorID(ContentHash.sha256([1]).digest)
        let text = try #require(author?.description)
        #expect(AuthorID(text) == author)
        #expect(author?.short == String(text.prefix(12)))
        #expect(AuthorID(String(text.dropLast(4))) == nil)
        #expect(AuthorID("0" + text.dropFirst()) == nil)
    }
}
