import Catalog
import Multiformats
import PeerNode

/// What a user means by a text: an id, a handle, an author, the path of a page or a URL with one.
extension API {
    /// Finds what `text` names. Throws `notFound`, and `conflict` when several authors claim the handle.
    func target(_ text: String, viewer: Viewer? = nil) async throws -> Resolved {
        let reader = node.catalog.reader
        let found = try await node.plane.blocking { try Self.find(text, reader, viewer) }
        switch found {
        case nil: throw RPCError(.notFound, "nothing in this node's catalog is called '\(text)'")
        case .users(let users):
            let names = users.prefix(10).map { "\($0.certainHandle) (\($0.name))" }.joined(separator: ", ")
            throw RPCError(.conflict, "several authors call themselves '\(text)': name one of \(names)")
        case let found?: return found
        }
    }

    private static func find(_ text: String, _ reader: CatalogReader, _ viewer: Viewer?) throws -> Resolved? {
        if let author = AuthorID(text) { return try reader.user(author, viewer: viewer).map { .user($0) } }
        if let id = EntityID(text) {
            if let row = try reader.content(id, viewer: viewer) { return .content(row) }
            if let row = try reader.list(id, viewer: viewer) { return .list(row) }
            if let row = try reader.user(id, viewer: viewer) { return .user(row) }
        }
        let path = text.contains("/") ? text : "/" + text
        return try reader.resolve(path, viewer: viewer)
    }

    func targetContent(_ text: String) async throws -> ContentRow {
        guard case .content(let row) = try await target(text) else {
            throw RPCError(.notFound, "'\(text)' is no digital content: see `peernode search`")
        }
        guard !row.isDeleted else { throw RPCError(.notFound, "'\(text)' was taken back by its author") }
        return row
    }

    /// A list; one of the author in use may be called by its name.
    func targetList(_ text: String, of author: AuthorID?) async throws -> ListRow {
        if let author {
            let reader = node.catalog.reader
            let page = PageRequest(limit: PageRequest.maximumLimit)
            let own = try await node.plane.blocking { try reader.lists(by: EntityID(.author, author), page).rows }
            let named = own.filter { $0.name == text }
            guard named.count < 2 else {
                let ids = named.map(\.id.description).joined(separator: ", ")
                throw RPCError(.conflict, "several of your lists are called '\(text)': name one of \(ids)")
            }
            if let id = named.first?.id, let row = try await node.plane.blocking({ try reader.list(id) }) {
                return row
            }
        }
        guard case .list(let row) = try await target(text) else {
            throw RPCError(.notFound, "'\(text)' is no content list: see `peernode list ls`")
        }
        guard !row.isDeleted else { throw RPCError(.notFound, "'\(text)' was deleted by its author") }
        return row
    }

    /// The author, who need not have a profile.
    func targetAuthor(_ text: String) async throws -> AuthorID {
        if let author = AuthorID(text) { return author }
        guard case .user(let row) = try await target(text) else {
            throw RPCError(.notFound, "'\(text)' is no author: see `peernode search --kind users`")
        }
        return row.author
    }
}

// MARK: Who signs

extension API {
    /// The author who signs: the option `author`, a name or an id, else the one in use.
    func signer(_ request: RPCRequest) async throws -> AuthorID {
        guard let author = try await signerIfAny(request) else { throw CatalogServiceError.noAuthor }
        return author
    }

    /// The same; nil when there is none.
    func signerIfAny(_ request: RPCRequest) async throws -> AuthorID? {
        let (name, catalog) = (request.parameters.text("author"), node.catalog)
        return try await node.plane.blocking { () throws -> AuthorID? in
            if let name { return try catalog.authors.entry(name).id }
            return try catalog.currentAuthor()
        }
    }

    /// Whether this node has the author's key.
    func isOwn(_ author: AuthorID) async throws -> Bool {
        let authors = node.catalog.authors
        return try await node.plane.blocking { try authors.list().contains { $0.id == author } }
    }

    /// Signs and stores an update by the author whom the request names.
    func sign(_ body: UpdateBody, as author: AuthorID, _ request: RPCRequest) async throws -> Update {
        try await node.catalog.publish(body, as: author, passphrase: request.parameters.text("passphrase"))
    }

    /// Which rows are asked for: `limit`, `offset` and `cursor`.
    static func page(_ request: RPCRequest, limit: Int = 20) throws -> PageRequest {
        var cursor: PageCursor?
        if let text = request.parameters.text("cursor"), !text.isEmpty {
            guard let read = PageCursor(text) else { throw RPCError.usage("'\(text)' is no cursor of this node") }
            cursor = read
        }
        return PageRequest(
            limit: try request.parameters.count("limit") ?? limit,
            offset: try request.parameters.count("offset") ?? 0, cursor: cursor)
    }

    /// One page as an answer.
    static func reply<Row>(_ page: Page<Row>, _ json: (Row) -> JSON) -> RPCReply { .value(items(page, json)) }

    static func items<Row>(_ page: Page<Row>, _ json: (Row) -> JSON) -> JSON {
        ["items": .array(page.rows.map(json)), "next": CatalogJSON.maybe(page.next?.description)]
    }

    /// A new id for an entity of an author.
    static func newID() -> String {
        Base.base58btc.encode((0..<16).map { _ in UInt8.random(in: 0...255) })
    }

    /// One field of a change: the option's value, null when `clear` names it.
    static func patch(_ request: RPCRequest, _ name: String) -> Patch<String> {
        if words(request.parameters.text("clear") ?? "").contains(name) { return .cleared }
        return Patch(request.parameters.text(name))
    }

    /// Throws when `clear` names anything but these fields.
    static func checkCleared(_ request: RPCRequest, _ fields: [String]) throws(RPCError) {
        guard let unknown = words(request.parameters.text("clear") ?? "").first(where: { !fields.contains($0) })
        else { return }
        throw .usage("there is no field '\(unknown)' to clear: name \(fields.joined(separator: ", "))")
    }

    /// The same for a picture, which is a CID or the path of a file of this machine.
    func picture(_ request: RPCRequest, _ name: String) async throws -> Patch<CID> {
        switch Self.patch(request, name) {
        case .unchanged: return .unchanged
        case .cleared: return .cleared
        case .set(let text):
            if text.hasPrefix("/"), !text.hasPrefix("/ipfs/") { return .set(try await node.addPicture(at: text)) }
            return .set(try Self.cid(text))
        }
    }

    /// Words between commas, without spaces around them.
    static func words(_ text: String) -> [String] {
        text.split(separator: ",").map { word -> String in
            var word = word
            while word.first?.isWhitespace == true { word.removeFirst() }
            while word.last?.isWhitespace == true { word.removeLast() }
            return String(word)
        }.filter { !$0.isEmpty }
    }
}
