import Catalog
import Multiformats

enum ContentShape {
    typealias Field = Shape<ContentRow>.Field

    /// A piece of digital content.
    static let shape = Shape<ContentRow>(
        "DigitalContent",
        "A piece of digital content. Fields about gates, purchases and blocks are here for old clients and always "
            + "empty.",
        [identity, description, counts, media, relations, marks, unused])

    private static let identity: [Field] = [
        .text("id") { $0.id.description },
        .text("title") { $0.title },
        .text("permalink") { $0.permalink },
        .text("user_id") { $0.user.id.description },
        .value("user", .named("User")) { row, context in UserShape.shape.json(row.user, context) },
        .text("author") { $0.entity.author.description },
        .text("entity_id") { $0.entity.id },
        .flag("is_delete") { $0.isDeleted },
        .flag("is_unlisted") { $0.fields.isUnlisted },
        .flag("is_available") { !$0.isDeleted },
        .time("created_at") { $0.created },
        .time("updated_at") { $0.updated },
        .value("route_id", .string, full: true) { row, _ in .string(String(row.permalink.dropFirst())) },
    ]

    private static let description: [Field] = [
        .maybe("description") { $0.fields.description },
        .text("genre") { $0.fields.genre ?? "" },
        .maybe("mood") { $0.fields.mood },
        .text("tags") { $0.fields.tags.joined(separator: ",") },
        .maybe("release_date") { $0.fields.releaseDate },
        .maybe("license") { $0.fields.license },
        .maybe("isrc") { $0.fields.isrc },
        .count("duration") { Int(clamping: (($0.fields.duration ?? 0) + 500) / 1000) },
        .count("duration_ms") { Int(clamping: $0.fields.duration ?? 0) },
        .value("artwork", Pictures.type(Pictures.square)) { row, context in
            Pictures.json(row.fields.artwork, "digital_contents/\(row.id)/artwork", Pictures.square, context)
        },
        .value("cover_art_sizes", .optional(.string), full: true) { row, _ in .maybe(row.fields.artwork) },
    ]

    private static let counts: [Field] = [
        .count("repost_count") { $0.counts.reposts },
        .count("favorite_count") { $0.counts.saves },
        .count("comment_count") { $0.counts.comments },
        .count("play_count") { $0.counts.plays },
        .count("remix_count") { $0.counts.remixes },
        .count("replicas_wanted") { Int(clamping: $0.fields.replicas ?? 0) },
    ]

    private static let access = ValueType.object([("stream", .boolean), ("download", .boolean)])

    private static let media: [Field] = [
        .value("access", access) { row, _ in
            ["stream": .bool(row.fields.access.stream), "download": .bool(row.fields.access.download)]
        },
        .flag("is_streamable") { !$0.isDeleted && $0.fields.access.stream && $0.streamed != nil },
        .flag("is_downloadable") { !$0.isDeleted && $0.fields.access.download && $0.streamed != nil },
        .flag("is_original_available") { $0.original != nil },
        .maybe("track_cid") { $0.streamed?.cid.description },
        .maybe("preview_cid") { row in row.fields.media.first { $0.role == .preview }?.cid.description },
        .maybe("orig_file_cid") { $0.original?.cid.description },
        .value("media", .list(.named("MediaFile"))) { row, context in
            .array(row.fields.media.map { MediaShape.shape.json($0, context) })
        },
        .value("stream", .optional(linkType)) { row, context in
            row.streamed == nil || row.isDeleted ? .null : link("stream", row, context)
        },
        .value("download", .optional(linkType)) { row, context in
            row.streamed == nil || row.isDeleted || !row.fields.access.download
                ? .null : link("download", row, context)
        },
        .fixed("orig_filename", .optional(.string), .null),
    ]

    private static let linkType = ValueType.object([("url", .url), ("mirrors", .list(.url))])

    private static func link(_ word: String, _ row: ContentRow, _ context: ShapeContext) -> JSON {
        ["url": .string("\(context.base)/v1/digital_contents/\(row.id)/\(word)"), "mirrors": []]
    }

