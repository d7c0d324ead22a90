import Catalog

/// One route of the read side: what dispatches it is what the OpenAPI document is made from.
struct V1Route: Sendable {
    /// Below `/v1/`, in the canonical spelling: `users/{id}/followers`.
    let pattern: String
    /// Its name in the document.
    let name: String
    let summary: String
    let parameters: [V1Parameter]
    let answer: Answer
    let action: Action

    /// What `data` holds, or what else comes.
    enum Answer: Sendable {
        case data(ValueType)
        /// The same, in pages.
        case pages(of: ValueType)
        case document
        case audio
        case image
        case events
    }

    enum Action: Sendable {
        /// Reads the view; runs on a thread that may block on the disk.
        case query(@Sendable (V1Call) throws -> V1Result)
        /// Does more.
        case answer(@Sendable (V1Call) async throws -> V1Answer)
    }

    /// A route that answers one value.
    static func one(
        _ pattern: String, _ name: String, _ summary: String, _ type: ValueType, _ parameters: [V1Parameter] = [],
        _ query: @escaping @Sendable (V1Call) throws -> V1Result
    ) -> V1Route {
        V1Route(
            pattern: pattern, name: name, summary: summary, parameters: parameters + [.viewer], answer: .data(type),
            action: .query(query))
    }

    /// A route that answers a list in pages.
    static func pages(
        _ pattern: String, _ name: String, _ summary: String, of type: ValueType, _ parameters: [V1Parameter] = [],
        _ query: @escaping @Sendable (V1Call) throws -> V1Result
    ) -> V1Route {
        V1Route(
            pattern: pattern, name: name, summary: summary,
            parameters: parameters + [.viewer, .limit, .offset, .cursor], answer: .pages(of: type),
            action: .query(query))
    }
}

/// What a query answered, before it is JSON text.
struct V1Result: Sendable {
    var data: JSON
    /// Where the next page begins.
    var next: PageCursor?
    /// Members beside `data`.
    var others: [JSON.Member] = []
    /// Where the answer would have been found directly.
    var location: String?

    init(_ data: JSON, next: PageCursor? = nil) {
        self.data = data
        self.next = next
    }

    var json: JSON {
        var members = [JSON.Member("data", data)] + others
        if let next { members.append(.init("next_cursor", JSON(next))) }
        return .object(members)
    }
}

/// A parameter of a query, as the document describes it.
struct V1Parameter: Sendable {
    let name: String
    let about: String
    let schema: JSON
    var isRequired = false
    var isRepeated = false

    private static func text(_ name: String, _ about: String) -> V1Parameter {
        V1Parameter(name: name, about: about, schema: ["type": "string"])
    }

    private static func choice(_ name: String, _ about: String, _ values: [String]) -> V1Parameter {
        V1Parameter(
            name: name, about: about, schema: ["type": "string", "enum": .array(values.map { .string($0) })])
    }

    static let limit = V1Parameter(
        name: "limit", about: "Rows of a page; more than 500 are 500.",
        schema: ["type": "integer", "minimum": 1, "default": .int(V1Call.defaultLimit)])
    static let offset = V1Parameter(
        name: "offset",
        about: "Rows to skip. Farther pages are reached by cursor, which neither repeats nor hides rows "
            + "when new ones come.",
        schema: ["type": "integer", "minimum": 0, "maximum": .int(PageRequest.maximumOffset)])
    static let cursor = text("cursor", "Where to go on: next_cursor of the page before, from this node.")
    static let viewer = text("user_id", "Whoever looks: decides the marks in rows and what a handle means.")
    static var owner: V1Parameter {
        var owner = text("user_id", "Whose feed it is.")
        owner.isRequired = true
        return owner
    }
    static var query: V1Parameter {
        var query = text("query", "Words to search for.")
        query.isRequired = true
        return query
    }
    static var ids: V1Parameter {
        var ids = text("id", "Ids; may be repeated, or be a list with commas. 500 at most.")
        ids.isRepeated = true
        return ids
    }
    static var permalinks: V1Parameter {
        var permalinks = text("permalink", "Paths of pages; may be repeated. 100 at most.")
        permalinks.isRepeated = true
        return permalinks
    }
    static var genre: V1Parameter {
        var genre = text("genre", "Only of these genres; may be repeated.")
        genre.isRepeated = true
        return genre
    }
    static let onlyDownloadable = V1Parameter(
        name: "only_downloadable", about: "Only what its author lets others download.", schema: ["type": "boolean"])
    static let time = choice("time", "The span that is ranked.", V1Call.spans.map(\.0))
    static let sort = choice("sort", "The order.", V1Call.orders.map(\.0))
    static let kind = choice("kind", "What is wanted.", V1Call.kinds.map(\.0))
    static let listKind = choice("kind", "Playlists or albums only.", V1Call.listKinds.map(\.0))
    static let filter = choice(
        "filter", "Everything, or only reposts, or only originals.", FeedFilter.allCases.map(\.rawValue))
    static var url: V1Parameter {
        var url = text("url", "The path of a page, or a URL with one.")
        url.isRequired = true
        return url
    }
    static var excluded: V1Parameter {
        var excluded = text("exclusion_list", "Ids to leave out; may be repeated.")
        excluded.isRepeated = true
        return excluded
    }
    static let original = V1Parameter(
        name: "original", about: "The original file instead of the one for streaming.", schema: ["type": "boolean"])
    static let preview = V1Parameter(
        name: "preview", about: "The preview instead of the whole.", schema: ["type": "boolean"])
    static let noRedirect = V1Parameter(
        name: "no_redirect", about: "Answers {\"data\": URL} instead of the bytes.", schema: ["type": "boolean"])
    static let local = V1Parameter(
        name: "local", about: "Only what this node knows already; else the network is asked for up to two seconds.",
        schema: ["type": "boolean"])
    static let pictureCID = text("cid", "The picture's CID: if it is still this one, the answer may be kept for ever.")
    static let after = V1Parameter(
        name: "id", about: "Begins behind this event; the header Last-Event-ID says the same. 0 is the beginning.",
        schema: ["type": "integer", "minimum": 0])
    static let updateKinds = text("kind", "Only updates of these kinds, a list with commas.")
}
