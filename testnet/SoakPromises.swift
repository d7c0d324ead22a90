import Foundation
import Swarm

/// What became of a command.
enum SoakOutcome {
    /// It exited with 0: what it said holds from now on.
    case done
    /// It was refused before anything was signed.
    case refused
    /// Its node was killed, or it could not be run: it may have worked, or not.
    case unknown
    /// The command itself was killed: its node may do what it asked for even after what is asked next.
    case stray

    init(_ result: Command.Result) {
        self =
            switch result.status {
            case 137: .stray
            case 0: .done
            // Usage, not found, not allowed, conflict: see the exit codes of `peernode`.
            case 2, 3, 4, 6: .refused
            default: .unknown
            }
    }
}

/// One value that commands set: the last one acknowledged, and what those that were cut short may have set since.
struct SoakRegister<Value: Hashable> {
    private(set) var possible: Set<Value>
    private var strays: Set<Value> = []

    init(_ value: Value) { possible = [value] }

    mutating func set(_ value: Value, _ outcome: SoakOutcome) {
        switch outcome {
        case .done: possible = strays.union([value])
        case .refused: break
        case .unknown: possible.insert(value)
        case .stray:
            strays.insert(value)
            possible.insert(value)
        }
    }

    func may(_ value: Value) -> Bool { possible.contains(value) }
    func must(_ value: Value) -> Bool { possible == [value] }
}

/// A piece of content that its author's node has said to be published.
struct SoakContent {
    let id: String
    let cid: String
    /// The file that it was made of.
    let path: String
    let isAudio: Bool
    var title: SoakRegister<String>
    var isGone = SoakRegister(false)
}

/// A content list that its author's node has said to be there.
struct SoakList {
    struct Item: Hashable {
        let tag: String
        let content: String
    }

    let id: String
    let name: String
    /// What was acknowledged, in order.
    var items: [Item] = []
    /// Content that a command may have added, one element for each.
    var maybeAdded: [String] = []
    /// Tags of acknowledged items that a command may have removed.
    var maybeRemoved: Set<String> = []
    var isOrderKnown = true
    var isGone = SoakRegister(false)

    /// How what a node shows of it breaks what was promised; nil when it does not.
    func complaint(about shown: [Item]) -> String? {
        let certain = items.filter { !maybeRemoved.contains($0.tag) }
        for item in certain where !shown.contains(item) { return "lacks \(item.content)" }
        let known = Set(items)
        var allowed = maybeAdded
        for item in shown where !known.contains(item) {
            guard let index = allowed.firstIndex(of: item.content) else { return "has \(item.content) in it" }
            allowed.remove(at: index)
        }
        let order = shown.filter { certain.contains($0) }
        return isOrderKnown && order != certain ? "has another order" : nil
    }
}

/// A follow, save or repost, which is there or not.
struct SoakEdge: Hashable {
    let relation: String
    /// The id of an author or of content.
    let target: String
}

/// Everything that was acknowledged to one user.
struct SoakPromises {
    var contents: [SoakContent] = []
    var lists: [SoakList] = []
    /// Names of lists that a command may have made.
    var maybeLists: Set<String> = []
    var edges: [SoakEdge: SoakRegister<Bool>] = [:]
    /// Text by id of the content, for comments that were acknowledged.
    var comments: [(content: String, text: String)] = []
    /// The same for those that were cut short.
    var maybeComments: [(content: String, text: String)] = []
    var bio = SoakRegister("")
    /// Texts and CIDs of updates that were acknowledged: each stands in this author's log for ever.
    var marks: Set<String> = []

    /// How many commands were acknowledged, by name.
    var done: [String: Int] = [:]
    var cutShort = 0
    var refused = 0
    var killed = 0

    /// What commands said when they failed, without names and numbers.
    var complaints: [String: Int] = [:]

    mutating func count(_ name: String, _ result: Command.Result) {
        switch SoakOutcome(result) {
        case .done: return done[name, default: 0] += 1
        case .refused: refused += 1
        case .unknown: cutShort += 1
        case .stray: return killed += 1
        }
        let words = result.messages.split(separator: "\n").last?.split(separator: " ") ?? []
        let plain = words.filter { !$0.contains(where: \.isNumber) }.prefix(14).joined(separator: " ")
        complaints["\(name), exit \(result.status): \(plain)", default: 0] += 1
    }
}

/// What all users know of each other: whom they can follow, and what they can save.
final class SoakWorld: @unchecked Sendable {  // the lock guards all
    private let lock = NSLock()
    private var published: [(content: String, owner: Int)] = []
    private var failure: (any Error)?

    func add(_ content: String, of owner: Int) { lock.withLock { published.append((content, owner)) } }

    /// Content of somebody else, the latest ones rather.
    func content(notOf user: Int, at random: UInt64) -> String? {
        lock.withLock {
            let others = published.filter { $0.owner != user }.suffix(40)
            return others.isEmpty ? nil : others[others.startIndex + Int(random % UInt64(others.count))].content
        }
    }

    /// The first thing that went wrong ends the run.
    func fail(_ error: any Error) { lock.withLock { failure = failure ?? error } }
    var error: (any Error)? { lock.withLock { failure } }
}
