import Foundation
import Swarm

/// Something that was stored on one node and must arrive on others as it is.
struct DemoGoods {
    let name: String
    let path: String
    let cid: String
    let size: Int
}

/// What the landlord has published, by the ids that were printed.
struct DemoRelease {
    struct Track {
        let id: String
        let title: String
        let goods: DemoGoods
    }

    let handle: String
    let album: String
    let tracks: [Track]
}

extension Demo {
    // MARK: The landlord

    /// The landlord makes an author, says who that is, publishes the album and adds a folder.
    func publish(
        _ album: AlbumMaker.Album, _ papers: DemoContent.Folder, on node: ClusterState.Node
    ) throws -> DemoRelease {
        let author = try step(["author", "new", album.artist], on: node) { "author \($0["id"].prefix(12))" }
        let handle = "ada"
        try step(
            ["profile", "set", "--handle", handle, "--name", album.artist, "--bio", "Plays when the house is quiet."],
            on: node
        ) { "\($0["name"]), handle \($0["handle"])" }

        let watch = Stopwatch()
        let command = ["publish", album.folder]
        let events = try node.answers(command)
        let seconds = watch.seconds
        let published = events.filter { $0["event"] == "published" }
        guard published.map({ $0["title"] }) == album.tracks.map(\.title),
            let listed = events.first(where: { $0["event"] == "listed" }), listed["name"] == album.title,
            listed.number("added") == album.tracks.count
        else { throw Failure("`publish` did not publish the tracks of \(album.folder) and their album.") }
        let tracks = zip(published, album.tracks).map { event, track in
            DemoRelease.Track(
                id: event["id"], title: track.title,
                goods: DemoGoods(name: "\"\(track.title)\"", path: track.path, cid: event["cid"], size: track.size))
        }
        let cover = try check(tracks, of: album, on: node)
        let kinds = try node.answers(["updates", "log", author["id"]]).map { $0["kind"] }
        let puts = kinds.filter { $0 == "content.put" }.count
        guard puts == tracks.count, kinds.filter({ $0 == "list.put" }).count == 1 else {
            throw Failure("The log has \(puts) updates for \(tracks.count) tracks.")
        }
        let length = album.tracks.reduce(0) { $0 + $1.milliseconds } / 1000
        story.add(
            command, on: node,
            "\(puts) content.put and a list; tags, cover and \(length) s of audio read; all blocks verified", seconds)
        goods = tracks.map(\.goods) + [cover]
        for item in goods {
            story.add(
                DemoStory.Transfer(
                    what: "publish \(item.name) on node \(node.index)", size: item.size, cid: item.cid,
                    seconds: seconds * Double(item.size) / Double(goods.reduce(0) { $0 + $1.size })))
        }
        try add(papers, on: node)
        return DemoRelease(handle: handle, album: listed["id"], tracks: tracks)
    }

    /// What the catalog says of the tracks is what stands in their tags; gives the cover.
    private func check(
        _ tracks: [DemoRelease.Track], of album: AlbumMaker.Album, on node: ClusterState.Node
    ) throws -> DemoGoods {
        var covers: Set<String> = []
        for (track, source) in zip(tracks, album.tracks) {
            let shown = try node.answer(["content", "show", track.id])
            guard shown["title"] == source.title, shown["genre"] == album.genre,
                shown.number("duration_ms") == source.milliseconds, shown["release_date"] == "\(album.year)",
                shown.texts("tags").contains(album.artist), shown["cid"] == track.goods.cid,
                shown.part("media")?.number("size") == source.size
            else { throw Failure("`content show` does not say of \(track.title) what its tags say.") }
            covers.insert(shown["artwork"])
        }
        let size = try Data(contentsOf: URL(fileURLWithPath: album.cover)).count
        guard covers.count == 1, let cid = covers.first, !cid.isEmpty else {
            throw Failure("The tracks have no cover, or several.")
        }
        return DemoGoods(name: "cover.png", path: album.cover, cid: cid, size: size)
    }

