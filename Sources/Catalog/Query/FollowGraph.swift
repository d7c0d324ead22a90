import GRDB

/// How far authors are from some others along who follows whom, as far as this node knows.
struct FollowGraph {
    /// How many steps are followed.
    static let maximumDistance = 3

    /// The distance of each author from the nearest of `origins`, which have 0; those farther than three steps, and
    /// those beyond `limit` authors, are not in it.
    static func distances(from origins: [Int64], limit: Int, in database: Database) throws -> [Int64: Int] {
        var distances: [Int64: Int] = [:]
        for origin in origins { distances[origin] = 0 }
        var edge = origins
        let statement = try database.sql(
            "SELECT target FROM edges WHERE source = ? AND rel = 1 AND active = 1 ORDER BY time DESC, target LIMIT 5000"
        )
        for distance in 1...maximumDistance {
            var next: [Int64] = []
            for author in edge {
                if distances.count >= limit { return distances }
                try statement.run([.integer(author)]) { row in
                    let target = row.number(0)
                    if distances[target] == nil {
                        distances[target] = distance
                        next.append(target)
                    }
                }
            }
            edge = next
        }
        return distances
    }
}
