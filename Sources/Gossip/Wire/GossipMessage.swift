import Multiformats
package import NIOCore

/// A published message, as it travels through the swarm.
///
/// It is one slice of bytes and the places of its fields, so that whoever forwards it hands on those bytes and
/// copying a message retains one buffer. Whether a field is there counts: an empty one is not an absent one.
/// Source: https://github.com/libp2p/specs/tree/master/pubsub
package struct GossipMessage: Sendable {
    /// The message in its protobuf form, as it came or as we made it.
    package let encoded: ByteBuffer
    private let fields: Fields

    /// Where the fields lie in `encoded`.
    struct Fields: Sendable {
        var from = Extent()
        var data = Extent()
        var sequence = Extent()
        var topic = Extent()
        var signature = Extent()
        var key = Extent()
    }

    /// The place of a field; the default is that of an absent one.
    struct Extent: Sendable {
        var start = UInt32.max
        var count: UInt32 = 0

        init() {}

        init(_ range: Range<Int>, from base: Int) {
            start = UInt32(range.lowerBound - base)
            count = UInt32(range.count)
        }

        var isPresent: Bool { start != .max }
        /// What tag (of one byte), length and content take.
        var cost: Int { isPresent ? 1 + lengthCost + Int(count) : 0 }
        private var lengthCost: Int { count < 0x80 ? 1 : count < 0x4000 ? 2 : count < 0x20_0000 ? 3 : 5 }
    }

    init(encoded: ByteBuffer, fields: Fields) {
        self.encoded = encoded
        self.fields = fields
    }

    /// Reads a message that is not inside of a frame.
    package init(decoding encoded: ByteBuffer) throws(GossipRPCError) {
        guard encoded.readableBytes < Int(UInt32.max) else { throw .tooLong(encoded.readableBytes) }
        var budget = 64
        let range = 0..<encoded.readableBytes
        self.init(
            encoded: encoded, fields: try Fields(encoded.readableBytesUInt8Span, range, budget: &budget))
    }

    /// Who published it: a binary PeerID; nil where messages are not signed.
    package var from: ByteBuffer? { slice(fields.from) }
    /// The payload.
    package var data: ByteBuffer { slice(fields.data) ?? ByteBuffer() }
    /// The publisher's number for it: eight bytes, the most significant first.
    package var sequenceBytes: ByteBuffer? { slice(fields.sequence) }
    /// Where it was published; nothing without one is delivered.
    package var topic: Topic { Topic(bytes: slice(fields.topic) ?? ByteBuffer()) }
    package var signature: ByteBuffer? { slice(fields.signature) }
    /// The publisher's public key, where the PeerID does not hold it.
    package var key: ByteBuffer? { slice(fields.key) }

    /// The payload's length in bytes.
    package var dataLength: Int { Int(fields.data.count) }
    /// Whether the four fields that belong to signing are all absent.
    package var isAnonymous: Bool {
        !fields.from.isPresent && !fields.sequence.isPresent && !fields.signature.isPresent && !fields.key.isPresent
    }

    /// The number in `sequenceBytes`; nil unless it has eight bytes.
    package var sequence: UInt64? {
        guard fields.sequence.isPresent, fields.sequence.count == 8 else { return nil }
        return encoded.getInteger(at: encoded.readerIndex + Int(fields.sequence.start))
    }

    private func slice(_ extent: Extent) -> ByteBuffer? {
        guard extent.isPresent else { return nil }
        return encoded.getSlice(at: encoded.readerIndex + Int(extent.start), length: Int(extent.count))
    }

    /// Whether there is nothing in it but its six fields, once each: no unknown ones, no longer forms.
    ///
    /// Order does not count. What is more than that must not be forwarded: anybody on the way could add it.
    var isCompact: Bool {
        encoded.readableBytes == fields.from.cost + fields.data.cost + fields.sequence.cost + fields.topic.cost
            + fields.signature.cost + fields.key.cost
    }
}

extension GossipMessage {
    /// Writes fields 1 to 4 of a message, and with them what a signature covers.
    static func write(
        from: ByteBuffer?, data: ByteBuffer?, sequence: ByteBuffer?, topic: ByteBuffer?, to buffer: inout ByteBuffer
    ) {
        write(1, from, to: &buffer)
        write(2, data, to: &buffer)
        write(3, sequence, to: &buffer)
        write(4, topic, to: &buffer)
    }

    static func write(_ number: UInt8, _ field: ByteBuffer?, to buffer: inout ByteBuffer) {
        guard let field else { return }
        buffer.writeInteger(number << 3 | 2)
        buffer.writeVarint(UInt64(field.readableBytes))
        buffer.writeImmutableBuffer(field)
    }

    /// Fields 1 to 4 in the order of their numbers: what is signed, behind the prefix.
    func writeSignedFields(to buffer: inout ByteBuffer) {
        Self.write(
            from: from, data: slice(fields.data), sequence: sequenceBytes, topic: slice(fields.topic), to: &buffer)
    }

    /// The known fields in the order of their numbers.
    private func writeFields(to buffer: inout ByteBuffer) {
        writeSignedFields(to: &buffer)
        Self.write(5, signature, to: &buffer)
        Self.write(6, key, to: &buffer)
    }

    /// The message alone in a frame (length, then one `publish`), and the message as a part of that frame.
    ///
    /// One copy serves for everything that follows: the cache, the validator and all receivers. It keeps nothing
    /// else of the frame that the message came in, and nothing that somebody on the way has added.
    func framed() -> (message: GossipMessage, frame: ByteBuffer) {
        guard isCompact else {
            var rebuilt = ByteBuffer()
            writeFields(to: &rebuilt)
            // Our own bytes read; else the message stays as it came.
            return ((try? GossipMessage(decoding: rebuilt)) ?? self).copiedIntoFrame()
        }
        return copiedIntoFrame()
    }

    private func copiedIntoFrame() -> (message: GossipMessage, frame: ByteBuffer) {
        let length = encoded.readableBytes
        let inner = 1 + Varint.length(of: UInt64(length)) + length
        var frame = ByteBuffer()
        frame.reserveCapacity(Varint.length(of: UInt64(inner)) + inner)
        frame.writeVarint(UInt64(inner))
        frame.writeInteger(UInt8(2 << 3 | 2))
        frame.writeVarint(UInt64(length))
        let start = frame.writerIndex
        frame.writeImmutableBuffer(encoded)
        let copy = frame.getSlice(at: start, length: length) ?? encoded
        return (GossipMessage(encoded: copy, fields: fields), frame)
    }
}

extension GossipMessage.Fields {
    /// The fields of the message in that range of a frame, counted from the range's start. Of one that comes
    /// twice the last counts, as protobuf has it.
    init(_ bytes: Span<UInt8>, _ range: Range<Int>, budget: inout Int) throws(GossipRPCError) {
        var scanner = WireScanner(range)
        while let field = try scanner.next(bytes, budget: &budget) {
            guard (1...6).contains(field.number) else { continue }
            let extent = GossipMessage.Extent(try field.bytes(), from: range.lowerBound)
            switch field.number {
            case 1: from = extent
            case 2: data = extent
            case 3: sequence = extent
            case 4: topic = extent
            case 5: signature = extent
            default: key = extent
            }
        }
    }
}

extension GossipMessage: Equatable {
    /// Byte for byte.
    package static func == (left: GossipMessage, right: GossipMessage) -> Bool { left.encoded == right.encoded }
}
