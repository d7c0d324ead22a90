import Catalog
import GRDB
import Multiformats
import SansIO
import Testing

/// Signed updates of many authors through log and view, on several nodes: what is found in the end is what the slow,
/// obvious merge says of what obviously counts.
@Suite("The log and the view against the obvious") struct WholeStackTests {
    private struct Node {
        let log: UpdateLog
        let reader: CatalogReader

        init() throws {
            let database = try CatalogDatabase(path: ":memory:")
            try CatalogView.open(database)
            log = try UpdateLog(database, sink: CatalogView())
            reader = CatalogReader(database.writer)
        }

        /// Delivers in batches of any size until all is in that can come in.
        func deliver(_ updates: [Update], _ luck: inout SeededGenerator) throws {
            var left = updates.shuffled(using: &luck)
            for _ in 0..<60 where !left.isEmpty {
                var next: [Update] = []
                var open = left[...]
                while !open.isEmpty {
                    let part = Array(open.prefix(Int.random(in: 1...30, using: &luck)))
                    open = open.dropFirst(part.count)
                    // Some of it twice.
                    let batch = part + part.prefix(3)
                    let report = try log.store(batch.map { VerifiedUpdate($0.block) }, from: .pull, now: 1_000)
                    for (update, outcome) in zip(part, report.results) {
                        switch outcome.result {
                        case .held, .ignored(.missingAncestors): next.append(update)
                        default: break
                        }
                    }
                }
                left = next.shuffled(using: &luck)
            }
        }

        var digests: [String] {
            get throws {
                [
                    try SumTree(log).digest.description,
                    "\(try log.database.read { try ViewFingerprint.of($0) })",
                ]
            }
        }
    }

    @Test("Orders, duplicates, gaps, forks and skew: equal digests, equal views, the obvious ones", arguments: 1...4)
    func converge(seed: UInt64) throws {
        let history = try RandomHistory(seed: seed, authors: 6, updates: 300)
        let obvious = ObviousRights(history.updates)
        let slow = SlowMerge(history.updates.filter { obvious.counts($0) }.compactMap { CountedUpdate($0) })
        var luck = SeededGenerator(seed: seed)
        var nodes: [Node] = []
        for _ in 0..<3 {
            let node = try Node()
            // A third is missing at first, whatever continues it waits.
            let gap = Set(history.updates.filter { _ in luck.oneIn(3) }.map(\.id))
            try node.deliver(history.updates.filter { !gap.contains($0.id) }, &luck)
            #expect(try node.log.totals().updates < history.updates.count, "seed \(seed)")
            try node.deliver(history.updates, &luck)
            #expect(try node.log.totals().updates == history.updates.count, "seed \(seed)")
            nodes.append(node)
        }
        let first = try nodes[0].digests
        for node in nodes.dropFirst() {
            let other = try node.digests
            #expect(other == first, "seed \(seed)")
        }
        #expect(first[0] == SumTree(history.updates.map { UpdateKey($0) }).digest.description)
        for node in nodes { try compare(node.reader, slow, history, "seed \(seed)") }
    }

    private func compare(
        _ reader: CatalogReader, _ slow: SlowMerge, _ history: RandomHistory, _ note: Comment
    ) throws {
        func text(_ value: DAGValue?) -> String? {
            if case .string(let text)? = value { text } else { nil }
        }
        for author in history.authors {
            let row = try reader.user(author.id)
            #expect((row == nil) == (slow.profiles[author.id] == nil), note)
            guard let row else { continue }
            #expect(row.fields.name == text(slow.profiles[author.id]?["name"]), note)
            #expect(row.counts.followers == slow.count("follow", to: .author(author.id)), note)
            for id in 0..<9 {
                let ref = EntityRef(author.id, "c\(id)")
                let content = try reader.content(EntityID(.content, author.id, ref.id))
                let isDeleted = slow.deleted.contains(SlowMerge.name("content", ref))
                #expect(content?.isDeleted ?? false == isDeleted, note)
                guard let content, !isDeleted else { continue }
                #expect(content.fields.title == text(slow.contents[ref]?["title"]), note)
                #expect(content.created == slow.created[SlowMerge.name("content", ref)], note)
                #expect(content.counts.saves == slow.count("save", to: .content(ref)), note)
                let comments = slow.comments.values.filter {
                    $0["content"]?["id"] == .string(ref.id) && $0["content"]?["author"] == .bytes(ref.author.bytes)
                }
                #expect(content.counts.comments == comments.count, note)
                let plays = slow.plays.filter { $0.key.content == ref }.map { Int($0.value) }.reduce(0, +)
                #expect(content.counts.plays == plays, note)
            }
            for id in 0..<2 {
                let ref = EntityRef(author.id, "l\(id)")
                guard let fields = slow.lists[ref] else { continue }
                let list = try #require(try reader.list(EntityID(.list, author.id, ref.id)), note)
                #expect(list.fields.name == text(fields["name"]), note)
                #expect(list.items.map(\.tag) == slow.order(of: ref), note)
            }
        }
    }
}
