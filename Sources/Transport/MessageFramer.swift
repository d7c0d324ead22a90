import Multiformats
package import NIOCore

/// Cuts a stream of length-prefixed messages into messages, each in one contiguous buffer.
///
/// A message that lies whole in the bytes at hand is a slice of them; one that arrives in pieces is copied
/// once into a buffer of its size. The length is checked before anything is allocated, and the buffer grows
/// with what has arrived, so a claimed length costs nothing.
package struct MessageFramer: Sendable {
    /// The longest message, in bytes.
    package let maximum: Int
    /// A prefix whose end has not arrived.
    private var prefix = ByteBuffer()
    /// The message being collected and its full length.
    private var collected: ByteBuffer?
    private var length = 0
    /// More than this is reserved only once that much has arrived.
    private static let firstReserve = 256 << 10

    /// A framer that throws beyond `maximum` bytes a message.
    package init(maximum: Int) { self.maximum = maximum }

    /// Whether the bytes so far end between two messages.
    package var isEmpty: Bool { prefix.readableBytes == 0 && collected == nil }

    /// Bytes held of an incomplete message.
    package var heldBytes: Int { prefix.readableBytes + (collected?.readableBytes ?? 0) }

    /// The next whole message, its prefix removed; `nil` once `input` is used up.
    package mutating func next(_ input: inout ByteBuffer) throws(StreamError) -> ByteBuffer? {
        if var message = collected.take() {
            let rest = length - message.readableBytes
            if let piece = input.readSlice(length: min(rest, input.readableBytes)) {
                if message.readableBytes + piece.readableBytes > message.capacity { message.reserveCapacity(length) }
                message.writeImmutableBuffer(piece)
            }
            if message.readableBytes == length { return message }
            collected = message
            return nil
        }
        guard let length = try readPrefix(&input) else { return nil }
        if let message = input.readSlice(length: length) { return message }
        self.length = length
        var message = ByteBuffer()
        message.reserveCapacity(min(length, Self.firstReserve))
        message.writeImmutableBuffer(input)
        input.moveReaderIndex(to: input.writerIndex)
        collected = message
        return nil
    }

    private mutating func readPrefix(_ input: inout ByteBuffer) throws(StreamError) -> Int? {
        let value: UInt64?
        do {
            if prefix.readableBytes == 0, let whole = try input.readVarint() {
                value = whole
            } else {
                value = try readSplitPrefix(&input)
            }
        } catch {
            throw .messageTooLong
        }
        guard let value else { return nil }
        guard value <= UInt64(maximum) else { throw .messageTooLong }
        return Int(value)
    }

    private mutating func readSplitPrefix(_ input: inout ByteBuffer) throws(VarintError) -> UInt64? {
        while let byte: UInt8 = input.readInteger() {
            prefix.writeInteger(byte)
            if let value = try prefix.readVarint() {
                prefix.clear()
                return value
            }
        }
        return nil
    }
}
