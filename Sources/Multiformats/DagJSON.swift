package import NIOCore

/// The text form of the data model: JSON with one spelling for links and bytes.
///
/// A link is `{"/":"bafy..."}`, bytes are `{"/":{"bytes":"<base64>"}}`, keys are sorted by their UTF-8
/// bytes, floats always have a point or an exponent, and nothing is written that need not be.
/// Source: https://ipld.io/specs/codecs/dag-json/spec/
package enum DagJSON {
    /// The value that fills the UTF-8 text `bytes`.
    ///
    /// White space and keys in any order are read, as other implementations do. Errors: keys that come
    /// twice, integers outside -2^64..2^64-1, floats out of range, lone surrogates, single-key "/" maps that
    /// are neither link nor bytes.
    package static func decode(
        _ bytes: [UInt8], maximumValues: Int = DagCBOR.maximumValues
    ) throws(DAGError) -> DAGValue {
        var reader = JSONReader(bytes)
        return try reader.decode(maximumValues: maximumValues)
    }

    /// The value that fills `buffer`'s readable bytes.
    package static func decode(_ buffer: ByteBuffer) throws(DAGError) -> DAGValue {
        try decode(Array(buffer.readableBytesView))
    }

    /// The value of a JSON text.
    package static func decode(_ text: String) throws(DAGError) -> DAGValue { try decode(Array(text.utf8)) }

    /// The one dag-json text of `value`, as UTF-8.
    ///
    /// Errors: NaN and infinities, keys that come twice, single-key "/" maps, nesting beyond
    /// `DAGValue.maximumDepth`.
    package static func encode(_ value: DAGValue) throws(DAGError) -> [UInt8] {
        var text: [UInt8] = []
        try append(value, to: &text, depth: 0)
        return text
    }

    private static func append(_ value: DAGValue, to text: inout [UInt8], depth: Int) throws(DAGError) {
        switch value {
        case .null: text += "null".utf8
        case .bool(let flag): text += (flag ? "true" : "false").utf8
        case .integer(let number): text += number.description.utf8
        case .float(let number):
            guard number.isFinite else { throw .notFinite }
            text += self.text(of: number).utf8
        case .string(let string): appendString(string, to: &text)
        case .bytes(let data):
            text += #"{"/":{"bytes":""#.utf8
            text += Base.base64.encode(data).utf8
            text += #""}}"#.utf8
        case .link(let cid):
            text += #"{"/":""#.utf8
            text += cid.text(in: .base32).utf8
            text += #""}"#.utf8
        case .list(let values):
            guard depth < DAGValue.maximumDepth else { throw .tooDeep }
            text.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                try append(value, to: &text, depth: depth + 1)
            }
            text.append(UInt8(ascii: "]"))
        case .map(let entries):
            guard depth < DAGValue.maximumDepth else { throw .tooDeep }
            if entries.count == 1, entries[0].key == "/" { throw .reservedKey }
            text.append(UInt8(ascii: "{"))
            for (index, entry) in try KeyOrder.sorted(entries, by: KeyOrder.bytewise).enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                appendString(entry.key, to: &text)
                text.append(UInt8(ascii: ":"))
                try append(entry.value, to: &text, depth: depth + 1)
            }
            text.append(UInt8(ascii: "}"))
        }
    }

    /// A quoted string; only what JSON forbids inside quotes is escaped.
    private static func appendString(_ string: String, to text: inout [UInt8]) {
        text.append(UInt8(ascii: "\""))
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\""): text += #"\""#.utf8
            case UInt8(ascii: "\\"): text += #"\\"#.utf8
            case 0x08: text += #"\b"#.utf8
            case 0x09: text += #"\t"#.utf8
            case 0x0a: text += #"\n"#.utf8
            case 0x0c: text += #"\f"#.utf8
            case 0x0d: text += #"\r"#.utf8
            case 0..<0x20: text += ((byte < 0x10 ? #"\u000"# : #"\u00"#) + String(byte, radix: 16)).utf8
            default: text.append(byte)
            }
        }
        text.append(UInt8(ascii: "\""))
    }

    /// The shortest digits that give the same float back, laid out as JavaScript does, with ".0" behind
    /// whole numbers so that they stay floats.
    static func text(of number: Double) -> String {
        if number == 0 { return number.sign == .minus ? "-0.0" : "0.0" }
        // Swift prints the shortest digits too; take them apart into digits and the point's place.
        let parts = number.magnitude.description.split(separator: "e")
        var exponent = parts.count == 2 ? Int(parts[1]) ?? 0 : 0
        let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        var digits = Array(mantissa.joined().utf8)
        exponent += mantissa[0].utf8.count
        let leading = digits.prefix { $0 == 0x30 }.count
        digits.removeFirst(leading)
        exponent -= leading
        while digits.last == 0x30 { digits.removeLast() }
        func string(_ part: some Sequence<UInt8>) -> String { String(decoding: Array(part), as: UTF8.self) }
        func zeros(_ count: Int) -> String { String(repeating: "0", count: count) }
        let sign = number < 0 ? "-" : ""
        // The number is 0.digits * 10^exponent.
        switch exponent {
        case -5...0: return sign + "0." + zeros(-exponent) + string(digits)
        case 1...21 where digits.count <= exponent: return sign + string(digits) + zeros(exponent - digits.count) + ".0"
        case 1...21: return sign + string(digits[..<exponent]) + "." + string(digits[exponent...])
        default:
            let fraction = digits.count > 1 ? "." + string(digits[1...]) : ""
            return sign + string(digits[..<1]) + fraction + (exponent > 0 ? "e+" : "e") + String(exponent - 1)
        }
    }
}
