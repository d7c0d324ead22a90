/// What checking an author's next update needs, kept in memory while the author is busy.
struct AuthorState {
    /// The row of `log_authors`.
    let key: Int64
    let id: AuthorID
    /// The `author.create` or `rotate` whose key is in force among what counts.
    var era: Era
    /// The updates that nothing follows, of those that the rotation in force lets count; more than one is a fork.
    var heads: [Ancestor]
    /// Updates whose bytes are kept, and their bytes.
    var held: Int
    var bytes: Int64
    /// Rows that were read to settle what the author's rights changed.
    var work: Int64
    var notes: Notes

    /// How many heads are kept; an author with more at once is playing games, and stays marked as forked.
    static let maximumHeads = 64

    /// Things that are looked up only for authors who did them.
    struct Notes: OptionSet {
        let rawValue: Int64
        /// Has forgotten something.
        static let forgets = Notes(rawValue: 1)
        /// Had more heads than are kept.
        static let manyHeads = Notes(rawValue: 2)
    }

    /// Whether two updates do not know of each other.
    var isEquivocated: Bool { heads.count > 1 || notes.contains(.manyHeads) }

    /// Puts `update` in the place of the heads that it follows.
    mutating func follow(_ update: Ancestor, prev: [Ancestor]) {
        if heads.count == 1, prev.count == 1, heads[0].row == prev[0].row {
            heads[0] = update
        } else {
            heads.removeAll { head in prev.contains { $0.row == head.row } }
            heads.append(update)
            if heads.count > Self.maximumHeads {
                heads.removeFirst()
                notes.insert(.manyHeads)
            }
        }
    }
}

/// An update as its children see it.
struct Ancestor {
    let row: Int64
    let id: UpdateID
    let author: Int64
    let seq: UInt64
    let time: UInt64
    /// The row of the `author.create` or `rotate` in force after it.
    let era: Int64
}

/// The keys from an `author.create` or `rotate` on.
struct Era {
    /// The row of that update.
    let row: Int64
    /// The Ed25519 public key.
    let key: [UInt8]
    /// The hash of the recovery key.
    let recovery: Digest32
}

/// Rows as bytes, eight each, big-endian.
enum RowList {
    static func bytes(_ rows: some Sequence<Int64>) -> [UInt8] {
        var bytes: [UInt8] = []
        for row in rows {
            for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: row >> shift)) }
        }
        return bytes
    }

    static func rows(_ bytes: [UInt8]) -> [Int64] {
        stride(from: 0, to: bytes.count - bytes.count % 8, by: 8).map { start in
            bytes[start..<start + 8].reduce(0) { $0 << 8 | Int64($1) }
        }
    }
}
