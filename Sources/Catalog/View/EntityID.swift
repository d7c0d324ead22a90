import Multiformats
import PeerCrypto

/// What sort of thing a row of the view is. Numbers are stored: never change one.
package enum EntityKind: UInt8, CaseIterable, Sendable {
    case author = 0, content, list, comment
}

/// The name of an author, a piece of digital content, a list or a comment in the API: base58 of a 128-bit hash of
/// its sort, its author and the author's own id for it, so it matches `\w+` and is the same on every node.
package struct EntityID: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The text: 22 characters as a rule, of base58.
    package let description: String

    /// The id that a client sent; `nil` for what is no such text.
    package init?(_ text: String) {
        guard (16...22).contains(text.utf8.count), let bytes = try? Base.base58btc.decode(text), bytes.count == 16
        else {
            return nil
        }
        description = text
    }

    /// The id that the view stored.
    init(stored text: String) { description = text }

    /// The id of `name` among the author's entities of that sort; an author's own has an empty name.
    package init(_ kind: EntityKind, _ author: AuthorID, _ name: String = "") {
        var bytes: [UInt8] = [kind.rawValue]
        bytes.reserveCapacity(33 + name.utf8.count)
        author.digest.append(to: &bytes)
        bytes += name.utf8
        let digest = Digest32(ContentHash.sha256(bytes)) ?? .zero
        description = EntityID.text(digest.word0, digest.word1)
    }

    private static let digits = Array("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".utf8)

    /// base58 of a number of 128 bits, as `Base` writes its 16 bytes: every update names a few entities, and long
    /// division byte by byte costs more than the hash.
    private static func text(_ high: UInt64, _ low: UInt64) -> String {
        // 58^10, so that two long divisions leave numbers of one word, of ten digits each.
        let unit: UInt64 = 430_804_206_899_405_824
        let (upper, rest) = high.quotientAndRemainder(dividingBy: unit)
        let (middle, last) = unit.dividingFullWidth((rest, low))
        let (first, second) = unit.dividingFullWidth((upper, middle))
        var text: [UInt8] = []
        text.reserveCapacity(22)
        for (number, count) in [(last, 10), (second, 10), (first, 2)] {
            var number = number
            for _ in 0..<count {
                text.append(digits[Int(number % 58)])
                number /= 58
            }
        }
        // Zero bytes at the start are a digit each, and digits that are zero none.
        while text.last == digits[0] { text.removeLast() }
        let zeros = (high == 0 ? 64 + low.leadingZeroBitCount : high.leadingZeroBitCount) / 8
        text += repeatElement(digits[0], count: zeros)
        return String(decoding: text.reversed(), as: UTF8.self)
    }

    /// The id of what an edge or a label points at.
    package init(_ reference: Reference) {
        switch reference {
        case .author(let author): self.init(.author, author)
        case .content(let entity): self.init(.content, entity.author, entity.id)
        case .list(let entity): self.init(.list, entity.author, entity.id)
        case .comment(let entity): self.init(.comment, entity.author, entity.id)
        }
    }

    package static func < (left: EntityID, right: EntityID) -> Bool { left.description < right.description }
}

extension Reference {
    /// What sort of thing is pointed at.
    var kind: EntityKind {
        switch self {
        case .author: .author
        case .content: .content
        case .list: .list
        case .comment: .comment
        }
    }
}
