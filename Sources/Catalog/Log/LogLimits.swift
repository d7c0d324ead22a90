/// How much the log takes from others.
package struct LogLimits: Sendable {
    /// How far ahead of this node's clock gossip may be, in milliseconds.
    package var ahead: UInt64 = 600_000
    /// Updates a minute that gossip may bring of one author.
    package var updatesPerMinute = 60
    /// Updates at once that it may bring of an author who was quiet before.
    package var burst = 600
    /// Bytes a minute, and at once, that it may bring of one author.
    package var bytesPerMinute = 256 * 1024
    /// New authors a minute that one forwarder may bring.
    package var newAuthorsPerMinute = 60
    /// Authors and forwarders whose rates are remembered.
    package var rateTable = 65_536

    /// How long an update waits for missing ancestors, in milliseconds.
    package var heldTime: UInt64 = 60_000
    /// Updates of one author that wait.
    package var heldPerAuthor = 64
    /// Updates that wait in all, and their bytes.
    package var held = 10_000
    package var heldBytes = 16 << 20

    /// Updates and bytes that are kept of an author whom nobody here follows.
    package var authorUpdates = 20_000
    package var authorBytes: Int64 = 32 << 20
    /// Bytes that are kept in all; beyond them only of authors who are followed here.
    package var totalBytes: Int64 = 4 << 30
    /// Ids in the set, held or not.
    package var totalUpdates: Int64 = 50_000_000

    /// Rows that are read at most to settle what the rotates, revokes and forgets of one author change, of an author
    /// whom nobody here follows; some seconds of work. Each sweep forgives half of what was done, so that an honest
    /// author's updates come late and not never.
    package var work: Int64 = 4_000_000

    /// How long the body of something deleted or forgotten stays, so that a rotate can undo a thief's doing,
    /// in milliseconds.
    package var deletedTime: UInt64 = 72 * 3_600_000
    /// How long a body stays that newer updates have superseded, in milliseconds.
    package var supersededTime: UInt64 = 30 * 24 * 3_600_000

    /// The specification's figures.
    package init() {}
}
