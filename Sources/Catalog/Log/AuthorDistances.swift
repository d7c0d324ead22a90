import GRDB

extension CatalogDatabase {
    /// How many steps along who follows whom authors are from the nearest of `origins`, which have 0; those farther
    /// than three steps are not in it, and neither are those beyond `limit`. It reads the view.
    package func distances(
        from origins: [AuthorID], limit: Int = 200_000
    ) throws(CatalogError) -> [AuthorID: Int] {
        try read { database in
            let keys = try origins.compactMap { origin in
                try database.sql("SELECT key FROM entities WHERE id = ?")
                    .bind(EntityID(.author, origin).description, 1).one { $0.number(0) }
            }
            var distances: [AuthorID: Int] = [:]
            for (key, distance) in try FollowGraph.distances(from: keys, limit: limit, in: database) {
                let name = try database.sql("SELECT name FROM entities WHERE key = ?").bind(key, 1).one { $0.blob(0) }
                if let author = name.flatMap({ AuthorID($0) }) { distances[author] = distance }
            }
            return distances
        }
    }
}
