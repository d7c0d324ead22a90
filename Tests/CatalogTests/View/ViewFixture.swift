import Catalog
import GRDB
import Multiformats
import PeerCrypto
import SansIO

/// A catalog in memory to which a test adds updates that count, and which it then asks.
struct ViewFixture {
    /// 2026-03-01, in milliseconds.
    static let start: UInt64 = 1_772_323_200_000

    let database: CatalogDatabase
    var reader: CatalogReader { CatalogReader(database.writer) }
    private(set) var updates: [CountedUpdate] = []
    /// The time of the next update; a second later after each.
    var now = ViewFixture.start
    private var sequence = 0

    init() throws {
        database = try CatalogDatabase(path: ":memory:")
        _ = try database.write { try CatalogView.prepare($0) }
    }

    /// The author number `n` of all tests.
    static func author(_ n: Int) -> AuthorID { AuthorID(digest("author \(n)")) }

    static func digest(_ text: String) -> Digest32 {
        Digest32(ContentHash.sha256(Array(text.utf8)).digest)!
    }

    static func id(_ n: Int) -> EntityID { EntityID(.author, author(n)) }

    static func cid(_ text: String) -> CID { CID(codec: .raw, multihash: ContentHash.sha256(Array(text.utf8))) }

    /// Merges one update by the author number `n`, and returns its stamp.
    @discardableResult
    mutating func add(_ n: Int, _ body: UpdateBody, at time: UInt64? = nil) throws -> Stamp {
        sequence += 1
        now += 1_000
        let stamp = Stamp(time: time ?? now, id: ViewFixture.digest("update \(sequence)"))
        let author = ViewFixture.author(n)
        let update = CountedUpdate(stamp: stamp, owner: author, author: author, body: body)
        updates.append(update)
        try apply([update])
        return stamp
    }

    func apply(_ updates: [CountedUpdate]) throws {
        try database.write { try CatalogView.apply(updates, in: $0) }
    }

    func fingerprint() throws -> Multihash { try database.read { try ViewFingerprint.of($0) } }

    // MARK: Short words for common updates

    /// An author with a handle and, perhaps, a name.
    mutating func join(_ n: Int, _ handle: String, name: String? = nil) throws {
        try add(n, .authorCreate(AuthorCreateBody(recovery: ViewFixture.digest("recovery \(n)"))))
        var profile = ProfileBody()
        profile.handle = .set(handle)
        profile.name = Patch(name)
        try add(n, .profile(profile))
    }

    /// Content, and its id in the API.
    @discardableResult
    mutating func publish(
        _ n: Int, _ id: String, _ title: String, genre: String? = nil, tags: [String]? = nil, at time: UInt64? = nil,
        _ change: (inout ContentBody) -> Void = { _ in }
    ) throws -> EntityID {
        var body = ContentBody(id: id)
        body.title = .set(title)
        body.genre = Patch(genre)
        body.tags = Patch(tags)
        body.media = .set([
            ContentBody.Media(
                cid: ViewFixture.cid("\(n) \(id)"), mime: "audio/flac", size: 1_000, role: .original)
        ])
        change(&body)
        try add(n, .content(body), at: time)
        return ViewFixture.content(n, id)
    }

    static func content(_ n: Int, _ id: String) -> EntityID { EntityID(.content, author(n), id) }
    static func list(_ n: Int, _ id: String) -> EntityID { EntityID(.list, author(n), id) }
    static func ref(_ n: Int, _ id: String) -> EntityRef { EntityRef(author(n), id) }

    mutating func follow(_ n: Int, _ other: Int, isOn: Bool = true, at time: UInt64? = nil) throws {
        try add(n, .edge(EdgeBody(.follow, .author(ViewFixture.author(other)), isOn: isOn)), at: time)
    }

    mutating func repost(_ n: Int, _ owner: Int, _ id: String, isOn: Bool = true, at time: UInt64? = nil) throws {
        try add(n, .edge(EdgeBody(.repost, .content(ViewFixture.ref(owner, id)), isOn: isOn)), at: time)
    }

    mutating func save(_ n: Int, _ owner: Int, _ id: String, isOn: Bool = true, at time: UInt64? = nil) throws {
        try add(n, .edge(EdgeBody(.save, .content(ViewFixture.ref(owner, id)), isOn: isOn)), at: time)
    }

    mutating func makeList(_ n: Int, _ id: String, _ name: String, isAlbum: Bool = false) throws -> EntityID {
        var body = ListBody(id: id)
        body.name = .set(name)
        body.isAlbum = .set(isAlbum)
        try add(n, .list(body))
        return ViewFixture.list(n, id)
    }

    @discardableResult
    mutating func addItem(_ n: Int, _ list: String, _ item: EntityRef, _ position: [UInt8]) throws -> Stamp {
        try add(n, .listItem(ListItemBody(list: list, .add(item, ListPosition(position)!))))
    }
}

extension SeededGenerator {
    /// A number below `bound`.
    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    /// True once in so many times.
    mutating func oneIn(_ bound: Int) -> Bool { below(bound) == 0 }

    mutating func pick<T>(_ values: [T]) -> T { values[below(values.count)] }
}
