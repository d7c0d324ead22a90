import Catalog
import Multiformats
import PeerNode

/// How commands of the catalog write what they found: stable names in small letters.
enum CatalogJSON {
    static func user(_ row: UserRow) -> JSON {
        [
            "type": "user", "id": JSON(row.id), "author": JSON(row.author), "handle": .string(row.handle),
            "certain_handle": .string(row.certainHandle), "name": .string(row.name),
            "bio": maybe(row.fields.bio), "location": maybe(row.fields.location),
            "website": maybe(row.fields.website), "picture": maybe(row.fields.picture?.description),
            "cover": maybe(row.fields.cover?.description), "deactivated": .bool(row.fields.isDeactivated),
            "followers": .int(row.counts.followers), "following": .int(row.counts.following),
            "contents": .int(row.counts.contents), "albums": .int(row.counts.albums),
            "lists": .int(row.counts.lists), "reposts": .int(row.counts.madeReposts),
            "equivocated": .bool(row.isEquivocated), "permalink": .string(row.permalink),
            "created": time(row.created), "updated": time(row.updated),
        ]
    }

    static func content(_ row: ContentRow) -> JSON {
        [
            "type": "content", "id": JSON(row.id), "title": .string(row.title),
            "user": .string(row.user.name), "handle": .string(row.user.certainHandle), "user_id": JSON(row.user.id),
            "author": JSON(row.entity.author), "entity": .string(row.entity.id),
            "duration_ms": .int(Int(clamping: row.fields.duration ?? 0)), "genre": maybe(row.fields.genre),
            "mood": maybe(row.fields.mood), "tags": .array(row.fields.tags.map { .string($0) }),
            "description": maybe(row.fields.description), "release_date": maybe(row.fields.releaseDate),
            "license": maybe(row.fields.license), "isrc": maybe(row.fields.isrc),
            "cid": maybe(row.streamed?.cid.description), "media": .array(row.fields.media.map(media)),
            "artwork": maybe(row.fields.artwork?.description), "unlisted": .bool(row.fields.isUnlisted),
            "replicas": row.fields.replicas.map { .int(Int(clamping: $0)) } ?? .null,
            "reposts": .int(row.counts.reposts), "saves": .int(row.counts.saves),
            "comments": .int(row.counts.comments), "plays": .int(row.counts.plays),
            "deleted": .bool(row.isDeleted), "permalink": .string(row.permalink), "created": time(row.created),
            "updated": time(row.updated),
        ]
    }

    static func list(_ row: ListRow) -> JSON {
        [
            "type": "list", "id": JSON(row.id), "name": .string(row.name), "is_album": .bool(row.fields.isAlbum),
            "user": .string(row.user.name), "handle": .string(row.user.certainHandle), "user_id": JSON(row.user.id),
            "author": JSON(row.entity.author), "entity": .string(row.entity.id),
            "description": maybe(row.fields.description), "artwork": maybe(row.fields.artwork?.description),
            "items": .int(row.itemCount), "reposts": .int(row.counts.reposts), "saves": .int(row.counts.saves),
            "deleted": .bool(row.isDeleted), "permalink": .string(row.permalink), "created": time(row.created),
            "updated": time(row.updated),
        ]
    }

    static func item(_ row: ItemRow) -> JSON {
        switch row {
        case .content(let row): content(row)
        case .list(let row): list(row)
        }
    }

    static func comment(_ row: CommentRow) -> JSON {
        [
            "type": "comment", "id": JSON(row.id), "content": JSON(row.content),
            "parent": maybe(row.parent?.description), "user": .string(row.user.name),
            "handle": .string(row.user.certainHandle), "user_id": JSON(row.user.id), "text": .string(row.text),
            "created": time(row.created), "updated": time(row.updated),
        ]
    }

    /// An update with its body as dag-json; null when that is not here.
    static func event(_ event: CatalogEvent) -> JSON {
        let update = event.update
        var members: [JSON.Member] = [
            .init("event", .int(Int(event.id))), .init("cid", JSON(update.cid)), .init("author", JSON(update.author)),
            .init("seq", .int(Int(clamping: update.seq))), .init("time", time(update.time)),
            .init("kind", JSON(update.kind)), .init("counts", .bool(event.counts)),
            .init("prev", .array(update.header.prev.map { JSON($0.cid) })), .init("size", .int(update.block.count)),
        ]
        if let acting = update.header.acting { members.append(.init("for", JSON(acting.owner))) }
        members.append(.init("body", update.body.map(body) ?? .null))
        return .object(members)
    }

    static func update(_ update: Update) -> JSON {
        ["cid": JSON(update.cid), "author": JSON(update.author), "kind": JSON(update.kind), "time": time(update.time)]
    }

    /// RFC 3339, UTC; null for no time.
    static func time(_ milliseconds: UInt64) -> JSON {
        guard milliseconds > 0 else { return .null }
        return .string(CivilTime(secondsSince1970: Int64(clamping: milliseconds / 1_000)).text + "Z")
    }

    static func maybe(_ text: String?) -> JSON { text.map { .string($0) } ?? .null }

    private static func media(_ media: ContentBody.Media) -> JSON {
        [
            "cid": JSON(media.cid), "mime": .string(media.mime), "codec": .string(media.codec),
            "bitrate": .int(Int(clamping: media.bitrate)), "size": .int(Int(clamping: media.size)),
            "role": .string(media.role.rawValue),
        ]
    }

    private static func body(_ body: UpdateBody) -> JSON {
        guard let bytes = try? DagJSON.encode(.map(body.entries)), let json = try? JSON(parsing: bytes) else {
            return .null
        }
        return json
    }
}
