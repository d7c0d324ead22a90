import Multiformats

/// The lasting name of an author: the digest of the first header of the log, so that it survives a new key.
///
/// An author is a person, not a node: a node may hold the keys of several, or of none.
package struct AuthorID: Hashable, Comparable, Sendable {
    /// The digest of the first header.
    package let digest: Digest32

    /// The author whose first update this is.
    @inlinable
    package init(_ digest: Digest32) { self.digest = digest }

    /// The author with these 32 bytes; `nil` for any other number of them.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == 32, let digest = Digest32(bytes) else { return nil }
        self.init(digest)
    }

    /// Reads what `description` writes; `nil` for anything else.
    package init?(_ text: String) {
        guard (32...44).contains(text.utf8.count), let bytes = try? Base.base58btc.decode(text) else { return nil }
        self.init(bytes)
    }

    /// The 32 bytes.
    package var bytes: [UInt8] { digest.bytes }

    /// What is shown beside a handle: the first 12 characters of the text. Fewer could be ground out.
    package var short: String { String(description.prefix(12)) }

    @inlinable
    package static func < (left: AuthorID, right: AuthorID) -> Bool { left.digest < right.digest }
}

extension AuthorID: CustomStringConvertible {
    /// base58 of the 32 bytes, 43 or 44 characters as a rule.
    package var description: String { Base.base58btc.encode(bytes) }
}
