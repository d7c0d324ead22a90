import NIOCore

/// What a packet carries inside: an id, flags, and one request or answer.
///
/// In transport packets it is all there is; in handshakes more stands before it and, in initiations, zeros
/// behind it. The flags' low byte has bits, the high byte an offset: how many entries of a long answer the
/// asker has already.
struct DatagramBody: Hashable, Sendable {
    /// Bytes before the message: request id u32, flags u16, length u16.
    static let header = 8

    private static let answerBit: UInt16 = 1
    private static let moreBit: UInt16 = 2

    var requestID: UInt32
    var isAnswer: Bool
    /// An answer that does not hold everything: a further request with an offset, or a stream, has the rest.
    var hasMore: Bool
    var offset: UInt8
    var message: ByteBuffer

    /// A request; `offset` counts the entries that the asker has already.
    static func request(_ id: UInt32, _ message: ByteBuffer, offset: UInt8) -> DatagramBody {
        DatagramBody(requestID: id, isAnswer: false, hasMore: false, offset: offset, message: message)
    }

    static func answer(_ id: UInt32, _ message: ByteBuffer, isWhole: Bool) -> DatagramBody {
        DatagramBody(requestID: id, isAnswer: true, hasMore: !isWhole, offset: 0, message: message)
    }

    private init(requestID: UInt32, isAnswer: Bool, hasMore: Bool, offset: UInt8, message: ByteBuffer) {
        self.requestID = requestID
        self.isAnswer = isAnswer
        self.hasMore = hasMore
        self.offset = offset
        self.message = message
    }

    /// Reads a body that fills `buffer`, up to `zeros` behind it where padding is allowed.
    init(reading buffer: inout ByteBuffer, padded: Bool) throws(DatagramDrop) {
        guard let id = buffer.readInteger(endianness: .little, as: UInt32.self),
            let flags = buffer.readInteger(endianness: .little, as: UInt16.self),
            let length = buffer.readInteger(endianness: .little, as: UInt16.self),
            let message = buffer.readSlice(length: Int(length))
        else { throw .malformed }
        guard flags & 0xff & ~(Self.answerBit | Self.moreBit) == 0 else { throw .malformed }
        if padded {
            guard buffer.readableBytesView.allSatisfy({ $0 == 0 }) else { throw .malformed }
        } else {
            guard buffer.readableBytes == 0 else { throw .malformed }
        }
        requestID = id
        isAnswer = flags & Self.answerBit != 0
        hasMore = flags & Self.moreBit != 0
        offset = UInt8(flags >> 8)
        self.message = message
    }

    func write(into buffer: inout ByteBuffer) {
        let bits = (isAnswer ? Self.answerBit : 0) | (hasMore ? Self.moreBit : 0)
        buffer.writeInteger(requestID, endianness: .little)
        buffer.writeInteger(bits | UInt16(offset) << 8, endianness: .little)
        buffer.writeInteger(UInt16(truncatingIfNeeded: message.readableBytes), endianness: .little)
        buffer.writeImmutableBuffer(message)
    }
}

/// The payload of an initiation: the sender's Ed25519 key, one request, zeros.
struct InitiationPayload: Sendable {
    /// Bytes before the message.
    static let header = 32 + DatagramBody.header

    let identity: [UInt8]
    let body: DatagramBody

    init(identity: [UInt8], body: DatagramBody) {
        self.identity = identity
        self.body = body
    }

    init(_ payload: [UInt8]) throws(DatagramDrop) {
        var buffer = ByteBuffer(bytes: payload)
        guard let identity = buffer.readBytes(length: 32) else { throw .malformed }
        self.identity = identity
        body = try DatagramBody(reading: &buffer, padded: true)
        guard !body.isAnswer, !body.hasMore else { throw .malformed }
    }

    /// The payload, `length` bytes long.
    func encode(length: Int) -> [UInt8] {
        var buffer = ByteBufferAllocator().buffer(capacity: length)
        buffer.writeBytes(identity)
        body.write(into: &buffer)
        if buffer.readableBytes < length { buffer.writeRepeatingByte(0, count: length - buffer.readableBytes) }
        return Array(buffer.readableBytesView)
    }
}

/// The payload of a response: the index under which the responder wants to be addressed, and the answer.
struct ResponsePayload: Sendable {
    /// Bytes before the message.
    static let header = 4 + DatagramBody.header

    let index: UInt32
    let body: DatagramBody

    init(index: UInt32, body: DatagramBody) {
        self.index = index
        self.body = body
    }

    init(_ payload: [UInt8]) throws(DatagramDrop) {
        var buffer = ByteBuffer(bytes: payload)
        guard let index = buffer.readInteger(endianness: .little, as: UInt32.self) else { throw .malformed }
        self.index = index
        body = try DatagramBody(reading: &buffer, padded: false)
        guard body.isAnswer else { throw .malformed }
    }

    var encoded: [UInt8] {
        var buffer = ByteBufferAllocator().buffer(capacity: Self.header + body.message.readableBytes)
        buffer.writeInteger(index, endianness: .little)
        body.write(into: &buffer)
        return Array(buffer.readableBytesView)
    }
}