    /// Things that are no music are only stored: whoever has the CID gets them.
    private func add(_ papers: DemoContent.Folder, on node: ClusterState.Node) throws {
        let watch = Stopwatch()
        let output = try node.output(["add", "--quiet", papers.path])
        guard let cid = output.split(whereSeparator: \.isWhitespace).last.map(String.init) else {
            throw Failure("`add \(papers.path)` printed no CID.")
        }
        story.add(
            DemoStory.Transfer(
                what: "add folder on node \(node.index)", size: papers.size, cid: cid, seconds: watch.seconds))
        goods.append(DemoGoods(name: "folder", path: papers.path, cid: cid, size: papers.size))
    }

    /// The landlord's node has heard what the resident did, and says so to programs, too.
    func count(_ release: DemoRelease, on node: ClusterState.Node) throws {
        let track = release.tracks[0].id
        let command = ["content", "show", track]
        let watch = Stopwatch()
        let shown = try Stopwatch.wait(Self.patience, "The landlord did not see what the resident did") {
            let shown = try node.answer(command)
            let follower = try node.answer(["profile", "show"]).number("followers")
            let reposts = try node.answer(["list", "show", release.album]).number("reposts")
            let isAll = shown.number("saves") == 1 && shown.number("reposts") == 1 && shown.number("comments") == 1
            return isAll && follower == 1 && reposts == 1 ? shown : nil
        }
        story.add(command, on: node, "1 save, 1 repost, 1 comment", watch.seconds)
        try step(["profile", "show"], on: node) { "\($0.number("followers")) follower" }

        let again = Stopwatch()
        let path = "/v1/tracks/\(track)"
        let data = try node.data(at: path)
        let user = try node.data(at: "/v1/users/\(shown["user_id"])")
        let list = try node.data(at: "/v1/playlists/\(release.album)")
        guard data.number("favorite_count") == 1, data.number("repost_count") == 1,
            data.number("comment_count") == 1, data["title"] == release.tracks[0].title,
            user.number("follower_count") == 1, list.number("repost_count") == 1
        else { throw Failure("GET \(path) and its like do not count what `content show` counts.") }
        story.add(
            typed: "GET " + path, on: "\(node.index)", "the same counts for programs; users and playlists, too",
            again.seconds)
    }

    // MARK: The resident

    /// The resident searches for a few words until the album and its first track are there.
    func find(_ release: DemoRelease, of album: AlbumMaker.Album, on node: ClusterState.Node) throws {
        let watch = Stopwatch()
        var command = ["search", album.title, "--kind", "albums"]
        var found: (seconds: Double, last: Double) = (0, 0)
        try Stopwatch.wait(Self.patience, "Node \(node.index) did not find \"\(album.title)\"") { () throws -> Void? in
            let last = Stopwatch()
            guard try node.answers(command).contains(where: { $0["id"] == release.album }) else { return nil }
            found = (watch.seconds, last.seconds)
            return ()
        }
        story.add(
            command, on: node,
            "the album, \(String(format: "%.2f", found.seconds)) s after it was published", found.last)
        _ = try Stopwatch.wait(Self.patience, "Node \(node.index) did not see every track of the album") {
            try list(release, on: node, isSaid: false) ? () : nil
        }
        _ = try list(release, on: node)
        command = ["search", release.tracks[0].title]
        try step(command, on: node) { "\($0["title"]) by \($0["user"])" }
    }

    /// Whether a node shows the album with all its tracks in their order.
    func list(_ release: DemoRelease, on node: ClusterState.Node, isSaid: Bool = true) throws -> Bool {
        let watch = Stopwatch()
        let command = ["list", "show", release.album]
        let shown = try node.answer(command)
        let titles = shown.parts("items").map { $0["title"] }
        guard titles == release.tracks.map(\.title) else {
            if isSaid { throw Failure("Node \(node.index) does not show the album's tracks in their order.") }
            return false
        }
        if isSaid { story.add(command, on: node, "all \(titles.count) tracks in their order", watch.seconds) }
        return true
    }

