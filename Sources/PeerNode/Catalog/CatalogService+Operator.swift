package import Catalog

// What the operator of this node has decided to hide.
extension CatalogService {
    /// An author who is blocked here, and why.
    package struct Blocked: Sendable {
        package let author: AuthorID
        /// For the operator alone; empty for none.
        package let reason: String
    }

    /// An author whose labels hide things here.
    package struct Labeler: Sendable {
        package let id: EntityID
        /// What is known of the author; `nil` for nothing yet.
        package let row: UserRow?
        /// `Hiding.anyLabel` for all of them.
        package let label: String
    }

    /// Who is blocked here.
    package func blocks() async throws -> [Blocked] {
        let store = store
        return try await plane.blocking {
            let reasons = try store.database.read { try Hiding.blocks(in: $0) }
            return try store.log.blocked().map { author in
                let id = EntityID(.author, author)
                return Blocked(author: author, reason: reasons.first { $0.id == id }?.reason ?? "")
            }
        }
    }

    /// Whose labels hide things here.
    package func labelers() async throws -> [Labeler] {
        let store = store
        return try await plane.blocking {
            let found = try store.database.read { try Hiding.labelers(in: $0) }
            let users = try store.reader.users(found.map(\.author))
            return found.map { entry in
                Labeler(id: entry.author, row: users.first { $0.id == entry.author }, label: entry.label)
            }
        }
    }
}
