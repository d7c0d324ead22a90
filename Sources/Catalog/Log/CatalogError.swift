/// Why the catalog could not do what this node asked of it. What peers get wrong is an `UpdateError`.
package enum CatalogError: Error, Hashable, Sendable {
    /// SQLite's extended code and message.
    case database(code: Int32, message: String)
    /// The database holds what this software never writes.
    case damaged(String)
    /// The database was written by newer software.
    case newerFormat(found: Int, supported: Int)
    case diskFull
    /// No update of this author is here.
    case unknownAuthor(AuthorID)
    /// The key is not the one in force, so nobody would accept the update.
    case keyNotInForce
    /// The update would not be valid.
    case invalid(UpdateError)
}

extension CatalogError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .database(let code, let message): "the catalog's database failed (\(code)): \(message)"
        case .damaged(let what): "the catalog's database is damaged: \(what)"
        case .newerFormat(let found, let supported):
            "the catalog's database has format \(found), which needs newer software (this one reads \(supported))"
        case .diskFull: "the disk is full"
        case .unknownAuthor(let author): "nothing is known here of the author \(author)"
        case .keyNotInForce: "this key is not, or no longer, the author's"
        case .invalid(let error): "no valid update: \(error)"
        }
    }
}
