import Multiformats
import NIOCore

/// The frames of `/coliving/catalog/1.0.0`.
///
/// A frame is `varint(length) || type || payload`, where the length counts the type and is at most 65,536. Numbers
/// of fixed size are big-endian, varints those of multiformats.
///
/// | type | payload |
/// |---|---|
/// | 1 hello | of the initiator: salt (8 bytes), count (varint); of the responder: count (varint) |
/// | 2 ranges | ranges of a message that goes on in the next frame |
/// | 3 last ranges | the last ranges of a message |
/// | 4 plan | the number of updates that will be sent (varint) |
/// | 5 updates | any number of: length of the header, length of the body (varints; 0: it was erased), header, body |
/// | 6 absent | count (varint), ids that were asked for and are not held |
/// | 7 done | 0 when everything was sent, 1 when this peer has more for another session |
/// | 8 refused | seconds to wait (varint); the stream ends |
/// | 9 ask | count (varint, at most 1,024), digests of headers (32 bytes each) that ascend |
///
/// A **range** begins where the one before it ended, the first of a message at the beginning of all keys:
/// `mode << 6 | n` (one byte, n at most 32), the upper bound, then what the mode says. The bound, which is not
/// part of the range, is `1 + time - time of the bound before` (varint; 0 for the end of all keys, and then n is 0)
/// and the first n bytes of a digest, the rest of which is zeros. Bounds ascend.
///
/// | mode | then | meaning |
/// |---|---|---|
/// | 0 skip | nothing | nothing to say |
/// | 1 fingerprint | 8 bytes | compare: of SHA-256(salt, sum of digests modulo 2^256 in 32 bytes, count in 8) |
/// | 2 list | count (varint), ids | all that the sender has; count at most 1,024 |
/// | 3 want | count (varint), ids | of those just listed, what the sender lacks |
///
/// An **id** is `time - time of the id before, or of the lower bound` (varint; in `absent` the first counts from 0)
/// and the first 16 bytes of the digest. Ids ascend.
///
/// A session: the initiator sends hello and a message; the responder hello and a message; then messages in turn. A
/// fingerprint that differs is answered with fingerprints of parts of the range or a list of it; a list with a want
/// and, later, with the updates of that range which are not on it, unasked. A message without fingerprints and lists
/// is the last. Then each peer sends its plan, updates by time, absent where it must, and done.
///
/// On `/coliving/catalog/ask/1.0.0` the initiator sends ask and nothing else; the responder a plan, those of the
/// updates that it holds, and done.
enum SyncFrame: UInt8 {
    case hello = 1
    case ranges = 2
    case lastRanges = 3
    case plan = 4
    case updates = 5
    case absent = 6
    case done = 7
    case refused = 8
    case ask = 9

    /// The frame with this payload, its length before it.
    func bytes(_ payload: ByteBuffer = ByteBuffer()) -> ByteBuffer {
        var frame = ByteBuffer()
        frame.reserveCapacity(payload.readableBytes + 4)
        frame.writeVarint(UInt64(payload.readableBytes + 1))
        frame.writeInteger(rawValue)
        frame.writeImmutableBuffer(payload)
        return frame
    }

    /// The frame with this number alone.
    func bytes(_ number: UInt64) -> ByteBuffer {
        var payload = ByteBuffer()
        payload.writeVarint(number)
        return bytes(payload)
    }

    /// Takes the first whole frame out of `stream`; `nil` when more bytes are needed.
    static func next(_ stream: inout ByteBuffer) throws(SyncFault) -> (type: SyncFrame, payload: ByteBuffer)? {
        let header: (value: UInt64, length: Int)?
        do { header = try stream.peekVarint() } catch { throw .malformed }
        guard let header else { return nil }
        guard header.value <= UInt64(SyncLimits.frameLength) else { throw .oversizeFrame }
        guard header.value > 0 else { throw .malformed }
        guard stream.readableBytes >= header.length + Int(header.value) else { return nil }
        stream.moveReaderIndex(forwardBy: header.length)
        guard var payload = stream.readSlice(length: Int(header.value)), let type: UInt8 = payload.readInteger(),
            let frame = SyncFrame(rawValue: type)
        else { throw .malformed }
        return (frame, payload)
    }
}

extension ByteBuffer {
    /// Reads a varint that must be there.
    mutating func syncNumber() throws(SyncFault) -> UInt64 {
        do { if let number = try readVarint() { return number } } catch {}
        throw .malformed
    }
}

/// An update's id as it is listed: its time and the first 16 bytes of its digest.
///
/// Two updates of one time and the same 16 bytes take 2^64 hashes to make, and would harm nobody but their author.
struct ShortID: Hashable, Sendable {
    static let digestLength = 16

    let time: UInt64
    let word0, word1: UInt64

    init(time: UInt64, word0: UInt64, word1: UInt64) {
        self.time = time
        self.word0 = word0
        self.word1 = word1
    }

    init(_ key: UpdateKey) { self.init(time: key.time, word0: key.digest.word0, word1: key.digest.word1) }

    /// The first key that could have this id.
    var lowest: UpdateKey { UpdateKey(time: time, digest: Digest32(words: (word0, word1, 0, 0))) }

    /// The first key behind all that could have it.
    var behind: UpdateKey { UpdateKey(time: time, digest: Digest32(words: (word0, word1, .max, .max))).next }

    /// The key in `set` that has this id.
    func key(in set: SumTree) -> UpdateKey? {
        guard let key = set.first(from: lowest), ShortID(key) == self else { return nil }
        return key
    }

    /// Reads an id whose time counts from `time`.
    init(reading bytes: inout ByteBuffer, after time: UInt64) throws(SyncFault) {
        let (sum, over) = time.addingReportingOverflow(try bytes.syncNumber())
        guard !over, sum <= UpdateKey.latestTime,
            let words = bytes.readMultipleIntegers(as: (UInt64, UInt64).self)
        else { throw .malformed }
        self.init(time: sum, word0: words.0, word1: words.1)
    }

    /// Appends the id; its time counts from `time`, which must not be later.
    func write(to bytes: inout ByteBuffer, after time: UInt64) {
        bytes.writeVarint(self.time &- time)
        bytes.writeMultipleIntegers(word0, word1)
    }
}

extension ShortID {
    /// Whether a key with this id can come from `bound` on.
    func isAtLeast(_ bound: UpdateKey) -> Bool {
        time == bound.time
            ? (word0, word1) >= (bound.digest.word0, bound.digest.word1)
            : time > bound.time
    }
}
