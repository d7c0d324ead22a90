package import GRDB

/// What is made from the updates that count: the view.
///
/// Both calls come inside the log's transaction, so that the log and what is made from it never disagree, whatever
/// kills the process.
package protocol UpdateSink: Sendable {
    /// Merges updates that count from now on, each with its body. None is ever given that a node with the same set
    /// would not give too, in whatever order.
    func apply(_ updates: [Update], in database: Database) throws

    /// Makes anew all that belongs to `owner`, because updates that counted do not any more (a rotate, a revoke, a
    /// forget), or the other way round. `updates` calls its argument with each that counts, in no order.
    func remake(
        _ owner: AuthorID, from updates: ((Update) throws -> Void) throws -> Void, in database: Database) throws
}
