import Catalog

/// Routes about authors.
enum V1Users {
    static let routes: [V1Route] = own + around + did

    private static let own: [V1Route] = [
        .one("users", "getUsers", "Users by their ids", .list(.named("User")), [.ids]) { call in
            guard let ids = try call.ids() else { throw V1Problem.badParameter("id", "the ids of users") }
            return call.result(Page(try call.reader.users(ids, viewer: try call.viewer())))
        },
        .one("users/{id}", "getUser", "One user", .named("User")) { call in
            V1Result(UserShape.shape.json(try call.user(), call.context))
        },
        .one("users/handle/{handle}", "getUserByHandle", handleSummary, .named("User")) { try byHandle($0) },
        .pages("users/search", "searchUsers", "Users by name or handle", of: .named("User"), [.query]) { call in
            call.result(try call.reader.searchUsers(try call.words(), try call.page(), viewer: try call.viewer()))
        },
        .pages("users/top", "getTopUsers", "Users with most followers", of: .named("User")) { call in
            call.result(try call.reader.topUsers(try call.page(), viewer: try call.viewer()))
        },
    ]

    private static let handleSummary =
        "The user whom a handle means: by the names that were given on this node, then by whom user_id follows. "
        + "handle.certain is false when several claim it and none is nearer; handle.claims has all their ids."