    /// The resident becomes somebody, too, and says what they like.
    func react(to release: DemoRelease, on node: ClusterState.Node) throws {
        let track = release.tracks[0].id
        try step(["author", "new", "Bo"], on: node) { "author \($0["id"].prefix(12))" }
        try step(["follow", release.handle], on: node) { "follows \($0["name"])" }
        try step(["save", track], on: node) { "saved \($0["name"])" }
        try step(["repost", track, release.album], on: node) { "reposted \($0["name"]), and the album" }
        try step(["comment", track, "What a bass line."], on: node) { "comment \($0["id"])" }
        try step(["feed"], on: node) { "has \($0["title"].isEmpty ? $0["name"] : $0["title"])" }
    }

    // MARK: Bytes

    /// Plays a track as a music player does: a part from the middle, then all of it; both are compared.
    func play(
        _ track: DemoRelease.Track, on node: ClusterState.Node, from provider: ClusterState.Node,
        of nodes: [ClusterState.Node]
    ) throws {
        let finding = try DemoFinding.lookUp(track.goods.cid, by: node, until: provider)
        let source = try Data(contentsOf: URL(fileURLWithPath: track.goods.path))
        let path = "/v1/tracks/\(track.id)/stream"
        let range = source.count / 2..<source.count / 2 + 250_000
        var ledgers = try DemoLedgers(of: node, with: nodes)
        let (seconds, copy) = try ledgers.during(track.title) {
            let watch = Stopwatch()
            let words = "bytes=\(range.lowerBound)-\(range.upperBound - 1)"
            let part = try HTTPGet(node.api + path, headers: ["Range": words])
            guard part.status == 206, part.body == source[range],
                part.headers["content-range"] == "bytes \(words.dropFirst(6))/\(source.count)",
                part.headers["content-type"] == "audio/wav"
            else { throw Failure("GET \(path) with Range: \(words) gave \(part.status), or other bytes.") }
            story.add(
                typed: "GET \(path), Range: \(words)", on: "\(node.index)", "206, all \(part.body.count) bytes right",
                watch.seconds)
            let again = Stopwatch()
            let whole = try HTTPGet(node.api + path)
            guard whole.status == 200, whole.body == source else {
                throw Failure("GET \(path) gave \(whole.status), or other bytes.")
            }
            story.add(
                typed: "GET \(path)", on: "\(node.index)", "200, all \(whole.body.count) bytes right", again.seconds)
        }
        story.add(
            DemoStory.Transfer(
                what: "stream \(track.goods.name) on node \(node.index)", size: source.count, cid: track.goods.cid,
                seconds: seconds, found: finding.description, copy: copy))
    }

    /// Finds who has every item, fetches it, compares it with its source and says which copy it came from.
    func fetch(
        _ items: ArraySlice<DemoGoods>, on node: ClusterState.Node, from provider: ClusterState.Node,
        of nodes: [ClusterState.Node]
    ) throws {
        var ledgers = try DemoLedgers(of: node, with: nodes)
        for (number, item) in items.enumerated() {
            let finding = try DemoFinding.lookUp(item.cid, by: node, until: provider)
            let out = folder + "/fetched-\(node.index)-\(number)"
            let (seconds, copy) = try ledgers.during(item.name) {
                _ = try node.output(["get", item.cid, "-o", out], quiet: true)
            }
            try Comparison.requireEqual(item.path, out)
            story.add(
                DemoStory.Transfer(
                    what: "get \(item.name) on node \(node.index)", size: item.size, cid: item.cid, seconds: seconds,
                    found: finding.description, copy: copy))
        }
    }

    /// Runs a command and tells what came of it.
    @discardableResult
    private func step(
        _ command: [String], on node: ClusterState.Node, _ outcome: (Answer) -> String
    ) throws -> Answer {
        let watch = Stopwatch()
        let answer = try node.answer(command)
        story.add(command, on: node, outcome(answer), watch.seconds)
        return answer
    }
}
