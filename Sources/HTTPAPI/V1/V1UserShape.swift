import Catalog

enum UserShape {
    typealias Field = Shape<UserRow>.Field

    /// An author.
    static let shape = Shape<UserRow>(
        "User",
        "An author. Handles are claims: handle_certain says which of those who claim one. Fields about wallets, "
            + "balances and tips are here for old clients and always empty.",
        [identity, counts, pictures, marks, chain])

    private static let identity: [Field] = [
        .text("id") { $0.id.description },
        .text("handle") { $0.handle },
        .text("handle_lc") { $0.handle.lowercased() },
        .text("handle_certain") { $0.certainHandle },
        .text("name") { $0.name },
        .maybe("bio") { $0.fields.bio },
        .maybe("location") { $0.fields.location },
        .maybe("website") { $0.fields.website },
        .text("permalink") { $0.permalink },
        .text("author") { $0.author.description },
        .flag("is_deactivated") { $0.fields.isDeactivated },
        .flag("is_available") { !$0.fields.isDeactivated },
        .flag("is_equivocated") { $0.isEquivocated },
        .time("created_at") { $0.created },
        .time("updated_at") { $0.updated },
    ]

    private static let counts: [Field] = [
        .count("follower_count") { $0.counts.followers },
        .count("followee_count") { $0.counts.following },
        .count("subscriber_count") { $0.counts.subscribers },
        .count("track_count") { $0.counts.contents },
        .count("playlist_count") { $0.counts.lists },
        .count("album_count") { $0.counts.albums },
        .count("repost_count") { $0.counts.madeReposts },
        .count("favorite_count") { $0.counts.madeSaves },
    ]

    private static let pictures: [Field] = [
        .value("profile_picture", Pictures.type(Pictures.square)) { row, context in
            Pictures.json(row.fields.picture, "users/\(row.id)/picture", Pictures.square, context)
        },
        .value("cover_photo", Pictures.type(Pictures.wide)) { row, context in
            Pictures.json(row.fields.cover, "users/\(row.id)/cover", Pictures.wide, context)
        },
        .value("profile_picture_sizes", .optional(.string), full: true) { row, _ in .maybe(row.fields.picture) },
        .value("cover_photo_sizes", .optional(.string), full: true) { row, _ in .maybe(row.fields.cover) },
    ]

    private static let marks: [Field] = [
        .flag("does_current_user_follow") { $0.marks?.isFollowed ?? false },
        .flag("does_follow_current_user") { $0.marks?.isFollower ?? false },
        .flag("does_current_user_subscribe") { $0.marks?.isSubscribed ?? false },
    ]

    /// What needs a blockchain, or a company that looks at passports.
    private static let chain: [Field] = [
        .fixed("is_verified", .boolean, false, full: false),
        .fixed("verified_with_twitter", .boolean, false), .fixed("verified_with_instagram", .boolean, false),
        .fixed("verified_with_tiktok", .boolean, false),
        .fixed("twitter_handle", .optional(.string), .null), .fixed("instagram_handle", .optional(.string), .null),
        .fixed("tiktok_handle", .optional(.string), .null), .fixed("donation", .optional(.string), .null),
        .fixed("artist_pick_track_id", .optional(.string), .null),
        .fixed("current_user_followee_follow_count", .integer, 0),
        .fixed("supporter_count", .integer, 0, full: false), .fixed("supporting_count", .integer, 0, full: false),
        .fixed("total_audio_balance", .integer, 0, full: false),
        .fixed("erc_wallet", .string, "", full: false), .fixed("spl_wallet", .string, "", full: false),
        .fixed("spl_usdc_payout_wallet", .optional(.string), .null),
        .fixed("wallet", .string, ""), .fixed("balance", .string, "0"),
        .fixed("associated_wallets_balance", .string, "0"), .fixed("total_balance", .string, "0"),
        .fixed("waudio_balance", .string, "0"), .fixed("associated_sol_wallets_balance", .string, "0"),
        .fixed("blocknumber", .integer, 0), .fixed("is_storage_v2", .boolean, true),
        .fixed("creator_node_endpoint", .optional(.string), .null),
        .fixed("metadata_multihash", .optional(.string), .null), .fixed("has_collectibles", .boolean, false),
        .fixed("playlist_library", .optional(.any), .null), .fixed("allow_ai_attribution", .boolean, false),
    ]
}
