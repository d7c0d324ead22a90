import Catalog

/// A request whose route is found: gives its handler what it asks for, checked.
struct V1Call: Sendable {
    let api: CatalogAPI
    let request: V1Request
    let query: V1Query
    let match: V1Router.Match

    /// Rows of a page when nothing is said, as in the original.
    static let defaultLimit = 10
    /// Ids in one request.
    static let maximumIDs = PageRequest.maximumLimit
    /// Permalinks in one request.
    static let maximumPermalinks = 100
    /// The longest text that is searched for or resolved, in bytes.
    static let maximumText = 2_048

    var reader: CatalogReader { api.source.reader }
    var now: UInt64 { api.now() }
    var context: ShapeContext { ShapeContext(base: request.base, isFull: match.isFull) }

    // MARK: Who and where

    /// The entity in the path.
    func id(_ what: String) throws(V1Problem) -> EntityID {
        guard let id = match.values["id"].flatMap({ EntityID($0) }) else { throw .notFound(what) }
        return id
    }

    func viewer() throws(V1Problem) -> Viewer? {
        guard let text = query.text("user_id") else { return nil }
        guard let id = EntityID(text) else { throw .badParameter("user_id", "the id of a user") }
        return Viewer(id, showsFollowees: match.isFull)
    }

    func page(limit: Int = V1Call.defaultLimit) throws(V1Problem) -> PageRequest {
        let limit = try query.number("limit", in: 1...Int(Int32.max)) ?? limit
        guard let text = query.text("cursor") else {
            let offset = try query.number("offset", in: 0...PageRequest.maximumOffset) ?? 0
            return PageRequest(limit: limit, offset: offset)
        }
        guard let cursor = PageCursor(text) else {
            throw .badParameter("cursor", "next_cursor of an answer of this node")
        }
        return PageRequest(limit: limit, cursor: cursor)
    }

    /// The ids that are asked for together; `nil` when none is named.
    func ids() throws(V1Problem) -> [EntityID]? {
        let texts = query.all("id").flatMap { $0.split(separator: ",") }
        if texts.isEmpty { return nil }
        guard texts.count <= Self.maximumIDs else {
            throw .badParameter("id", "given \(Self.maximumIDs) times at most")
        }
        var seen: Set<EntityID> = []
        // What can be no id names nothing; nobody is told a row twice.
        return texts.compactMap { EntityID(String($0)) }.filter { seen.insert($0).inserted }
    }

    func permalinks() throws(V1Problem) -> [String]? {
        let texts = query.all("permalink")
        if texts.isEmpty { return nil }
        guard texts.count <= Self.maximumPermalinks, texts.allSatisfy({ $0.utf8.count <= Self.maximumText }) else {
            throw .badParameter("permalink", "at most \(Self.maximumPermalinks) paths")
        }
        return texts
    }

    // MARK: What and how

    func words() throws(V1Problem) -> String {
        guard let text = query.text("query") else { throw .badParameter("query", "the words to search for") }
        guard text.utf8.count <= Self.maximumText else {
            throw .badParameter("query", "at most \(Self.maximumText) bytes long")
        }
        return text
    }

    func filter() throws(V1Problem) -> ContentFilter {
        let genres = query.all("genre").filter { $0.lowercased() != "all genres" && $0.lowercased() != "all" }
        guard genres.count <= 20, genres.allSatisfy({ $0.utf8.count <= 256 }) else {
            throw .badParameter("genre", "at most 20 names of genres")
        }
        return ContentFilter(genres: genres, onlyDownloadable: try query.flag("only_downloadable"))
    }

    static let spans: [(String, Span)] = [
        ("week", .week), ("month", .month), ("year", .year), ("allTime", .allTime), ("all_time", .allTime),
    ]

    func span(default fallback: Span = .week) throws(V1Problem) -> Span {
        if let span = try query.choice("time", Self.spans) { return span }
        // The original calls it so in one of its routes.
        return try query.choice("window", Self.spans) ?? fallback
    }

    static let orders: [(String, ContentOrder)] = [
        ("date", .date), ("plays", .plays), ("reposts", .reposts), ("favorites", .saves), ("saves", .saves),
        ("title", .title),
    ]

    func order() throws(V1Problem) -> ContentOrder { try query.choice("sort", Self.orders) ?? .date }

    enum Kind: Sendable { case all, users, contents, lists, albums }

    static let kinds: [(String, Kind)] = [
        ("all", .all), ("users", .users), ("digital_contents", .contents), ("digitalContents", .contents),
        ("tracks", .contents), ("content_lists", .lists), ("contentLists", .lists), ("playlists", .lists),
        ("albums", .albums),
    ]

    func kind() throws(V1Problem) -> Kind { try query.choice("kind", Self.kinds) ?? .all }

    static let listKinds: [(String, Bool?)] = [
        ("all", nil), ("playlists", false), ("content_lists", false), ("albums", true),
    ]

    /// Whether albums are wanted, or what is none, or both.
    func albums() throws(V1Problem) -> Bool? { try query.choice("kind", Self.listKinds) ?? nil }

    // MARK: Answers

    func result(_ page: Page<UserRow>) -> V1Result { result(page, UserShape.shape) }
    func result(_ page: Page<ContentRow>) -> V1Result { result(page, ContentShape.shape) }
    func result(_ page: Page<ActivityRow>) -> V1Result { result(page, ActivityShape.shape) }
    func result(_ page: Page<ListRow>) -> V1Result {
        result(Page(page.rows.map { ListView(row: $0) }, next: page.next), ListShape.shape)
    }

    func result<Row: Sendable>(_ page: Page<Row>, _ shape: Shape<Row>) -> V1Result {
        let context = context
        return V1Result(.array(page.rows.map { shape.json($0, context) }), next: page.next)
    }

    /// The author in the path, who must be known.
    func user() throws -> UserRow {
        guard let row = try reader.user(try id("user"), viewer: try viewer()) else { throw V1Problem.notFound("user") }
        return row
    }

    /// The piece of digital content in the path, which must be known; it may be deleted.
    func content() throws -> ContentRow {
        guard let row = try reader.content(try id("digital content"), viewer: try viewer()) else {
            throw V1Problem.notFound("digital content")
        }
        return row
    }

    /// The list in the path, which must be known; it may be deleted.
    func list() throws -> ListRow {
        guard let row = try reader.list(try id("content list"), viewer: try viewer()) else {
            throw V1Problem.notFound("content list")
        }
        return row
    }
}
