package import Multiformats
import NIOCore

/// What tells one message from another: raw bytes, though some definitions call them a string.
///
/// Up to 48 bytes lie inline, which covers a PeerID with a number behind it and every usual hash: copying one
/// allocates nothing. They are hashed once, when the id is made.
package struct MessageID: Hashable, Sendable {
    /// The longest id that is taken note of, in bytes.
    package static let maximumLength = 256
    private static let inlineLength = 48

    private let digest: Int
    private let word0: UInt64
    private let word1: UInt64
    private let word2: UInt64
    private let word3: UInt64
    private let word4: UInt64
    private let word5: UInt64
    /// All bytes of an id that is too long to lie inline.
    private let long: [UInt8]?
    /// Its length in bytes.
    package let count: Int

    private init(
        _ words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64), count: Int, long: [UInt8]? = nil
    ) {
        (word0, word1, word2, word3, word4, word5) = words
        self.count = count
        self.long = long
        var hasher = Hasher()
        hasher.combine(count)
        if let long {
            hasher.combine(long)
        } else {
            hasher.combine(word0)
            hasher.combine(word1)
            hasher.combine(word2)
            hasher.combine(word3)
            if count > 32 {
                hasher.combine(word4)
                hasher.combine(word5)
            }
        }
        digest = hasher.finalize()
    }

    /// The id made of these bytes.
    package init(_ bytes: some Collection<UInt8>) {
        let count = bytes.count
        guard count <= Self.inlineLength else {
            self.init((0, 0, 0, 0, 0, 0), count: count, long: Array(bytes))
            return
        }
        var words = InlineWords()
        for byte in bytes { words.append(byte) }
        self.init(words.all, count: count)
    }

    /// The id in part of a frame.
    init(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        guard range.count <= Self.inlineLength else {
            self.init((0, 0, 0, 0, 0, 0), count: range.count, long: range.map { bytes[$0] })
            return
        }
        // Word by word: ids come by the thousand.
        func word(_ number: Int) -> UInt64 {
            let start = range.lowerBound + 8 * number
            guard start < range.upperBound else { return 0 }
            let end = min(start + 8, range.upperBound)
            var value: UInt64 = 0
            for index in start..<end { value = value << 8 | UInt64(bytes[index]) }
            return value << UInt64(8 * (8 - (end - start)))
        }
        self.init((word(0), word(1), word(2), word(3), word(4), word(5)), count: range.count)
    }

    /// The 32 bytes of a SHA-256.
    package init(sha256 hash: Multihash) {
        if let words = hash.words {
            self.init((words.0, words.1, words.2, words.3, 0, 0), count: 32)
        } else {
            self.init(hash.digest)
        }
    }

    /// Two byte strings, one behind the other.
    init(_ first: ByteBuffer, _ second: ByteBuffer) {
        let count = first.readableBytes + second.readableBytes
        guard count <= Self.inlineLength else {
            self.init((0, 0, 0, 0, 0, 0), count: count, long: Array(first.readableBytesView) + second.readableBytesView)
            return
        }
        var words = InlineWords()
        for byte in first.readableBytesView { words.append(byte) }
        for byte in second.readableBytesView { words.append(byte) }
        self.init(words.all, count: count)
    }

    package static func == (left: MessageID, right: MessageID) -> Bool {
        left.digest == right.digest && left.word0 == right.word0 && left.word1 == right.word1
            && left.word2 == right.word2 && left.word3 == right.word3 && left.word4 == right.word4
            && left.word5 == right.word5 && left.count == right.count && left.long == right.long
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(digest) }

    /// The bytes.
    package var bytes: [UInt8] {
        if let long { return long }
        var result: [UInt8] = []
        result.reserveCapacity(Self.inlineLength)
        for word in [word0, word1, word2, word3, word4, word5] {
            for shift in stride(from: UInt64(56), through: 0, by: -8) {
                result.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
        result.removeLast(Self.inlineLength - count)
        return result
    }

    /// Appends the bytes to `buffer`.
    func write(to buffer: inout ByteBuffer) {
        if let long {
            buffer.writeBytes(long)
            return
        }
        let start = buffer.writerIndex
        buffer.writeMultipleIntegers(word0, word1, word2, word3)
        if count > 32 { buffer.writeMultipleIntegers(word4, word5) }
        buffer.moveWriterIndex(to: start + count)
    }
}

extension MessageID: CustomStringConvertible {
    /// In hexadecimal.
    package var description: String { Base.base16.encode(bytes) }
}

/// Fills six words from the left, byte by byte.
private struct InlineWords {
    var all: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)
    private var count: UInt64 = 0

    init() {}

    mutating func append(_ byte: UInt8) {
        let value = UInt64(byte) << (56 - (count & 7) * 8)
        switch count >> 3 {
        case 0: all.0 |= value
        case 1: all.1 |= value
        case 2: all.2 |= value
        case 3: all.3 |= value
        case 4: all.4 |= value
        default: all.5 |= value
        }
        count += 1
    }
}
