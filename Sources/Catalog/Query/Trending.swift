package import GRDB

/// The rankings, which are computed now and then and kept in a small table, so that asking for one costs a page.
package enum Trending {
    /// The rows of one sort and span that are kept: the best of all, and the best of each genre.
    static let keptOverall = 1_000
    static let keptOfGenre = 100
    /// Of so many genres, those whose best come first: anybody can make up as many as they like.
    static let keptGenres = 64
    /// Rows without any signal, the latest, which follow behind the others, so that a young catalog shows something.
    static let fresh = 200
    /// Authors whose distance is looked up at most.
    private static let graphLimit = 200_000

    /// Computes all rankings on a reader and stores them in one short transaction of the writer.
    ///
    /// It reads every play, save and repost: about a second for a million of them. Call it every few minutes, and
    /// only when the log has grown since.
    package static func refresh(
        reader: any DatabaseReader, writer: any DatabaseWriter, now: UInt64, weights: TrendingWeights = .plain
    ) throws(CatalogError) {
        let rows = try CatalogDatabase.mapped { try reader.read { try compute($0, now: now, weights: weights) } }
        try CatalogDatabase.mapped { try writer.write { try store(rows, now: now, in: $0) } }
    }

    /// When the rankings were computed, in milliseconds since 1970; `nil` before the first time.
    package static func time(in database: Database) throws -> UInt64? {
        try database.sql("SELECT value FROM view_meta WHERE key = 'trending'").one { UInt64(clamping: $0.number(0)) }
    }

    /// One place in a ranking.
    struct Row: Sendable, Equatable {
        let kind: EntityKind
        let span: Span
        let rank: Int
        let key: Int64
        let score: Double
        let genre: String?
    }

    static func store(_ rows: [Row], now: UInt64, in database: Database) throws {
        try database.sql("DELETE FROM trending").run()
        let insert = try database.sql(
            "INSERT INTO trending (kind, span, rank, key, score, genre) VALUES (?, ?, ?, ?, ?, ?)")
        for row in rows {
            try insert.run([
                .integer(Int64(row.kind.rawValue)), .integer(Int64(row.span.rawValue)), SQLValue(row.rank),
                .integer(row.key), .real(row.score), SQLValue(row.genre),
            ])
        }
        try database.sql("INSERT OR REPLACE INTO view_meta (key, value) VALUES ('trending', ?)").run([SQLValue(now)])
    }

    // MARK: Computing

    static func compute(_ database: Database, now: UInt64, weights: TrendingWeights) throws -> [Row] {
        let weigh = try Weigher(weights, database)
        let now = Int64(clamping: now)
        var signals: [Int64: TrendingSignals] = [:]
        try addPlays(&signals, database, now, weigh)
        try addEdges(&signals, database, now, weigh)
        var rows: [Row] = []
        for kind in [EntityKind.content, .list] {
            let candidates = try Trending.candidates(kind, signals, database, now)
            for span in Span.allCases { rows += rank(candidates, signals, kind, span, now) }
        }
        return rows
    }

    /// Looks up what an author's deeds weigh.
    struct Weigher {
        private let distances: [Int64: Int]?
        private let weights: TrendingWeights

        init(_ weights: TrendingWeights, _ database: Database) throws {
            self.weights = weights
            let own = try weights.own.compactMap { try RowLoader.key($0, .author, in: database) }
            let distances = try FollowGraph.distances(from: own, limit: Trending.graphLimit, in: database)
            self.distances = distances.count > own.count ? distances : nil
        }

        func callAsFunction(_ author: Int64) -> Double {
            guard let distances else { return 1 }
            guard let distance = distances[author], weights.byDistance.indices.contains(distance) else {
                return weights.beyond
            }
            return weights.byDistance[distance]
        }
    }

    private static func addPlays(
        _ signals: inout [Int64: TrendingSignals], _ database: Database, _ now: Int64, _ weigh: Weigher
    ) throws {
        let today = now / 86_400_000
        // A day counts for a span that it touches.
        let first = Span.allCases.map { (now - $0.milliseconds) / 86_400_000 }
        try database.sql("SELECT day, content, author, count FROM plays").run { row in
            let day = row.number(0)
            guard day <= today else { return }
            let plays = Double(row.number(3)) * weigh(row.number(2))
            let key = row.number(1)
            for (index, first) in first.enumerated() where day >= first {
                signals[key, default: TrendingSignals()].plays[index] += plays
            }
        }
    }

    private static func addEdges(
        _ signals: inout [Int64: TrendingSignals], _ database: Database, _ now: Int64, _ weigh: Weigher
    ) throws {
        let first = Span.allCases.map { now - $0.milliseconds }
        var source: Int64 = -1
        var (weight, followers) = (0.0, 0.0)
        var saved: Set<Int64> = []
        let followerCount = try database.sql("SELECT followers FROM counts WHERE key = ?")
        // In the order of the primary key: all saves of an author, then all reposts.
        try database.sql(
            """
            SELECT source, rel, target, time FROM edges WHERE rel IN (2, 3) AND active = 1 AND time <= ?
                ORDER BY source, rel, target
            """
        ).run([.integer(now + CatalogReader.tolerance)]) { row in
            let (target, time) = (row.number(2), row.number(3))
            if row.number(0) != source {
                source = row.number(0)
                saved.removeAll(keepingCapacity: true)
                weight = weigh(source)
                followers = Double(try followerCount.one([.integer(source)]) { $0.number(0) } ?? 0)
            }
            var signal = signals[target] ?? TrendingSignals()
            if row.number(1) == 2 {
                saved.insert(target)
                signal.saves += weight
                for (index, first) in first.enumerated() where time >= first { signal.recentSaves[index] += weight }
            } else {
                signal.reposts += weight
                for (index, first) in first.enumerated() where time >= first { signal.recentReposts[index] += weight }
            }
            if row.number(1) == 2 || !saved.contains(target) { signal.karma += weight * followers }
            signals[target] = signal
        }
    }

    // MARK: Ranking

    private struct Candidate {
        let key: Int64
        let id: String
        let created: Int64
        let genre: String?
        let ownerFollowers: Int64
    }

    private static func candidates(
        _ kind: EntityKind, _ signals: [Int64: TrendingSignals], _ database: Database, _ now: Int64
    ) throws -> [Candidate] {
        let (table, genre) = kind == .content ? ("contents", "c.genre") : ("lists", "NULL")
        let columns = """
            SELECT c.key, e.id, c.created, \(genre),
                coalesce((SELECT followers FROM counts n WHERE n.key = c.author), 0)
                FROM \(table) c JOIN entities e ON e.key = c.key WHERE \(RowLoader.listed("c")) AND c.created <= ?
            """
        func make(_ row: SQLRow) -> Candidate {
            Candidate(
                key: row.number(0), id: row.text(1), created: row.number(2), genre: row.optionalText(3),
                ownerFollowers: row.number(4))
        }
        let newest = SQLValue.integer(now + CatalogReader.tolerance)
        let byKey = try database.sql(columns + " AND c.key = ?")
        var found: [Candidate] = []
        found.reserveCapacity(signals.count)
        for key in signals.keys.sorted() {
            if let candidate = try byKey.one([newest, .integer(key)], make) { found.append(candidate) }
        }
        let fresh = try database.sql(columns + " ORDER BY c.created DESC, c.key LIMIT ?")
            .all([newest, SQLValue(Trending.fresh)], make)
        return found + fresh.filter { signals[$0.key] == nil }
    }

    private static func rank(
        _ candidates: [Candidate], _ signals: [Int64: TrendingSignals], _ kind: EntityKind, _ span: Span, _ now: Int64
    ) -> [Row] {
        var scored: [(score: Double, candidate: Candidate)] = candidates.map { candidate in
            let age = max(0, Double(now - candidate.created) / 86_400_000)
            let signal = signals[candidate.key] ?? TrendingSignals()
            return (signal.score(span, ageInDays: age, ownerFollowers: candidate.ownerFollowers), candidate)
        }
        scored.sort {
            ($1.score, $1.candidate.created, $0.candidate.id) < ($0.score, $0.candidate.created, $1.candidate.id)
        }
        var kept: [Row] = []
        var ofGenre: [String: Int] = [:]
        for (rank, entry) in scored.enumerated() {
            let genre = entry.candidate.genre
            if rank >= keptOverall, kept.count >= keptOverall + keptGenres * keptOfGenre { break }
            var isOfGenre = false
            if let genre, let place = ofGenre[genre] ?? (ofGenre.count < keptGenres ? 0 : nil) {
                isOfGenre = place < keptOfGenre
                ofGenre[genre] = place + 1
            }
            guard rank < keptOverall || isOfGenre else { continue }
            kept.append(
                Row(
                    kind: kind, span: span, rank: rank, key: entry.candidate.key, score: entry.score, genre: genre))
        }
        return kept
    }
}
