import Catalog
import Multiformats

/// The merge as one would explain it: sort the updates by (time, CID), replay them, and let each overwrite what came
/// before; what is deleted or removed anywhere is gone.
struct SlowMerge {
    typealias Fields = [String: DAGValue]

    struct Item: Equatable {
        var content: EntityRef?
        var position: [UInt8] = []
    }

    var profiles: [AuthorID: Fields] = [:]
    var contents: [EntityRef: Fields] = [:]
    var lists: [EntityRef: Fields] = [:]
    var comments: [EntityRef: Fields] = [:]
    var created: [String: UInt64] = [:]
    var items: [EntityRef: [Digest32: Item]] = [:]
    /// By source, relation and target.
    var edges: [Edge: Bool] = [:]
    var plays: [Play: UInt64] = [:]
    var deleted: Set<String> = []
    private var removed: [EntityRef: Set<Digest32>] = [:]

    struct Edge: Hashable {
        let source: AuthorID
        let relation: String
        let target: Reference
    }

    struct Play: Hashable {
        let author: AuthorID
        let content: EntityRef
        let day: UInt64
    }

    static func name(_ kind: String, _ ref: EntityRef) -> String { "\(kind) \(ref.author) \(ref.id)" }

    init(_ updates: [CountedUpdate]) {
        var seen: Set<Digest32> = []
        let sorted = updates.sorted {
            $0.stamp.time == $1.stamp.time
                ? $0.stamp.id.bytes.lexicographicallyPrecedes($1.stamp.id.bytes) : $0.stamp.time < $1.stamp.time
        }
        for update in sorted where seen.insert(update.stamp.id).inserted { replay(update) }
        contents = contents.filter { !deleted.contains(SlowMerge.name("content", $0.key)) }
        comments = comments.filter { !deleted.contains(SlowMerge.name("comment", $0.key)) }
        lists = lists.filter { !deleted.contains(SlowMerge.name("list", $0.key)) }
        for (list, tags) in removed {
            for tag in tags { items[list]?[tag] = nil }
        }
        items = items.filter { !deleted.contains(SlowMerge.name("list", $0.key)) }
    }

    private mutating func replay(_ update: CountedUpdate) {
        func ref(_ id: String) -> EntityRef { EntityRef(update.owner, id) }
        func overwrite(_ fields: inout Fields?, _ entries: [DAGEntry]) {
            var merged = fields ?? [:]
            for entry in entries { merged[entry.key] = entry.value }
            fields = merged
        }
        func firstSeen(_ name: String) { created[name] = created[name] ?? update.stamp.time }
        let entries = update.body.entries
        switch update.body {
        case .authorCreate: overwrite(&profiles[update.owner], [])
        case .profile: overwrite(&profiles[update.owner], entries)
        case .content(let body):
            overwrite(&contents[ref(body.id)], entries)
            firstSeen(SlowMerge.name("content", ref(body.id)))
        case .list(let body):
            overwrite(&lists[ref(body.id)], entries)
            firstSeen(SlowMerge.name("list", ref(body.id)))
        case .comment(let body):
            overwrite(&comments[ref(body.id)], entries)
            firstSeen(SlowMerge.name("comment", ref(body.id)))
        case .contentDelete(let body): deleted.insert(SlowMerge.name("content", ref(body.id)))
        case .listDelete(let body): deleted.insert(SlowMerge.name("list", ref(body.id)))
        case .commentDelete(let body): deleted.insert(SlowMerge.name("comment", ref(body.id)))
        case .listItem(let body):
            switch body.change {
            case .add(let content, let position):
                var item = items[ref(body.list), default: [:]][update.stamp.id] ?? Item()
                item.content = content
                item.position = position.bytes
                items[ref(body.list), default: [:]][update.stamp.id] = item
            case .move(let tag, let position):
                items[ref(body.list), default: [:]][tag, default: Item()].position = position.bytes
            case .remove(let tags): removed[ref(body.list), default: []].formUnion(tags)
            }
        case .edge(let body):
            edges[Edge(source: update.owner, relation: body.relation.rawValue, target: body.target)] = body.isOn
        case .plays(let body):
            for row in body.rows {
                let play = Play(author: update.owner, content: row.content, day: row.day)
                plays[play] = max(plays[play] ?? 0, row.count)
            }
        default: break
        }
    }

    /// The tags of what a list shows, in its order.
    func order(of list: EntityRef) -> [Digest32] {
        (items[list] ?? [:]).filter { $0.value.content != nil }
            .sorted {
                $0.value.position == $1.value.position
                    ? $0.key.bytes.lexicographicallyPrecedes($1.key.bytes)
                    : $0.value.position.lexicographicallyPrecedes($1.value.position)
            }.map(\.key)
    }

    /// How many edges of that relation lead to the target.
    func count(_ relation: String, to target: Reference) -> Int {
        edges.filter { $0.value && $0.key.relation == relation && $0.key.target == target }.count
    }
}
