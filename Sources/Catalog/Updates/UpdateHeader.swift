import Multiformats
import PeerCrypto

/// The signed part of an update: who says something, after what, and the CID of what is said.
///
/// Its bytes are one map in canonical dag-cbor. The update's CID is that of these bytes, so it stays when the body
/// is erased. Fields that version 1 does not know are refused.
package struct UpdateHeader: Equatable, Sendable {
    /// What a signature is made over, before the header's bytes without `sig`.
    package static let domain = Array("coliving-update/1".utf8)

    /// Whom an update acts for, and by what right (`for`).
    package struct Acting: Hashable, Sendable {
        package let owner: AuthorID
        /// The owner's `grant`.
        package let grant: UpdateID

        package init(for owner: AuthorID, by grant: UpdateID) {
            self.owner = owner
            self.grant = grant
        }
    }

    /// `nil` in the author's first update, whose own id is the author's.
    package let author: AuthorID?
    /// The Ed25519 key in force at `prev` (32 bytes); in a `rotate` the recovery key in force there.
    package let key: [UInt8]
    /// The author's heads that the signer knew, in order: 1 to 8, none in the first update.
    package let prev: [UpdateID]
    /// 0, then one more than the greatest of `prev`.
    package let seq: UInt64
    /// Milliseconds since 1970; later than that of every update in `prev`.
    package let time: UInt64
    package let acting: Acting?
    package let kind: UpdateKind
    /// The SHA-256 of the body, a dag-cbor block.
    package let body: Digest32
    /// 64 bytes.
    package let signature: [UInt8]

    /// The key as a value that compares and hashes fast.
    var signer: Digest32 { Digest32(key) ?? Digest32(words: (0, 0, 0, 0)) }

    /// The header in canonical form with a signature by `key`.
    ///
    /// Only lengths and counts are checked here; that the ancestors allow it is the log's business.
    static func sign(
        author: AuthorID?, prev: [UpdateID], seq: UInt64, time: UInt64, acting: Acting?, kind: UpdateKind,
        body: Digest32, with key: KeyPair
    ) -> [UInt8] {
        func bytes(signature: [UInt8]?) -> [UInt8] {
            var writer = HeaderWriter()
            writer.map(7 + (signature == nil ? 0 : 1) + (acting == nil ? 0 : 1) + (author == nil ? 0 : 1))
            writer.field("v", number: 1)
            if let acting {
                writer.key("for")
                writer.map(2)
                writer.field("grant", link: acting.grant)
                writer.field("owner", bytes: acting.owner.bytes)
            }
            writer.field("key", bytes: key.publicKey.data)
            writer.field("seq", number: seq)
            if let signature { writer.field("sig", bytes: signature) }
            writer.field("body", link: body)
            writer.field("kind", text: kind.rawValue)
            writer.field("prev", links: prev)
            writer.field("time", number: time)
            if let author { writer.field("author", bytes: author.bytes) }
            return writer.bytes
        }
        return bytes(signature: key.sign(domain + bytes(signature: nil)))
    }
}

/// Writes a header's few forms of fields; the caller keeps the canonical order.
private struct HeaderWriter {
    private(set) var bytes: [UInt8] = []

    init() { bytes.reserveCapacity(512) }

    mutating func map(_ count: Int) { head(5, UInt64(count)) }

    mutating func key(_ name: String) { text(name) }

    mutating func field(_ name: String, number: UInt64) {
        key(name)
        head(0, number)
    }

    mutating func field(_ name: String, bytes content: [UInt8]) {
        key(name)
        head(2, UInt64(content.count))
        bytes += content
    }

    mutating func field(_ name: String, text content: String) {
        key(name)
        text(content)
    }

    mutating func field(_ name: String, link: Digest32) {
        key(name)
        self.link(link)
    }

    mutating func field(_ name: String, links: [Digest32]) {
        key(name)
        head(4, UInt64(links.count))
        for link in links { self.link(link) }
    }

    private mutating func link(_ digest: Digest32) {
        bytes += CanonicalCBOR.linkPrefix
        digest.append(to: &bytes)
    }

    private mutating func text(_ content: String) {
        head(3, UInt64(content.utf8.count))
        bytes += content.utf8
    }

    private mutating func head(_ major: UInt8, _ argument: UInt64) {
        let type = major << 5
        if argument < 24 {
            bytes.append(type | UInt8(argument))
            return
        }
        let width = argument < 1 << 8 ? 0 : argument < 1 << 16 ? 1 : argument < 1 << 32 ? 2 : 3
        bytes.append(type | UInt8(24 + width))
        for index in (0..<1 << width).reversed() {
            bytes.append(UInt8(truncatingIfNeeded: argument >> UInt64(8 * index)))
        }
    }
}
