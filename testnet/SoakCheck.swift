import Foundation
import SansIO
import Swarm

/// Looks, when all is over, whether what was acknowledged is there on every node.
final class SoakCheck {
    struct Figures {
        var updates = 0
        var digest = ""
        /// Until the digests were equal.
        var seconds = 0.0
        var marks = 0
        var views = 0
        var fetched = 0
        var played = 0
        var bytes = 0
    }

    private let nodes: [ClusterState.Node]
    private let users: [SoakUser]
    private let folder: String
    private var random: SeededGenerator
    private var figures = Figures()

    init(_ nodes: [ClusterState.Node], _ users: [SoakUser], folder: String, random: SeededGenerator) {
        self.nodes = nodes
        self.users = users
        self.folder = folder
        self.random = random
    }

    /// Throws a `Failure` that names the first thing that is lost or different.
    func run(patience: Double) throws -> Figures {
        try settle(patience)
        for node in nodes {
            try logs(node)
            try verify(node)
        }
        try views()
        for user in users {
            // Its own node, and another.
            try promises(of: user, on: nodes[user.index])
            try promises(of: user, on: other(than: user.index))
        }
        try contents()
        return figures
    }

    // MARK: Updates

    /// Waits for equal digests, with nothing missing.
    private func settle(_ patience: Double) throws {
        let watch = Stopwatch()
        var last: [Answer] = []
        while true {
            last = try nodes.map { try $0.answer(["catalog", "stat"]) }
            let isEqual = Set(last.map { $0["digest"] }).count == 1 && last.allSatisfy { $0.number("missing") == 0 }
            if isEqual { break }
            guard watch.seconds < patience else {
                let states = zip(nodes, last).map { node, stat in
                    "node \(node.index): \(stat.number("updates")) updates, \(stat.number("missing")) missing, "
                        + "\(stat.number("peers")) peers, digest \(stat["digest"].prefix(12))"
                }
                throw Failure(
                    "The catalogs are not equal after \(Int(patience)) seconds.\n\(states.joined(separator: "\n"))\n")
            }
            usleep(300_000)
        }
        figures.seconds = watch.seconds
        figures.digest = last[0]["digest"]
        figures.updates = last[0].number("updates")
    }

    /// Every acknowledged text and CID stands in the log of its author, on every node.
    private func logs(_ node: ClusterState.Node) throws {
        var texts: [String: Set<String>] = [:]
        for event in try node.answers(["updates", "log"]) {
            texts[event["author"], default: []].formUnion(event.everyText)
        }
        for user in users {
            let lost = user.promises.marks.subtracting(texts[user.author] ?? [])
            figures.marks += node.index == 0 ? user.promises.marks.count : 0
            guard let first = lost.sorted().first else { continue }
            throw Failure(
                "\(lost.count) acknowledged updates of user \(user.index) are not on node \(node.index): '\(first)'.")
        }
    }

    /// Signatures, set and view are what they would be if they were made anew.
    private func verify(_ node: ClusterState.Node) throws {
        let result = try node.answer(["updates", "verify"])
        guard result.flag("clean"), result.flag("view_checked"), result.number("updates") == figures.updates else {
            throw Failure(
                "`updates verify` on node \(node.index) is not clean: set \(result.flag("set")), view "
                    + "\(result.flag("view")) (checked: \(result.flag("view_checked"))), damaged "
                    + "\(result.texts("damaged")).")
        }
    }

    // MARK: Views

    /// Programs get the same answers from every node.
    private func views() throws {
        var paths: [String] = []
        for user in users {
            let path = "/v1/full/users/\(user.id)"
            paths += [path, path + "/digital_contents?limit=500", path + "/content_lists?limit=500"]
            paths += [path + "/reposts?limit=500", path + "/favorites?limit=500", path + "/followers?limit=500"]
            paths += user.promises.lists.map { "/v1/full/content_lists/\($0.id)" }
            paths += user.albums.sorted().map { "/v1/full/content_lists/\($0)" }
            paths += user.promises.contents.map { "/v1/digital_contents/\($0.id)/comments?limit=500" }
        }
        for path in paths {
            var first: (node: Int, text: String)?
            for node in nodes {
                let answer = try HTTPGet(node.api + path)
                // Links begin with the address of the node that was asked.
                let text =
                    "\(answer.status) "
                    + String(decoding: answer.body, as: UTF8.self)
                    .replacingOccurrences(of: node.api, with: "")
                if let first, first.text != text {
                    throw Failure(
                        "Node \(node.index) answers GET \(path) otherwise than node \(first.node):\n\(text)\n\(first.text)\n"
                    )
                }
                first = first ?? (node.index, text)
            }
        }
        figures.views = paths.count
    }

