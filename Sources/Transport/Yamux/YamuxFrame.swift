package import NIOCore

/// The 12-byte header of a yamux frame: what it is, for which stream, and a number whose meaning the
/// type decides (body bytes, credit, an opaque ping value, or a go-away code).
///
/// Source: https://github.com/hashicorp/yamux/blob/master/spec.md
package struct YamuxFrame: Hashable, Sendable {
    package static let headerLength = 12

    package enum Kind: UInt8, Sendable {
        case data = 0
        case windowUpdate = 1
        case ping = 2
        case goAway = 3
    }

    package struct Flags: OptionSet, Hashable, Sendable {
        package let rawValue: UInt16
        package init(rawValue: UInt16) { self.rawValue = rawValue }

        /// Opens a stream, or asks for a ping's answer.
        package static let syn = Flags(rawValue: 1)
        /// Accepts a stream, or answers a ping.
        package static let ack = Flags(rawValue: 2)
        /// The sender writes no more.
        package static let fin = Flags(rawValue: 4)
        /// The stream is given up at once, both ways.
        package static let rst = Flags(rawValue: 8)
    }

    package let kind: Kind
    package let flags: Flags
    package let streamID: UInt32
    package let length: UInt32

    package init(_ kind: Kind, _ flags: Flags = [], stream: UInt32, length: UInt32) {
        self.kind = kind
        self.flags = flags
        streamID = stream
        self.length = length
    }

    /// Reads a header; `nil` and no move when fewer than 12 bytes are there. Unknown flags are dropped.
    package init?(reading input: inout ByteBuffer) throws(YamuxError) {
        guard
            let (version, type, flags, id, length) = input.readMultipleIntegers(
                as: (UInt8, UInt8, UInt16, UInt32, UInt32).self)
        else { return nil }
        guard version == 0 else { throw .unknownVersion(version) }
        guard let kind = Kind(rawValue: type) else { throw .unknownType(type) }
        self.init(kind, Flags(rawValue: flags & 15), stream: id, length: length)
    }

    package func write(to output: inout ByteBuffer) {
        output.writeMultipleIntegers(UInt8(0), kind.rawValue, flags.rawValue, streamID, length)
    }
}