    private static func byHandle(_ call: V1Call) throws -> V1Result {
        let text = call.match.values["handle"] ?? ""
        let isWord = text.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0)
                || "_.~@".utf8.contains($0)
        }
        guard isWord, !text.isEmpty, text.utf8.count <= 64 else { throw V1Problem.notFound("handle") }
        let viewer = try call.viewer()
        let users: [UserRow]
        let isCertain: Bool
        switch try call.reader.resolve("/" + text, viewer: viewer) {
        case .user(let row):
            users = [row]
            isCertain = true
        case .users(let rows):
            users = rows
            isCertain = false
        case .content, .list, nil: throw V1Problem.notFound("handle")
        }
        guard let first = users.first else { throw V1Problem.notFound("handle") }
        var result = V1Result(UserShape.shape.json(first, call.context))
        result.others = [
            .init("handle", ["certain": .bool(isCertain), "claims": .array(users.map { JSON($0.id) })])
        ]
        return result
    }

    // MARK: Who is around a user

    private static let around: [V1Route] = [
        .pages("users/{id}/followers", "getFollowers", "Who follows a user, latest first", of: .named("User")) { call in
            let user = try call.user()
            return call.result(try call.reader.followers(user.id, try call.page(), viewer: try call.viewer()))
        },
        .pages("users/{id}/following", "getFollowing", "Whom a user follows, latest first", of: .named("User")) {
            call in
            let user = try call.user()
            return call.result(try call.reader.following(user.id, try call.page(), viewer: try call.viewer()))
        },
        .pages("users/{id}/subscribers", "getSubscribers", "Who subscribes to a user", of: .named("User")) { call in
            let user = try call.user()
            return call.result(try call.reader.subscribers(user.id, try call.page(), viewer: try call.viewer()))
        },
        .pages("users/{id}/related", "getRelatedUsers", "Users who share followers with one", of: .named("User")) {
            call in
            let user = try call.user()
            return call.result(try call.reader.related(to: user.id, try call.page(), viewer: try call.viewer()))
        },
        .one("users/{id}/tags", "getTopTags", "The tags that a user uses most", .list(.string), [.limit]) { call in
            let tags = try call.reader.tags(try call.user().id, limit: try call.page().limit)
            return V1Result(.array(tags.map { .string($0) }))
        },
        nobody("users/{id}/supporters", "getSupporters"), nobody("users/{id}/supporting", "getSupported"),
        .one(
            "users/{id}/connected_wallets", "getConnectedWallets", "Always empty: there is no blockchain here",
            .object([("erc_wallets", .list(.string)), ("spl_wallets", .list(.string))])
        ) { call in
            _ = try call.user()
            return V1Result(["erc_wallets": [], "spl_wallets": []])
        },
    ]

    /// Tips need a blockchain.
    private static func nobody(_ pattern: String, _ name: String) -> V1Route {
        .pages(pattern, name, "Always empty: tips need a blockchain", of: .any) { call in
            _ = try call.user()
            return V1Result([])
        }
    }

    // MARK: What a user made and did

    private static let did: [V1Route] = [
        .pages(
            "users/{id}/digital_contents", "getUserDigitalContents", "What a user published; unlisted too for the user",
            of: .named("DigitalContent"), [.sort, .genre, .onlyDownloadable]
        ) { try contents($0, of: try $0.user()) },
        .pages(
            "users/handle/{handle}/digital_contents", "getDigitalContentsByHandle",
            "What the user published whom a handle means", of: .named("DigitalContent"),
            [.sort, .genre, .onlyDownloadable]
        ) { call in
            guard let id = try byHandle(call).data["id"]?.text.flatMap({ EntityID($0) }),
                let user = try call.reader.user(id)
            else { throw V1Problem.notFound("handle") }
            return try contents(call, of: user)
        },
        .pages(
            "users/{id}/content_lists", "getUserContentLists", "A user's lists, latest first",
            of: .named("ContentList"), [.listKind]
        ) { try lists($0, albums: try $0.albums()) },
        .pages("users/{id}/albums", "getUserAlbums", "A user's albums, latest first", of: .named("ContentList")) {
            try lists($0, albums: true)
        },
        .pages(
            "users/{id}/reposts", "getUserReposts", "What a user reposted, latest first", of: .named("Activity")
        ) { call in
            let user = try call.user()
            return call.result(try call.reader.reposts(by: user.id, try call.page(), viewer: try call.viewer()))
        },
        .pages(
            "users/{id}/favorites", "getUserFavorites", "What a user saved, latest first", of: .named("SavedItem"),
            [.kind]
        ) { call in
            switch try call.kind() {
            case .contents: return try favorites(call, .content)
            case .lists, .albums: return try favorites(call, .list)
            case .all, .users: return try favorites(call, nil)
            }
        },
        .pages(
            "users/{id}/favorites/digital_contents", "getUserFavoriteDigitalContents",
            "The digital content a user saved",
            of: .named("SavedItem")
        ) { try favorites($0, .content) },
        .pages(
            "users/{id}/favorites/content_lists", "getUserFavoriteContentLists", "The lists a user saved",
            of: .named("SavedItem")
        ) { try favorites($0, .list) },
        .pages("users/{id}/feed", "getUserFeed", V1Feed.summary, of: .named("Activity"), [.filter]) { call in
            try V1Feed.feed(call, of: try call.user().id)
        },
        history("users/{id}/history", "getUserHistory"),
        history("users/{id}/history/digital_contents", "getUserHistoryDigitalContents"),
    ]

    private static func history(_ pattern: String, _ name: String) -> V1Route {
        .pages(pattern, name, "What a user's node reported as played, by day", of: .named("HistoryItem")) { call in
            let user = try call.user()
            let page = try call.reader.history(user.id, try call.page(), viewer: try call.viewer())
            return call.result(page, HistoryShape.shape)
        }
    }

    private static func contents(_ call: V1Call, of user: UserRow) throws -> V1Result {
        let viewer = try call.viewer()
        return call.result(
            try call.reader.contents(
                by: user.id, order: try call.order(), filter: try call.filter(), isOwner: viewer?.id == user.id,
                try call.page(), viewer: viewer))
    }

    private static func lists(_ call: V1Call, albums: Bool?) throws -> V1Result {
        let user = try call.user()
        return call.result(
            try call.reader.lists(by: user.id, albums: albums, try call.page(), viewer: try call.viewer()))
    }

    private static func favorites(_ call: V1Call, _ kind: EntityKind?) throws -> V1Result {
        let user = try call.user()
        let page = try call.reader.favorites(by: user.id, kind: kind, try call.page(), viewer: try call.viewer())
        return call.result(page, ActivityShape.favorite)
    }
}