    /// What a user was last told is what a node shows.
    private func promises(of user: SoakUser, on node: ClusterState.Node) throws {
        func complain(_ what: String) -> Failure { Failure("User \(user.index) on node \(node.index): \(what).") }
        let promises = user.promises
        let profile = try node.answer(["profile", "show", user.author])
        guard promises.bio.may(profile["bio"]) else {
            throw complain("the profile says '\(profile["bio"])', not \(promises.bio.possible)")
        }
        guard profile["handle"] == user.handle, !profile.flag("equivocated") else {
            throw complain("the log is forked, or the handle gone")
        }
        let follows = edges("follow", to: user.id)
        guard follows.contains(profile.number("followers")) else {
            throw complain("\(profile.number("followers")) followers, not \(follows)")
        }
        let shown = try node.answers(["content", "ls", user.author, "--limit", "500"])
        for content in promises.contents {
            guard let row = shown.first(where: { $0["id"] == content.id }) else {
                guard content.isGone.may(true) else { throw complain("\(content.id) is not there") }
                continue
            }
            guard content.isGone.may(false) else { throw complain("\(content.id) was removed, and is there") }
            guard content.title.may(row["title"]) else {
                throw complain("\(content.id) is called '\(row["title"])', not \(content.title.possible)")
            }
            try check(content.id, row, "saves", edges("save", to: content.id), complain)
            try check(content.id, row, "reposts", edges("repost", to: content.id), complain)
            let certain = users.reduce(0) { $0 + $1.promises.comments.count { $0.content == content.id } }
            let maybe = users.reduce(0) { $0 + $1.promises.maybeComments.count { $0.content == content.id } }
            try check(content.id, row, "comments", certain...certain + maybe, complain)
        }
        guard let strange = shown.first(where: { row in !promises.contents.contains { $0.id == row["id"] } }) else {
            return try lists(of: user, on: node, complain)
        }
        throw complain("\(strange["id"]) is there, and was never published")
    }

    private func check(
        _ id: String, _ row: Answer, _ name: String, _ range: ClosedRange<Int>, _ complain: (String) -> Failure
    ) throws {
        guard range.contains(row.number(name)) else {
            throw complain("\(id) has \(row.number(name)) \(name), not \(range)")
        }
    }

    /// How many users do that to a target: those who surely do, up to those who may.
    private func edges(_ relation: String, to target: String) -> ClosedRange<Int> {
        let set = users.compactMap { $0.promises.edges[SoakEdge(relation: relation, target: target)] }
        return set.count { $0.must(true) }...set.count { $0.may(true) }
    }

    private func lists(of user: SoakUser, on node: ClusterState.Node, _ complain: (String) -> Failure) throws {
        let names = Set(try node.answers(["list", "ls", user.author, "--limit", "500"]).map { $0["id"] })
        for list in user.promises.lists {
            guard names.contains(list.id) else {
                guard list.isGone.may(true) else { throw complain("the list \(list.name) is not there") }
                continue
            }
            guard list.isGone.may(false) else { throw complain("the list \(list.name) was removed, and is there") }
            let items = try node.answer(["list", "show", list.id]).parts("items")
            let shown = items.map { SoakList.Item(tag: $0["tag"], content: $0["id"]) }
            if let complaint = list.complaint(about: shown) { throw complain("the list \(list.name) \(complaint)") }
        }
        for album in user.albums where !names.contains(album) { throw complain("the album \(album) is not there") }
    }

    // MARK: Content

    /// All content comes back from another node than its author's as it went in.
    private func contents() throws {
        for user in users {
            for content in user.promises.contents where content.isGone.may(false) {
                let node = other(than: user.index)
                let source = try Data(contentsOf: URL(fileURLWithPath: content.path))
                let fetched: Data
                if content.isAudio, content.isGone.must(false), random.next() % 2 == 0 {
                    let answer = try HTTPGet(node.api + "/v1/tracks/\(content.id)/stream")
                    guard answer.status == 200 else {
                        throw Failure("Node \(node.index) does not play \(content.id): \(answer.status).")
                    }
                    fetched = answer.body
                    figures.played += 1
                } else {
                    let out = folder + "/fetched"
                    _ = try node.output(
                        ["get", content.cid, "-o", out, "--force", "--timeout", "60s"], quiet: true)
                    fetched = try Data(contentsOf: URL(fileURLWithPath: out))
                }
                guard fetched == source else {
                    throw Failure("\(content.cid), fetched by node \(node.index), differs from \(content.path).")
                }
                figures.fetched += 1
                figures.bytes += fetched.count
            }
        }
    }

    private func other(than index: Int) -> ClusterState.Node {
        nodes[(index + 1 + Int(random.next() % UInt64(nodes.count - 1))) % nodes.count]
    }
}
