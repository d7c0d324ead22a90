import Foundation
import SansIO
import Swarm

/// One user at one node: publishes, edits, makes lists, follows, saves, reposts and comments, and remembers what was
/// acknowledged. When the node is down, commands work on its repo alone.
final class SoakUser: @unchecked Sendable {  // one thread uses it at a time
    private enum Step: CaseIterable {
        case publish, edit, remove, newList, addToList, removeFromList, moveInList, deleteList, follow, unfollow
        case save, unsave, repost, unrepost, comment, profile, look

        /// How often it is done, beside the others.
        var weight: Int {
            switch self {
            case .publish: 16
            case .edit: 12
            case .addToList, .save, .comment: 12
            case .follow, .repost: 8
            case .newList, .moveInList, .profile, .look: 5
            case .removeFromList: 4
            case .unfollow, .unsave, .unrepost: 3
            case .remove: 2
            case .deleteList: 1
            }
        }
    }

    let index: Int
    let repo: String
    let handle: String
    /// The author's lasting name, and the id that routes use.
    private(set) var author = ""
    private(set) var id = ""
    private(set) var promises = SoakPromises()

    private let folder: String
    private let world: SoakWorld
    private var random: SeededGenerator
    private var number = 0
    private var isActing = false
    /// Publishing that was cut short: the same command goes on where it was.
    private var unfinished: [(command: [String], files: [String], isAudio: Bool)] = []
    private var neighbours: [(id: String, handle: String)] = []

    init(index: Int, repo: String, folder: String, world: SoakWorld, random: SeededGenerator) {
        self.index = index
        self.repo = repo
        self.world = world
        self.random = random
        self.folder = folder + "/user\(index)"
        handle = "user\(index)"
    }

