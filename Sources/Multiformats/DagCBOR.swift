package import NIOCore

/// The binary form of the data model: a strict subset of CBOR in which a value has exactly one encoding.
///
/// Tag 42 is a link, keys are text sorted by length and then by bytes, numbers have their shortest form,
/// floats 64 bits, lengths are definite.
/// Source: https://ipld.io/specs/codecs/dag-cbor/spec/
package enum DagCBOR {
    /// How much a reader takes that a writer must not produce.
    package enum Mode: Sendable {
        /// The one canonical encoding only: for what is made here, and for IPNS.
        case strict
        /// Also keys in any order, longer forms of numbers and lengths, and shorter floats: for blocks
        /// that older software has made.
        case tolerant
    }

    /// The most values that a decoded block may have: a value takes more memory than its bytes.
    package static let maximumValues = 1 << 20

    /// The value that fills `bytes`.
    ///
    /// Keys that come twice, other tags, `undefined`, NaN, infinities, invalid UTF-8 and indefinite lengths
    /// are errors in both modes.
    package static func decode(
        _ bytes: [UInt8], mode: Mode = .tolerant, maximumValues: Int = DagCBOR.maximumValues
    ) throws(DAGError) -> DAGValue {
        var reader = CBORReader(bytes, mode: mode)
        return try reader.decode(maximumValues: maximumValues)
    }

    /// The value that fills `buffer`'s readable bytes.
    package static func decode(_ buffer: ByteBuffer, mode: Mode = .tolerant) throws(DAGError) -> DAGValue {
        try decode(Array(buffer.readableBytesView), mode: mode)
    }

    /// The links of a block in order, repeated ones too, without building its value.
    ///
    /// It reads what `tolerant` reads and more (any key, any text), because a walk over blocks must not
    /// lose a link to an oddity beside it.
    package static func links(_ bytes: [UInt8]) throws(DAGError) -> [CID] {
        var reader = CBORReader(bytes, mode: .tolerant)
        return try reader.links()
    }

    /// The links of the block in `buffer`'s readable bytes.
    package static func links(_ buffer: ByteBuffer) throws(DAGError) -> [CID] {
        try links(Array(buffer.readableBytesView))
    }

    /// The canonical encoding of `value`, whatever the order of its maps.
    ///
    /// Errors: NaN and infinities, keys that come twice, nesting beyond `DAGValue.maximumDepth`.
    package static func encode(_ value: DAGValue) throws(DAGError) -> [UInt8] {
        var bytes: [UInt8] = []
        try append(value, to: &bytes, depth: 0)
        return bytes
    }

    private static func append(_ value: DAGValue, to bytes: inout [UInt8], depth: Int) throws(DAGError) {
        switch value {
        case .null: bytes.append(0xf6)
        case .bool(let flag): bytes.append(flag ? 0xf5 : 0xf4)
        case .integer(let number): appendHeader(number.isNegative ? 1 : 0, number.raw, to: &bytes)
        case .float(let number):
            guard number.isFinite else { throw .notFinite }
            bytes.append(0xfb)
            append(number.bitPattern, length: 8, to: &bytes)
        case .string(let text): appendText(text, to: &bytes)
        case .bytes(let data):
            appendHeader(2, UInt64(data.count), to: &bytes)
            bytes += data
        case .link(let cid):
            appendHeader(6, 42, to: &bytes)
            appendHeader(2, UInt64(cid.byteCount + 1), to: &bytes)
            bytes.append(0)
            cid.append(to: &bytes)
        case .list(let values):
            guard depth < DAGValue.maximumDepth else { throw .tooDeep }
            appendHeader(4, UInt64(values.count), to: &bytes)
            for value in values { try append(value, to: &bytes, depth: depth + 1) }
        case .map(let entries):
            guard depth < DAGValue.maximumDepth else { throw .tooDeep }
            appendHeader(5, UInt64(entries.count), to: &bytes)
            for entry in try KeyOrder.sorted(entries, by: KeyOrder.lengthFirst) {
                appendText(entry.key, to: &bytes)
                try append(entry.value, to: &bytes, depth: depth + 1)
            }
        }
    }

    private static func appendText(_ text: String, to bytes: inout [UInt8]) {
        appendHeader(3, UInt64(text.utf8.count), to: &bytes)
        bytes += text.utf8
    }

    /// An item's first byte, with its number in the shortest form.
    private static func appendHeader(_ major: UInt8, _ argument: UInt64, to bytes: inout [UInt8]) {
        let type = major << 5
        if argument < 24 {
            bytes.append(type | UInt8(argument))
            return
        }
        let width = argument < 1 << 8 ? 0 : argument < 1 << 16 ? 1 : argument < 1 << 32 ? 2 : 3
        bytes.append(type | UInt8(24 + width))
        append(argument, length: 1 << width, to: &bytes)
    }

    /// The low bytes of `value`, most significant first.
    private static func append(_ value: UInt64, length: Int, to bytes: inout [UInt8]) {
        for index in (0..<length).reversed() { bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index))) }
    }
}
