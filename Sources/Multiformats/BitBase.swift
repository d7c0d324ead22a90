/// Bases whose digits carry a whole number of bits, from base 2 to base 64.
enum BitBase {
    static func encode(_ bytes: [UInt8], _ width: Int, _ alphabet: Alphabet, _ padding: Int) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count * 8 + width - 1) / width + padding)
        var bits: UInt32 = 0
        var count = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            count += 8
            while count >= width {
                count -= width
                text.append(alphabet.digits[Int(bits >> UInt32(count)) & (1 << width - 1)])
            }
            bits &= (1 << UInt32(count)) - 1
        }
        if count > 0 { text.append(alphabet.digits[Int(bits << UInt32(width - count)) & (1 << width - 1)]) }
        if padding > 0 { while text.count % padding != 0 { text.append(UInt8(ascii: "=")) } }
        return String(decoding: text, as: UTF8.self)
    }

    /// The bytes of `text`; `values` gives each character's digit, `padding` the length that padded text
    /// is a multiple of (0: no padding). `lenient` takes any bits behind the last byte.
    static func decode(
        _ text: [UInt8], _ width: Int, _ values: [UInt8], _ padding: Int, lenient: Bool = false
    ) throws(MultiformatError) -> [UInt8] {
        var length = text.count
        if padding > 0 {
            guard length % padding == 0 else { throw .invalidLength }
            var removed = 0
            while removed < padding - 1, length > 0, text[length - 1] == UInt8(ascii: "=") {
                length -= 1
                removed += 1
            }
        }
        var result: [UInt8] = []
        result.reserveCapacity(length * width / 8)
        var bits: UInt32 = 0
        var count = 0
        for character in text[..<length] {
            let value = values[Int(character)]
            guard value != 255 else { throw .invalidCharacter(String(UnicodeScalar(character))) }
            bits = bits << UInt32(width) | UInt32(value)
            count += width
            if count >= 8 {
                count -= 8
                result.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
                bits &= (1 << UInt32(count)) - 1
            }
        }
        // A whole unused digit, or set bits behind the last byte, means that text was cut or changed.
        guard count < width else { throw .invalidLength }
        guard bits == 0 || lenient else { throw .nonZeroTrailingBits }
        return result
    }
}

// I2P's addresses; others read them without looking at the bits behind the last byte, so this does too.
extension Base {
    static func decodeGarlic32(_ text: String) throws(MultiformatError) -> [UInt8] {
        try BitBase.decode(Array(text.utf8), 5, Alphabet.base32.values, 0, lenient: true)
    }

    static func decodeGarlic64(_ text: String) throws(MultiformatError) -> [UInt8] {
        try BitBase.decode(Array(text.utf8), 6, Alphabet.garlic64.values, 4, lenient: true)
    }

    static func encodeGarlic64(_ bytes: [UInt8]) -> String { BitBase.encode(bytes, 6, .garlic64, 4) }
}
