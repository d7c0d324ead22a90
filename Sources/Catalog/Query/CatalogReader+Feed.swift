import GRDB
import SansIO

/// What a feed shows.
package enum FeedFilter: String, CaseIterable, Sendable {
    case all
    /// Only what others reposted.
    case repost
    /// Only what its own author published.
    case original
}

// What those whom an author follows published and reposted.
extension CatalogReader {
    /// The followees a feed looks at: those followed last.
    static let maximumFollowees = 2_000

    /// The author's feed, latest first: each piece of content and each list once, at the last time that a followee
    /// published or reposted it.
    package func feed(
        of id: EntityID, filter: FeedFilter = .all, now: UInt64, _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<ActivityRow> {
        try read(viewer) { loader in
            guard let key = try loader.key(id, .author) else { return Page([]) }
            var feed = try FeedMerge(loader, of: key, filter, before: CatalogReader.latest(now), from: page.place)
            var rows: [ActivityRow] = []
            var skipped = page.skipped
            var last: TimedKey?
            while let entry = try feed.next() {
                // One more than asked for says that there is another page.
                if rows.count == page.limit { return Page(rows, next: last?.cursor) }
                if skipped > 0 {
                    skipped -= 1
                    continue
                }
                guard let item = try loader.item(entry.key) else { continue }
                rows.append(
                    ActivityRow(
                        item: item, time: UInt64(clamping: entry.time),
                        actor: try entry.reposter.flatMap { try loader.id($0) }))
                last = TimedKey(time: entry.time, key: entry.key)
            }
            return Page(rows)
        }
    }
}

/// Merges what each followee did by time, reading little more than it gives out.
struct FeedMerge {
    struct Entry {
        let time: Int64
        let key: Int64
        /// `nil` where its author published it.
        let reposter: Int64?
    }

    /// One followee's content, lists or reposts, a few rows at a time.
    private struct Source {
        let followee: Int64
        let kind: Kind
        var buffer: [TimedKey] = []
        var position = 0
        var isAtEnd = false
    }

    private enum Kind: CaseIterable { case contents, lists, reposts }

    private struct Head: Comparable {
        let time: Int64
        let key: Int64
        let source: Int
        static func < (left: Head, right: Head) -> Bool {
            (right.time, left.key, left.source) < (left.time, right.key, right.source)
        }
        static func == (left: Head, right: Head) -> Bool { left.source == right.source && left.time == right.time }
    }

    private let loader: RowLoader
    /// By when they were active last, latest first.
    private let followees: [TimedKey]
    private let isFollowee: Set<Int64>
    /// How many of them have been looked at.
    private var opened = 0
    private let filter: FeedFilter
    private var sources: [Source] = []
    private var heads = Heap<Head>()
    private var given: Set<Int64> = []
    private let start: (time: Int64, key: Int64)
    private let newest: Int64
    private static let step = 4

    init(
        _ loader: RowLoader, of viewer: Int64, _ filter: FeedFilter, before newest: Int64,
        from place: (time: Int64, key: Int64)
    ) throws {
        self.loader = loader
        self.filter = filter
        self.newest = newest
        start = place.time <= newest ? place : (newest, -1)
        let latest = try loader.database.sql(
            """
            SELECT coalesce(n.active, 0), f.target FROM (
                SELECT target FROM edges WHERE source = ? AND rel = 1 AND active = 1
                    AND \(RowLoader.active("target")) AND \(RowLoader.shown("target"))
                    ORDER BY time DESC, target LIMIT ?) f
                LEFT JOIN counts n ON n.key = f.target
            """
        ).all([.integer(viewer), SQLValue(CatalogReader.maximumFollowees)]) {
            TimedKey(time: $0.number(0), key: $0.number(1))
        }
        followees = latest.sorted { ($1.time, $0.key) < ($0.time, $1.key) }
        isFollowee = Set(followees.map(\.key))
    }

    /// Looks at the followees who may have something later than all heads.
    private mutating func openMore() throws {
        while opened < followees.count {
            let followee = followees[opened]
            if let head = heads.first, min(followee.time, start.time) < head.time { return }
            opened += 1
            for kind in Kind.allCases where FeedMerge.wants(filter, kind) {
                sources.append(Source(followee: followee.key, kind: kind))
                try advance(sources.count - 1)
            }
        }
    }

