package import NIOCore

/// Why bytes are not a protobuf message, or not the one expected. Scope: the message.
package enum ProtobufError: Error, Hashable, Sendable {
    case truncated
    case varintTooLong
    case invalidTag
    case unsupportedWireType(UInt8)
    /// A field came with another wire type than its definition says.
    case wrongWireType(field: Int)
    /// A message or list has more elements than its limit allows.
    case tooManyFields
    case missingField(Int)
    case invalidUTF8
    case invalidValue(field: Int)
}

/// One field of a protobuf message: its number and its undecoded value.
package struct ProtobufField: Sendable {
    package enum Value: Sendable {
        case varint(UInt64)
        case fixed64(UInt64)
        case bytes(ByteBuffer)
        case fixed32(UInt32)
    }

    package let number: Int
    package let value: Value

    package init(number: Int, value: Value) {
        self.number = number
        self.value = value
    }

    package func uint64() throws(ProtobufError) -> UInt64 {
        guard case .varint(let value) = value else { throw .wrongWireType(field: number) }
        return value
    }

    /// A 32-bit field, signed or not: the low bits of the varint, as every implementation reads them.
    package func int32() throws(ProtobufError) -> Int32 { Int32(truncatingIfNeeded: try uint64()) }

    package func bool() throws(ProtobufError) -> Bool { try uint64() != 0 }

    /// A slice of the message; nothing is copied.
    package func bytes() throws(ProtobufError) -> ByteBuffer {
        guard case .bytes(let buffer) = value else { throw .wrongWireType(field: number) }
        return buffer
    }

    /// A copy of a `bytes` field, for small values that are kept.
    package func array() throws(ProtobufError) -> [UInt8] { Array(try bytes().readableBytesView) }

    package func string() throws(ProtobufError) -> String {
        guard let text = String(validating: try bytes().readableBytesView, as: UTF8.self) else { throw .invalidUTF8 }
        return text
    }
}

/// Walks the fields of a protobuf message without copying: `bytes` fields are slices.
///
/// Tags and numbers are read as protobuf allows them (ten bytes, longer forms too). `maximumFields`
/// bounds the work that a hostile message of empty fields can cause.
/// Source: https://protobuf.dev/programming-guides/encoding
package struct ProtobufReader: Sendable {
    var buffer: ByteBuffer
    var remainingFields: Int

    package init(_ buffer: ByteBuffer, maximumFields: Int = 65_536) {
        self.buffer = buffer
        remainingFields = maximumFields
    }

    /// The next field; `nil` at the end.
    package mutating func next() throws(ProtobufError) -> ProtobufField? {
        guard buffer.readableBytes > 0 else { return nil }
        guard remainingFields > 0 else { throw .tooManyFields }
        remainingFields -= 1
        let tag = try varint()
        let number = tag >> 3
        guard number > 0, number < 1 << 29 else { throw .invalidTag }
        switch tag & 7 {
        case 0: return ProtobufField(number: Int(number), value: .varint(try varint()))
        case 1:
            guard let value = buffer.readInteger(endianness: .little, as: UInt64.self) else { throw .truncated }
            return ProtobufField(number: Int(number), value: .fixed64(value))
        case 2:
            let length = try varint()
            guard length <= UInt64(buffer.readableBytes), let slice = buffer.readSlice(length: Int(length)) else {
                throw .truncated
            }
            return ProtobufField(number: Int(number), value: .bytes(slice))
        case 5:
            guard let value = buffer.readInteger(endianness: .little, as: UInt32.self) else { throw .truncated }
            return ProtobufField(number: Int(number), value: .fixed32(value))
        default: throw .unsupportedWireType(UInt8(tag & 7))
        }
    }

    mutating func varint() throws(ProtobufError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while shift < 70 {
            guard let byte: UInt8 = buffer.readInteger() else { throw .truncated }
            // The tenth byte has room for one bit; protobuf readers drop what is above it.
            value |= UInt64(byte & 0x7f) &<< shift
            if byte & 0x80 == 0 { return value }
            shift += 7
        }
        throw .varintTooLong
    }
}
