/// An update that counts: valid, covered by the rights of who signed it, not forgotten, and with its body.
///
/// Which updates count is the log's to say; what they make together is the view's.
package struct CountedUpdate: Sendable {
    package let stamp: Stamp
    /// Whose entities it changes: the author, or whom it acts for under a grant.
    package let owner: AuthorID
    /// Who signed it.
    package let author: AuthorID
    package let body: UpdateBody

    package init(stamp: Stamp, owner: AuthorID, author: AuthorID, body: UpdateBody) {
        self.stamp = stamp
        self.owner = owner
        self.author = author
        self.body = body
    }

    /// An update from the log; `nil` when its body is not here.
    package init?(_ update: Update) {
        guard let body = update.body else { return nil }
        self.init(
            stamp: Stamp(time: update.time, id: update.id), owner: update.subject, author: update.author, body: body)
    }
}
