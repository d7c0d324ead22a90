import Catalog

// What goes when there is no room for all: the farthest authors first.
extension CatalogService {
    /// Hundredths of the quota: from when room is made, and what may be kept then.
    private static let (full, roomy): (Int64, Int64) = (95, 80)

    /// Drops the updates of the authors who are farthest from this node's own, along who follows whom, once the quota
    /// is nearly used up; of those who are equally far the largest first. Who is nearer than all that went and found
    /// no room before is asked for again. Whom the own authors follow stays. Returns the bytes that are kept then;
    /// `nil` when there was room enough.
    @discardableResult
    package func makeRoom() async throws -> Int64? {
        let hundredth = max(1, Int64(clamping: configuration.quota) / 100)
        let (store, authors, housekeeping) = (store, authors, housekeeping)
        return try await store.writing {
            let held = try store.log.heldBytes()
            // Where only followed authors are left, there is nothing to gain before more has come.
            let crowded = housekeeping.crowded.map { $0 + hundredth } ?? 0
            guard held > max(hundredth * Self.full, crowded) else { return nil }
            let own = try authors.list().map(\.id)
            let distances = try store.database.distances(from: own)
            func distance(_ author: AuthorID) -> Int { distances[author] ?? .max }
            let order = try store.log.sizes().filter { !own.contains($0.author) }.sorted { left, right in
                let (one, other) = (distance(left.author), distance(right.author))
                return (one, left.bytes, left.author) > (other, right.bytes, right.author)
            }
            let room = try store.log.makeRoom(
                order.map(\.author), limit: hundredth * Self.roomy, now: store.now())
            let border = room.last.map(distance) ?? .max
            try store.log.want(distances.filter { $0.value < border }.map(\.key), now: store.now())
            housekeeping.crowded = room.kept
            return room.kept
        }
    }
}
