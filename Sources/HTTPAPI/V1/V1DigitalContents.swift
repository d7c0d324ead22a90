import Catalog
import Multiformats

/// Routes about pieces of digital content.
enum V1DigitalContents {
    static let routes: [V1Route] = own + ranked + around

    private static let own: [V1Route] = [
        .one(
            "digital_contents", "getDigitalContents", "Digital content by ids or by the paths of pages",
            .list(.named("DigitalContent")), [.ids, .permalinks]
        ) { call in
            let viewer = try call.viewer()
            if let ids = try call.ids() { return call.result(Page(try call.reader.contents(ids, viewer: viewer))) }
            guard let links = try call.permalinks() else {
                throw V1Problem.badParameter("id", "the ids of digital content")
            }
            let rows = try links.compactMap { link -> ContentRow? in
                guard case .content(let row) = try call.reader.resolve(link, viewer: viewer) else { return nil }
                return row
            }
            return call.result(Page(rows))
        },
        .one("digital_contents/{id}", "getDigitalContent", "One piece of digital content", .named("DigitalContent")) {
            V1Result(ContentShape.shape.json(try $0.content(), $0.context))
        },
    ]

    // MARK: Rankings

    private static let filters: [V1Parameter] = [.genre, .onlyDownloadable]

    private static func ranking(
        _ word: String, _ name: String, _ summary: String, _ parameters: [V1Parameter] = [],
        _ query: @escaping @Sendable (V1Call, ContentFilter, PageRequest, Viewer?) throws -> Page<ContentRow>
    ) -> V1Route {
        .pages("digital_contents/\(word)", name, summary, of: .named("DigitalContent"), filters + parameters) { call in
            call.result(try query(call, try call.filter(), try call.page(), try call.viewer()))
        }
    }

    private static let ranked: [V1Route] = [
        ranking("search", "searchDigitalContents", "Digital content by title, tags and authors", [.query]) {
            try $0.reader.searchContents(try $0.words(), filter: $1, $2, viewer: $3)
        },
        ranking("trending", "getTrendingDigitalContents", "What is trending, as this node weighs it", [.time]) {
            try $0.reader.trending(try $0.span(), filter: $1, $2, viewer: $3)
        },
        ranking("latest", "getLatestDigitalContents", "Everybody's digital content, latest first") {
            try $0.reader.latest(filter: $1, now: $0.now, $2, viewer: $3)
        },
        ranking(
            "recommended", "getRecommendedDigitalContents", "What is trending and new to the user", [.excluded]
        ) {
            let excluded = $0.query.all("exclusion_list").flatMap { $0.split(separator: ",") }.prefix(V1Call.maximumIDs)
            return try $0.reader.recommended(
                filter: $1, excluding: excluded.compactMap { EntityID(String($0)) }, $2, viewer: $3)
        },
        ranking("most_loved", "getMostLovedDigitalContents", "What was saved and reposted most, ever") {
            try $0.reader.mostLoved(filter: $1, $2, viewer: $3)
        },
        ranking(
            "best_new_releases", "getBestNewReleases", "What is new and was saved and reposted most", [.time]
        ) {
            try $0.reader.bestNewReleases(try $0.span(default: .month), filter: $1, now: $0.now, $2, viewer: $3)
        },
        ranking("under_the_radar", "getUnderTheRadar", "What few have found yet, latest first") {
            try $0.reader.underTheRadar(filter: $1, now: $0.now, $2, viewer: $3)
        },
    ]

    // MARK: Around one piece of content

    private static let around: [V1Route] = [
        .pages(
            "digital_contents/{id}/favorites", "getDigitalContentFavorites", "Who saved it, latest first",
            of: .named("User")
        ) { call in
            let id = try call.content().id
            return call.result(try call.reader.favorites(of: id, try call.page(), viewer: try call.viewer()))
        },
        .pages(
            "digital_contents/{id}/reposts", "getDigitalContentReposts", "Who reposted it, latest first",
            of: .named("User")
        ) { call in
            let id = try call.content().id
            return call.result(try call.reader.reposts(of: id, try call.page(), viewer: try call.viewer()))
        },
        .pages(
            "digital_contents/{id}/remixes", "getDigitalContentRemixes", "What says that it remixes this",
            of: .named("DigitalContent")
        ) { call in
            let id = try call.content().id
            let page = try call.reader.remixes(of: id, try call.page(), viewer: try call.viewer())
            guard call.match.isFull else { return call.result(page) }
            // The original's full answer counts them.
            var result = call.result(page)
            result.data = ["count": .int(try call.content().counts.remixes), "tracks": result.data]
            return result
        },
        .pages(
            "digital_contents/{id}/remixing", "getDigitalContentRemixing", "What it says that it remixes",
            of: .named("DigitalContent")
        ) { call in
            let id = try call.content().id
            let rows = try call.reader.remixed(by: id, viewer: try call.viewer())
            let page = try call.page()
            return call.result(Page(page.cursor == nil ? Array(rows.dropFirst(page.offset)) : []))
        },
        .pages(
            "digital_contents/{id}/comments", "getDigitalContentComments", "The comments on it, latest first",
            of: .named("Comment")
        ) { call in
            let id = try call.content().id
            let page = try call.reader.comments(on: id, try call.page(), viewer: try call.viewer())
            return call.result(page, CommentShape.shape)
        },
        .one(
            "digital_contents/{id}/content_lists", "getDigitalContentLists", "The lists that hold it, 100 at most",
            .list(.named("ContentList"))
        ) { call in
            let id = try call.content().id
            return call.result(Page(try call.reader.lists(with: id, viewer: try call.viewer())))
        },
        V1Route(
            pattern: "digital_contents/{id}/holders", name: "getDigitalContentHolders",
            summary: "Nodes that have it: this one, those that the network names, and those that its author announces",
            parameters: [.local, .viewer], answer: .data(.list(.named("Holder"))),
            action: .answer { try await V1Holders.answer($0) }),
    ]
}
