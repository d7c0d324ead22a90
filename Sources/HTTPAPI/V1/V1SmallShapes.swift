import Catalog
import Multiformats

enum CommentShape {
    typealias Field = Shape<CommentRow>.Field

    /// A comment.
    static let shape = Shape<CommentRow>(
        "Comment", "A comment on a piece of digital content. Answers stand in the same list, with parent_comment_id.",
        [
            [
                .text("id") { $0.id.description }, .text("message") { $0.text },
                .text("user_id") { $0.user.id.description },
                .value("user", .named("User")) { row, context in UserShape.shape.json(row.user, context) },
                .text("entity_id") { $0.content.description }, .fixed("entity_type", .string, "Track", full: false),
                .maybe("parent_comment_id") { $0.parent?.description },
                .flag("is_edited") { $0.updated > $0.created }, .time("created_at") { $0.created },
                .time("updated_at") { $0.updated }, .fixed("react_count", .integer, 0, full: false),
                .count("reply_count") { $0.replies }, .fixed("replies", .list(.any), [], full: false),
                .fixed("is_current_user_reacted", .boolean, false, full: false),
                .fixed("is_artist_reacted", .boolean, false, full: false),
                .fixed("is_tombstone", .boolean, false, full: false), .fixed("is_muted", .boolean, false, full: false),
            ]
        ])
}

enum ActivityShape {
    typealias Field = Shape<ActivityRow>.Field

    /// Something that somebody did with an item.
    static let shape = Shape<ActivityRow>(
        "Activity", "A piece of digital content or a content list, and when somebody published, reposted or saved it.",
        [
            [
                .time("timestamp") { $0.time }, .text("item_type") { $0.item.type }, .text("type") { $0.item.type },
                .value("class", .string) { row, context in
                    switch row.item {
                    case .content: .string(context.isFull ? "track_activity_full" : "track_activity")
                    case .list:
                        .string(
                            context.isFull ? "collection_activity_full_without_tracks" : "collection_activity")
                    }
                },
                .value("item", .any) { row, context in
                    switch row.item {
                    case .content(let content): ContentShape.shape.json(content, context)
                    case .list(let list): ListShape.shape.json(ListView(row: list), context)
                    }
                },
                .maybe("user_id") { $0.actor?.description },
            ]
        ])

    /// What an author saved: an activity with the names that the original's short answer has.
    static let favorite = Shape<ActivityRow>(
        "SavedItem", "What somebody saved, and when.",
        [
            shape.fields,
            [
                .text("favorite_item_id") { $0.item.id.description },
                .text("favorite_type") { $0.item.favoriteType }, .time("created_at") { $0.time },
            ],
        ])
}

extension ItemRow {
    /// What the original calls it.
    fileprivate var type: String {
        switch self {
        case .content: "track"
        case .list: "playlist"
        }
    }

    fileprivate var favoriteType: String {
        switch self {
        case .content: "SaveType.track"
        case .list(let list): list.fields.isAlbum ? "SaveType.album" : "SaveType.playlist"
        }
    }
}

enum HistoryShape {
    typealias Field = Shape<HistoryRow>.Field

    /// A day on which an author's node reported plays of something.
    static let shape = Shape<HistoryRow>(
        "HistoryItem", "What somebody reported as played, by day.",
        [
            [
                .time("timestamp") { $0.day < 100_000_000 ? $0.day * 86_400_000 : 0 },
                .fixed("item_type", .string, "track", full: false),
                .value("class", .string) { _, context in
                    .string(context.isFull ? "track_activity_full" : "track_activity")
                },
                .value("item", .named("DigitalContent")) { row, context in
                    ContentShape.shape.json(row.content, context)
                },
                .count("count") { Int(clamping: $0.count) },
            ]
        ])
}

/// A node that has the files of a piece of digital content, or whose owner says so.
struct Holder: Sendable {
    /// How this node knows.
    enum Source: String, CaseIterable, Sendable {
        /// The files begin on this node's disk.
        case disk
        /// The network names it: it says that it has the file.
        case network
        /// The author announces it as their node.
        case author
    }

    let peer: String
    let source: Source
    /// Where its HTTP API can be reached.
    let endpoint: String?
    let roles: [String]
    let user: UserRow?
}

enum HolderShape {
    typealias Field = Shape<Holder>.Field

    /// A node that has content.
    static let shape = Shape<Holder>(
        "Holder",
        "A node that has the content, and how that is known: disk for this node itself, network for those who say so "
            + "to the network, author for those that its author announces.",
        [
            [
                .text("peer_id") { $0.peer }, .flag("is_self") { $0.source == .disk },
                .text("source") { $0.source.rawValue }, .maybe("endpoint") { $0.endpoint },
                .value("roles", .list(.string)) { row, _ in .array(row.roles.map { .string($0) }) },
                .value("user", .optional(.named("User"))) { row, context in
                    row.user.map { UserShape.shape.json($0, context) } ?? .null
                },
            ]
        ])
}

enum NodeShape {
    typealias Field = Shape<NodeRow>.Field

    /// An announced node.
    static let shape = Shape<NodeRow>(
        "Node", "A node that an author answers for, as it announced itself within the last 24 hours.",
        [
            [
                .text("peer_id") { $0.body.peer.description }, .maybe("endpoint") { $0.body.endpoint },
                .value("roles", .list(.string)) { row, _ in .array(row.body.roles.map { .string($0) }) },
                .count("capacity") { Int(clamping: $0.body.capacity) }, .count("free") { Int(clamping: $0.body.free) },
                .flag("accepting") { $0.body.isAccepting }, .text("version") { $0.body.version },
                .time("announced_at") { $0.time },
                .value("user", .named("User")) { row, context in UserShape.shape.json(row.user, context) },
            ]
        ])
}

/// Every schema that answers name.
enum V1Schemas {
    static let all: [JSON.Member] = [
        .init("User", UserShape.shape.schema), .init("DigitalContent", ContentShape.shape.schema),
        .init("MediaFile", MediaShape.shape.schema), .init("ContentList", ListShape.shape.schema),
        .init("ContentListItem", ListShape.item.schema), .init("Repost", Marks.repost.schema),
        .init("Favorite", Marks.favorite.schema), .init("Comment", CommentShape.shape.schema),
        .init("Activity", ActivityShape.shape.schema), .init("SavedItem", ActivityShape.favorite.schema),
        .init("HistoryItem", HistoryShape.shape.schema), .init("Holder", HolderShape.shape.schema),
        .init("Node", NodeShape.shape.schema),
        .init(
            "Problem",
            ValueType.object([("type", .string), ("title", .string), ("status", .integer), ("detail", .string)]).schema
        ),
    ]
}