    private static func wants(_ filter: FeedFilter, _ kind: Kind) -> Bool {
        switch filter {
        case .all: true
        case .repost: kind == .reposts
        case .original: kind != .reposts
        }
    }

    /// The next item that the feed has not given yet, here or on an earlier page.
    mutating func next() throws -> Entry? {
        while true {
            try openMore()
            guard let head = heads.pop() else { return nil }
            let source = sources[head.source]
            try advance(head.source)
            guard given.insert(head.key).inserted else { continue }
            if start.time < newest, try cameLater(head) { continue }
            guard try isShown(head.key, source) else { continue }
            return Entry(
                time: head.time, key: head.key, reposter: source.kind == .reposts ? source.followee : nil)
        }
    }

    // MARK: Sources

    /// Puts a source's next row among the heads.
    private mutating func advance(_ index: Int) throws {
        if sources[index].position == sources[index].buffer.count {
            if sources[index].isAtEnd { return }
            let from = sources[index].buffer.last.map { (time: $0.time, key: $0.key) } ?? start
            let rows = try read(sources[index], from)
            sources[index].buffer = rows
            sources[index].position = 0
            sources[index].isAtEnd = rows.count < FeedMerge.step
            if rows.isEmpty { return }
        }
        let row = sources[index].buffer[sources[index].position]
        sources[index].position += 1
        heads.push(Head(time: row.time, key: row.key, source: index))
    }

    private func read(_ source: Source, _ from: (time: Int64, key: Int64)) throws -> [TimedKey] {
        let (table, whose, time, key) =
            switch source.kind {
            case .contents: ("contents", "listed = 1 AND author", "created", "key")
            case .lists: ("lists", "listed = 1 AND author", "created", "key")
            case .reposts: ("edges", "rel = 3 AND active = 1 AND source", "time", "target")
            }
        return try loader.database.sql(
            """
            SELECT \(time), \(key) FROM \(table) WHERE \(whose) = ? AND \(time) <= ? AND (\(time) < ? OR \(key) > ?)
                ORDER BY \(time) DESC, \(key) LIMIT ?
            """
        ).all([
            .integer(source.followee), .integer(from.time), .integer(from.time), .integer(from.key),
            SQLValue(FeedMerge.step),
        ]) { TimedKey(time: $0.number(0), key: $0.number(1)) }
    }

    // MARK: What is shown

    private func isShown(_ key: Int64, _ source: Source) throws -> Bool {
        for table in ["contents", "lists"] {
            let found = try loader.database.sql("SELECT \(RowLoader.listed("t")) FROM \(table) t WHERE t.key = ?")
                .one([.integer(key)]) { $0.flag(0) }
            if let found { return found }
        }
        return false
    }

    /// Whether an earlier page has shown the item, because a followee published or reposted it later than this.
    private func cameLater(_ head: Head) throws -> Bool {
        if filter != .repost {
            for table in ["contents", "lists"] {
                let author = try loader.database.sql(
                    "SELECT author FROM \(table) WHERE key = ? AND listed = 1 AND created > ? AND created <= ?"
                ).one([.integer(head.key), .integer(head.time), .integer(newest)]) { $0.number(0) }
                if let author, isFollowee.contains(author) { return true }
            }
        }
        return try filter != .original && wasRepostedLater(head)
    }

    private func wasRepostedLater(_ head: Head) throws -> Bool {
        let times: [SQLValue] = [.integer(head.key), .integer(head.time), .integer(newest)]
        // The shorter way: through those who reposted it later, or through the followees. One row after the other
        // costs a fifth of looking for one.
        let limit = 5 * followees.count
        let reposters = try loader.database.sql(
            """
            SELECT source FROM edges WHERE target = ? AND rel = 3 AND active = 1 AND time > ? AND time <= ?
                ORDER BY time DESC, source LIMIT ?
            """
        ).all(times + [SQLValue(limit + 1)]) { $0.number(0) }
        if reposters.contains(where: isFollowee.contains) { return true }
        if reposters.count <= limit { return false }
        let repost = try loader.database.sql(
            """
            SELECT 1 FROM edges WHERE source = ? AND rel = 3 AND target = ? AND active = 1 AND time > ? AND time <= ?
            """)
        return try followees.contains { try repost.one([.integer($0.key)] + times) { _ in true } ?? false }
    }
}