    private static let relations: [Field] = [
        .value("remix_of", .optional(.object([("tracks", .list(.object([("parent_track_id", .string)])))]))) { row, _ in
            guard let parent = row.fields.remixOf else { return .null }
            return [
                "tracks": [
                    [
                        "parent_track_id": JSON(EntityID(.content, parent.author, parent.id)), "user": .null,
                        "has_remix_author_reposted": false, "has_remix_author_saved": false,
                    ]
                ]
            ]
        },
        .value("stem_of", .optional(.object([("parent_track_id", .string)]))) { row, _ in
            guard let parent = row.fields.stemOf else { return .null }
            return ["category": "", "parent_track_id": JSON(EntityID(.content, parent.author, parent.id))]
        },
    ]

    private static let marks: [Field] = [
        .flag("has_current_user_reposted") { $0.marks?.isReposted ?? false },
        .flag("has_current_user_saved") { $0.marks?.isSaved ?? false },
        .value("followee_reposts", .list(.named("Repost")), full: true) { row, _ in
            Marks.reposts(row.marks, of: row.id, "track")
        },
        .value("followee_favorites", .list(.named("Favorite")), full: true) { row, _ in
            Marks.favorites(row.marks, of: row.id, "track")
        },
    ]

    private static let visibility: JSON = [
        "mood": true, "tags": true, "genre": true, "share": true, "play_count": true, "remixes": true,
    ]

    /// What the original has and this network has not.
    private static let unused: [Field] = [
        .fixed("blocknumber", .integer, 0), .fixed("create_date", .optional(.string), .null),
        .fixed("cover_art", .optional(.string), .null), .fixed("cover_art_cids", .optional(.any), .null),
        .fixed("credits_splits", .optional(.string), .null), .fixed("iswc", .optional(.string), .null),
        .fixed("field_visibility", .any, visibility), .fixed("is_scheduled_release", .boolean, false),
        .fixed("track_segments", .list(.any), []), .fixed("is_stream_gated", .boolean, false),
        .fixed("stream_conditions", .optional(.any), .null), .fixed("is_download_gated", .boolean, false),
        .fixed("download_conditions", .optional(.any), .null), .fixed("ddex_app", .optional(.string), .null),
        .fixed("playlists_containing_track", .list(.any), []),
        .fixed("pinned_comment_id", .optional(.integer), .null), .fixed("comments_disabled", .boolean, false),
        .fixed("ai_attribution_user_id", .optional(.integer), .null),
        .fixed("preview_start_seconds", .optional(.number), .null), .fixed("bpm", .optional(.number), .null),
        .fixed("is_custom_bpm", .boolean, false), .fixed("musical_key", .optional(.string), .null),
        .fixed("is_custom_musical_key", .boolean, false), .fixed("audio_upload_id", .optional(.string), .null),
        .fixed("audio_analysis_error_count", .integer, 0),
    ]
}

enum MediaShape {
    typealias Field = Shape<ContentBody.Media>.Field

    /// One file of a piece of digital content.
    static let shape = Shape<ContentBody.Media>(
        "MediaFile", "One file of a piece of digital content, as its author describes it.",
        [
            [
                .text("cid") { $0.cid.description }, .text("mime") { $0.mime }, .text("codec") { $0.codec },
                .count("bitrate") { Int(clamping: $0.bitrate) }, .count("size") { Int(clamping: $0.size) },
                .text("role") { $0.role.rawValue },
            ]
        ])
}

/// What those whom the viewer follows did with an item.
enum Marks {
    static let repost = ValueType.object([("repost_item_id", .string), ("repost_type", .string), ("user_id", .string)])
    static let favorite = ValueType.object([
        ("favorite_item_id", .string), ("favorite_type", .string), ("user_id", .string),
    ])

    static func reposts(_ marks: ItemMarks?, of id: EntityID, _ type: String) -> JSON {
        .array(
            (marks?.followeeReposts ?? []).map {
                ["repost_item_id": JSON(id), "repost_type": .string(type), "user_id": JSON($0)]
            })
    }

    static func favorites(_ marks: ItemMarks?, of id: EntityID, _ type: String) -> JSON {
        .array(
            (marks?.followeeSaves ?? []).map {
                ["favorite_item_id": JSON(id), "favorite_type": .string(type), "user_id": JSON($0)]
            })
    }
}
