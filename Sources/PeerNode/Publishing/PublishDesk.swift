import Catalog
import Media
import Multiformats
import PeerCrypto

/// Says in the catalog what was stored: one `content.put` per track, and the list of an album. What the catalog says
/// already is not said again.
struct PublishDesk: Sendable {
    private let catalog: CatalogService
    private let author: AuthorID
    private let key: KeyPair
    private let request: PublishRequest
    private let tell: @Sendable (PublishEvent) -> Void

    init(
        _ catalog: CatalogService, author: AuthorID, key: KeyPair, _ request: PublishRequest,
        tell: @escaping @Sendable (PublishEvent) -> Void
    ) {
        self.catalog = catalog
        self.author = author
        self.key = key
        self.request = request
        self.tell = tell
    }

    func publish(_ tracks: [Publisher.Stored], of album: AlbumFolder, artwork: CID?) async throws {
        var ids: [String] = []
        for track in tracks {
            let isOne = tracks.count == 1 && !album.isAlbum
            ids.append(try await publish(track, title: isOne ? request.title : nil, artwork: artwork))
        }
        guard let name = request.list ?? (album.isAlbum ? request.title ?? album.name ?? "Untitled" : nil) else {
            return
        }
        try await list(ids, name: name, isAlbum: request.list == nil || album.isAlbum, artwork: artwork)
    }

    // MARK: Content

    /// Gives the author's id of the content, which is published when this returns.
    private func publish(_ stored: Publisher.Stored, title: String?, artwork: CID?) async throws -> String {
        let title = title ?? stored.track.title
        let (id, known) = try content(of: stored.cid)
        if let known {
            tell(.published(known.id, title: known.title, media: stored.cid, isNew: false))
            return known.entity.id
        }
        try await sign(.content(body(id, stored, title, artwork)))
        tell(.published(EntityID(.content, author, id), title: title, media: stored.cid, isNew: true))
        return id
    }

    /// What the author has published of this media already, else a free id for it: made of the media, so that two
    /// tries at once make one piece of content. One that was deleted stays so, and the next gets another id.
    private func content(of cid: CID) throws -> (id: String, ContentRow?) {
        let known = try catalog.reader.contents(withMedia: cid).first { $0.entity.author == author && !$0.isDeleted }
        if let known { return (known.entity.id, known) }
        var number = 0
        while true {
            let id = Self.id("content", cid.description, number)
            guard let row = try catalog.reader.content(EntityID(.content, author, id)) else { return (id, nil) }
            if !row.isDeleted { return (id, row) }
            number += 1
        }
    }

    private func body(_ id: String, _ stored: Publisher.Stored, _ title: String, _ artwork: CID?) -> ContentBody {
        let (track, tags) = (stored.track, stored.track.tags)
        var body = ContentBody(id: id)
        body.title = .set(title)
        body.description = Patch(request.description ?? tags?.comment)
        body.genre = Patch(request.genre ?? tags?.genre)
        body.mood = Patch(request.mood ?? tags?.mood)
        body.releaseDate = Patch(request.releaseDate ?? tags?.date ?? tags?.year.map { String($0) })
        body.license = Patch(request.license)
        body.isrc = Patch(tags?.isrc)
        body.duration = Patch(tags?.milliseconds.map { UInt64(max(0, $0)) })
        body.artwork = Patch(artwork)
        body.replicas = Patch(request.replicas)
        if request.isUnlisted { body.unlisted = .set(true) }
        body.media = .set([
            ContentBody.Media(
                cid: stored.cid, mime: track.kind.mimeType, codec: tags?.codec ?? "",
                bitrate: UInt64(max(0, tags?.bitrate ?? 0)) * 1_000, size: stored.size, role: .original)
        ])
        let artist = request.artist ?? tags?.artist
        let words = Self.words(request.tags, artist)
        if !words.isEmpty { body.tags = .set(words) }
        // The record's author is whoever publishes; who plays may be somebody else.
        if let artist { body.extra = [DAGEntry("artist", .string(artist))] }
        return body
    }

    /// The user's tags and, so that searches find it, who plays.
    private static func words(_ tags: [String], _ artist: String?) -> [String] {
        var result: [String] = []
        for tag in tags + [artist].compactMap({ $0 }) {
            guard let word = TagText.clean(tag, limit: TagText.wordLimit),
                !result.contains(where: { $0.lowercased() == word.lowercased() })
            else { continue }
            result.append(word)
        }
        return Array(result.prefix(UpdateLimits.tags))
    }

    // MARK: The list

    private func list(_ ids: [String], name: String, isAlbum: Bool, artwork: CID?) async throws {
        let contents = ids.map { EntityID(.content, author, $0) }
        let (id, known) = try list(named: name, isAlbum: isAlbum, sharing: Set(contents))
        if known == nil {
            var body = ListBody(id: id)
            body.name = .set(name)
            body.isAlbum = .set(isAlbum)
            body.artwork = Patch(artwork)
            try await sign(.list(body))
        }
        var items = (known?.items ?? []).map { (content: $0.content, position: $0.position) }
        // An album keeps the order of its tracks; a list that was named gets them at its end.
        var place = isAlbum && request.list == nil ? 0 : items.count
        var added = 0
        for (content, entity) in zip(contents, ids) {
            if let found = items.firstIndex(where: { $0.content == content }) {
                place = max(place, found + 1)
                continue
            }
            let lower = place > 0 ? items[place - 1].position : nil
            let upper = place < items.count ? items[place].position : nil
            guard let position = ListPosition.between(lower, upper) else { throw PublishError.listFull(name) }
            let body = ListItemBody(list: id, .add(EntityRef(author, entity), position))
            try await sign(.listItem(body))
            items.insert((content, position), at: place)
            place += 1
            added += 1
        }
        tell(.listed(EntityID(.list, author, id), name: name, added: added, isNew: known == nil))
    }

    /// The author's list of that name, or a free id for one. Another album of the same name is left alone: it is the
    /// same only when it has some of these tracks, or none at all yet.
    private func list(
        named name: String, isAlbum: Bool, sharing contents: Set<EntityID>
    ) throws -> (id: String, ListRow?) {
        func fits(_ row: ListRow) -> Bool {
            !row.isDeleted && row.name.lowercased() == name.lowercased()
                && (request.list != nil || row.items.isEmpty || row.items.contains { contents.contains($0.content) })
        }
        let page = PageRequest(limit: PageRequest.maximumLimit)
        let own = try catalog.reader.lists(by: EntityID(.author, author), page).rows
        if let known = try own.first(where: fits).flatMap({ try catalog.reader.list($0.id) }) {
            return (known.entity.id, known)
        }
        var number = 0
        while true {
            let id = Self.id("list", name.lowercased(), number)
            guard let row = try catalog.reader.list(EntityID(.list, author, id)) else { return (id, nil) }
            if fits(row) { return (id, row) }
            number += 1
        }
    }

    /// Signs and stores; what a user has given up is not gone on with.
    private func sign(_ body: UpdateBody) async throws {
        try Task.checkCancellation()
        _ = try await catalog.publish(body, as: author, passphrase: request.passphrase, key: key)
    }

    /// 22 characters of base58 as a rule.
    private static func id(_ kind: String, _ text: String, _ number: Int) -> String {
        let digest = ContentHash.sha256(Array("coliving-publish/1 \(kind) \(number) \(text)".utf8)).digest
        return Base.base58btc.encode(Array(digest.prefix(16)))
    }
}