    /// Becomes somebody. The node runs.
    func begin() throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        author = try Answer.lines(try Program.output(["--repo", repo, "author", "new", handle, "--json"]))[0]["id"]
        let command = ["profile", "set", "--handle", handle, "--name", "User \(index)", "--json"]
        id = try Answer.lines(try Program.output(["--repo", repo] + command))[0]["id"]
    }

    func meet(_ users: [SoakUser]) {
        neighbours = users.filter { $0.index != index }.map { ($0.id, $0.handle) }
    }

    /// Does one thing after another until `end`.
    func live(until end: ContinuousClock.Instant) throws {
        isActing = true
        defer { isActing = false }
        while ContinuousClock.now < end, world.error == nil {
            try act()
            usleep(UInt32(luck(1_200_000)))
        }
    }

    /// Repeats what was cut short while publishing, until nothing is left; the node runs.
    func finish() throws {
        for _ in 0..<5 where !unfinished.isEmpty { try publishAgain() }
        guard unfinished.isEmpty else { throw Failure("User \(index) cannot publish what was cut short.") }
    }

    private func act() throws {
        if !unfinished.isEmpty { return try publishAgain() }
        var place = luck(Step.allCases.reduce(0) { $0 + $1.weight })
        for step in Step.allCases {
            place -= step.weight
            if place < 0 { return try act(step) }
        }
    }

    private func act(_ step: Step) throws {
        switch step {
        case .publish: try publish()
        case .edit: edit()
        case .remove: remove()
        case .newList: newList()
        case .addToList: addToList()
        case .removeFromList: removeFromList()
        case .moveInList: moveInList()
        case .deleteList: deleteList()
        case .follow, .unfollow: edge("follow", neighbours.isEmpty ? nil : neighbours[luck(neighbours.count)].id, step)
        case .save, .unsave: edge("save", world.content(notOf: index, at: random.next()), step)
        case .repost, .unrepost: edge("repost", world.content(notOf: index, at: random.next()), step)
        case .comment: comment()
        case .profile: profile()
        case .look: look()
        }
    }

    // MARK: Content

    private func publish() throws {
        number += 1
        switch luck(4) {
        case 0:
            let album = try AlbumMaker.make(
                in: folder + "/album\(number)", seed: random.next(), tracks: 1 + luck(2), seconds: 1)
            unfinished.append((["publish", album.folder], album.tracks.map(\.path), true))
        case 1:
            let album = try AlbumMaker.make(
                in: folder + "/song\(number)", seed: random.next(), tracks: 1, seconds: 1)
            let path = album.tracks[0].path
            unfinished.append((["publish", path, "--title", mark("song")], [path], true))
        default:
            let path = folder + "/\(mark("file")).bin"
            let size = luck(5) == 0 ? luck(2_000_000) : luck(60_000)
            try RandomFile.write(to: path, size: size + 1, using: &random)
            unfinished.append((["publish", path, "--as", "file", "--title", mark("paper")], [path], false))
        }
        try publishAgain()
    }

    private func publishAgain() throws {
        let (command, files, isAudio) = unfinished[0]
        let result = try run(command)
        for event in try Answer.lines(result.whole) {
            if event["event"] == "stored" { stored[event["cid"]] = event["path"] }
            if event["event"] == "published" {
                guard !promises.contents.contains(where: { $0.id == event["id"] }) else { continue }
                guard let path = stored[event["cid"]], files.contains(path) else {
                    throw Failure("`publish` of user \(index) published \(event["cid"]), which it had not stored.")
                }
                promises.contents.append(
                    SoakContent(
                        id: event["id"], cid: event["cid"], path: path, isAudio: isAudio,
                        title: SoakRegister(event["title"])))
                promises.marks.insert(event["title"])
                world.add(event["id"], of: index)
            }
            if event["event"] == "listed", !promises.lists.contains(where: { $0.id == event["id"] }) {
                albums.insert(event["id"])
            }
        }
        promises.count("publish", result)
        switch SoakOutcome(result) {
        case .done: unfinished.removeFirst()
        // Another command has the repo open, or the node is about to.
        case .refused where result.status == 6: break
        case .refused: throw Failure("User \(index) may not publish: \(result.messages)")
        case .unknown, .stray: break
        }
    }

    /// Paths of what was stored, by CID.
    private var stored: [String: String] = [:]
    /// Albums that were listed.
    private(set) var albums: Set<String> = []

    private func edit() {
        guard let place = place(promises.contents.indices.filter { promises.contents[$0].isGone.must(false) }) else {
            return
        }
        let title = mark("title")
        let command = ["content", "edit", promises.contents[place].id, "--title", title, "--tags", mark("tag")]
        let outcome = self.outcome("edit", command)
        promises.contents[place].title.set(title, outcome)
        if outcome == .done { promises.marks.insert(title) }
    }

    private func remove() {
        guard promises.contents.count > 3,
            let place = place(promises.contents.indices.filter { promises.contents[$0].isGone.must(false) })
        else { return }
        let outcome = self.outcome("rm", ["content", "rm", promises.contents[place].id])
        promises.contents[place].isGone.set(true, outcome)
    }

    // MARK: Lists

    private func newList() {
        let name = mark("list")
        guard let answer = answer("list new", ["list", "new", name]) else {
            promises.maybeLists.insert(name)
            return
        }
        promises.lists.append(SoakList(id: answer["id"], name: name))
        promises.marks.formUnion([name, answer["cid"]])
    }

    private func addToList() {
        guard let place = ownList() else { return newList() }
        let own = promises.contents.filter { $0.isGone.must(false) }.map(\.id)
        let other = world.content(notOf: index, at: random.next())
        guard let content = luck(2) == 0 ? own.last : other else { return }
        var outcome = SoakOutcome.unknown
        let answer = self.answer("list add", ["list", "add", promises.lists[place].id, content], &outcome)
        if let answer {
            promises.lists[place].items.append(SoakList.Item(tag: answer["tag"], content: content))
        } else if outcome != .refused {
            promises.lists[place].maybeAdded.append(content)
        }
    }

    private func removeFromList() {
        guard let place = ownList(), let index = self.place(promises.lists[place].items.indices) else { return }
        let list = promises.lists[place]
        let outcome = self.outcome("list remove", ["list", "remove", list.id, list.items[index].tag])
        switch outcome {
        case .done: promises.lists[place].items.remove(at: index)
        case .unknown, .stray: promises.lists[place].maybeRemoved.insert(list.items[index].tag)
        case .refused: break
        }
    }

    private func moveInList() {
        guard let place = ownList(), let from = self.place(promises.lists[place].items.indices) else { return }
        let list = promises.lists[place]
        let to = luck(list.items.count)
        let outcome = self.outcome("list move", ["list", "move", list.id, list.items[from].tag, "\(to + 1)"])
        // Places count what may be there, too.
        let isSure = list.maybeAdded.isEmpty && list.maybeRemoved.isEmpty
        switch outcome {
        case .done where isSure:
            let item = promises.lists[place].items.remove(at: from)
            promises.lists[place].items.insert(item, at: to)
        case .done, .unknown, .stray: promises.lists[place].isOrderKnown = false
        case .refused: break
        }
    }

    private func deleteList() {
        guard promises.lists.count > 2, let place = ownList() else { return }
        promises.lists[place].isGone.set(true, outcome("list rm", ["list", "rm", promises.lists[place].id]))
    }

    private func ownList() -> Int? {
        place(promises.lists.indices.filter { promises.lists[$0].isGone.must(false) })
    }

    // MARK: Others

    private func edge(_ relation: String, _ target: String?, _ step: Step) {
        var target = target
        let isOn = [.follow, .save, .repost].contains(step)
        if !isOn {
            let set = promises.edges.filter { $0.key.relation == relation && $0.value.may(true) }
            target = set.isEmpty ? nil : set.map(\.key.target).sorted()[luck(set.count)]
        }
        guard let target else { return }
        var outcome = SoakOutcome.unknown
        let answer = self.answer("\(step)", ["\(step)", target], &outcome)
        promises.edges[SoakEdge(relation: relation, target: target), default: SoakRegister(false)].set(isOn, outcome)
        // Nothing is signed for what is so already.
        if let answer, answer.flag("new") { promises.marks.insert(answer["cid"]) }
    }

    private func comment() {
        guard let target = world.content(notOf: index, at: random.next()) else { return }
        let text = "What a \(mark("sound"))!"
        var outcome = SoakOutcome.unknown
        if let answer = answer("comment", ["comment", target, text], &outcome) {
            promises.comments.append((target, text))
            promises.marks.formUnion([text, answer["cid"]])
        } else if outcome != .refused {
            promises.maybeComments.append((target, text))
        }
    }

    private func profile() {
        let bio = "Sings of \(mark("things"))."
        let outcome = self.outcome("profile set", ["profile", "set", "--bio", bio])
        promises.bio.set(bio, outcome)
        if outcome == .done { promises.marks.insert(bio) }
    }

    /// Questions promise nothing, but must be answered; a node that is being killed may fail to.
    private func look() {
        let commands = [["search", "title"], ["feed"], ["trending"], ["content", "ls"], ["catalog", "stat"]]
        _ = outcome("look", commands[luck(commands.count)])
    }

    // MARK: Parts

    /// Runs a command; one in twenty is killed while the user acts, as when somebody closes the terminal.
    private func run(_ command: [String]) throws -> Command.Result {
        let running = try Command(["--repo", repo] + command + ["--json"])
        guard isActing, luck(20) == 0 else { return running.wait() }
        usleep(UInt32(luck(100_000)))
        return running.kill()
    }

    private func outcome(_ name: String, _ command: [String]) -> SoakOutcome {
        var outcome = SoakOutcome.unknown
        _ = answer(name, command, &outcome)
        return outcome
    }

    private func answer(_ name: String, _ command: [String]) -> Answer? {
        var outcome = SoakOutcome.unknown
        return answer(name, command, &outcome)
    }

    /// The last object that a command printed, when it was acknowledged.
    private func answer(_ name: String, _ command: [String], _ outcome: inout SoakOutcome) -> Answer? {
        do {
            let result = try run(command)
            outcome = SoakOutcome(result)
            promises.count(name, result)
            return outcome == .done ? try Answer.lines(result.whole).last : nil
        } catch {
            world.fail(error)
            return nil
        }
    }

    /// A word that nobody has used before, so that it is found again.
    private func mark(_ word: String) -> String {
        number += 1
        return "\(word)-\(index)-\(number)"
    }

    private func place(_ places: some Collection<Int>) -> Int? {
        places.isEmpty ? nil : places[places.index(places.startIndex, offsetBy: luck(places.count))]
    }

    private func luck(_ bound: Int) -> Int { Int(random.next() % UInt64(max(1, bound))) }
}

extension Command.Result {
    /// The lines that were written to their end; what was cut in the middle says nothing.
    var whole: String {
        output.hasSuffix("\n") ? output : String(output.prefix(upTo: output.lastIndex(of: "\n") ?? output.startIndex))
    }
}
