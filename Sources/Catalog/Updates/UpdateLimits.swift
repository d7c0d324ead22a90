/// How much the fields of an update may hold. Text is counted in Unicode scalars, unless a comment says bytes.
package enum UpdateLimits {
    /// The greatest number in any field: 2^53 - 1, which every reader of JSON can hold. As a time in milliseconds
    /// it lies beyond the year 280,000, so sums with it never overflow.
    package static let number: UInt64 = 1 << 53 - 1
    /// The deepest nesting of lists and maps.
    package static let depth = 8
    /// The most updates in `prev`.
    package static let heads = 8
    /// An entity's id, in bytes.
    package static let id = 64
    /// `[a-z0-9_.]`.
    package static let handle = 30
    package static let name = 100
    package static let bio = 256
    package static let location = 100
    /// A URL.
    package static let website = 256
    package static let title = 200
    package static let description = 2_500
    package static let comment = 400
    /// Genre, mood, license, one tag, one role, the name of a codec.
    package static let word = 64
    package static let tags = 30
    /// The files of one piece of content: original, streams, previews.
    package static let media = 16
    /// A place in a list, in bytes.
    package static let position = 64
    /// The tags that one `list.item` removes.
    package static let removedTags = 500
    /// The rows of one tally of plays.
    package static let plays = 500
    /// The updates that one `forget` names.
    package static let forgotten = 500
    /// The kinds of one grant.
    package static let kinds = 32
    /// The heads that one `revoke` keeps.
    package static let keep = 64
    package static let roles = 16
    /// The reason of a label.
    package static let reason = 400
}
