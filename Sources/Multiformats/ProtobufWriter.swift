package import NIOCore

/// Appends protobuf fields in the order they are given, so that signed and content-addressed messages
/// have exactly the bytes that their definition says.
///
/// It writes what it is told: a caller that must omit default values does so itself.
package struct ProtobufWriter: Sendable {
    package private(set) var buffer: ByteBuffer

    package init(capacity: Int = 0) {
        buffer = ByteBuffer()
        if capacity > 0 { buffer.reserveCapacity(capacity) }
    }

    /// The bytes written so far as an array.
    package var bytes: [UInt8] { Array(buffer.readableBytesView) }

    package mutating func varint(_ field: Int, _ value: UInt64) { writePair(UInt64(field) << 3, value) }

    /// Two varints in one write.
    private mutating func writePair(_ first: UInt64, _ second: UInt64) {
        buffer.writeWithOutputRawSpan(minimumWritableBytes: 20) { span in
            span.appendVarint(first)
            span.appendVarint(second)
        }
    }

    /// A 32-bit signed field: negative numbers are written as ten bytes, as protobuf does.
    package mutating func int32(_ field: Int, _ value: Int32) {
        varint(field, UInt64(bitPattern: Int64(value)))
    }

    package mutating func bool(_ field: Int, _ value: Bool) { varint(field, value ? 1 : 0) }

    package mutating func fixed64(_ field: Int, _ value: UInt64) {
        buffer.writeVarint(UInt64(field) << 3 | 1)
        buffer.writeInteger(value, endianness: .little)
    }

    package mutating func fixed32(_ field: Int, _ value: UInt32) {
        buffer.writeVarint(UInt64(field) << 3 | 5)
        buffer.writeInteger(value, endianness: .little)
    }

    /// The tag and length of a `bytes` field whose content the caller sends separately.
    package mutating func bytesHeader(_ field: Int, length: Int) {
        writePair(UInt64(field) << 3 | 2, UInt64(length))
    }

    package mutating func bytes(_ field: Int, _ value: [UInt8]) {
        bytesHeader(field, length: value.count)
        buffer.writeBytes(value)
    }

    package mutating func bytes(_ field: Int, _ value: ByteBuffer) {
        bytesHeader(field, length: value.readableBytes)
        buffer.writeImmutableBuffer(value)
    }

    /// Appends fields that another writer has written.
    package mutating func append(_ other: ProtobufWriter) { buffer.writeImmutableBuffer(other.buffer) }

    package mutating func string(_ field: Int, _ value: String) {
        bytesHeader(field, length: value.utf8.count)
        buffer.writeString(value)
    }

    /// A CID as a `bytes` field, without an array in between.
    package mutating func cid(_ field: Int, _ cid: CID) {
        bytesHeader(field, length: cid.byteCount)
        buffer.writeCID(cid)
    }

    /// A nested message, written by `body` straight into the buffer.
    ///
    /// One byte is kept for the length; only a message of 128 bytes or more is moved up to make room.
    package mutating func message(_ field: Int, _ body: (inout ProtobufWriter) -> Void) {
        writePair(UInt64(field) << 3 | 2, 0)
        let start = buffer.writerIndex - 1
        body(&self)
        let length = buffer.writerIndex - start - 1
        if let short = UInt8(exactly: length), short < 0x80 {
            buffer.setInteger(short, at: start)
            return
        }
        let extra = Varint.length(of: UInt64(length)) - 1
        buffer.writeRepeatingByte(0, count: extra)
        do {
            try buffer.copyBytes(at: start + 1, to: start + 1 + extra, length: length)
        } catch {
            preconditionFailure("the bytes were just written: \(error)")
        }
        buffer.setBytes(Varint.bytes(UInt64(length)), at: start)
    }
}
