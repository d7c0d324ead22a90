/// A way to write bytes as text.
package enum Base: Character, CaseIterable, Sendable {
    case identity = "\0"
    case base2 = "0"
    case base8 = "7"
    case base10 = "9"
    case base16 = "f"
    case base16upper = "F"
    case base32hex = "v"
    case base32hexupper = "V"
    case base32hexpad = "t"
    case base32hexpadupper = "T"
    case base32 = "b"
    case base32upper = "B"
    case base32pad = "c"
    case base32padupper = "C"
    case base32z = "h"
    case base36 = "k"
    case base36upper = "K"
    case base58btc = "z"
    case base58flickr = "Z"
    case base64 = "m"
    case base64pad = "M"
    case base64url = "u"
    case base64urlpad = "U"
    case base256emoji = "🚀"
}

/// Text that starts with the character of its base.
///
/// Source: https://github.com/multiformats/multibase
package enum Multibase {
    /// `bytes` in `base`, behind the base's prefix.
    package static func encode(_ bytes: [UInt8], as base: Base) -> String {
        String(base.rawValue) + base.encode(bytes)
    }

    /// The bytes that `text` stands for, and the base that its first character names.
    package static func decode(_ text: String) throws(MultiformatError) -> (base: Base, bytes: [UInt8]) {
        guard let prefix = text.first else { throw .invalidLength }
        guard let base = Base(rawValue: prefix) else { throw .unknownBase(String(prefix)) }
        return (base, try base.decode(String(text.dropFirst())))
    }
}

extension Base {
    /// `bytes` in this base, without a prefix.
    package func encode(_ bytes: [UInt8]) -> String {
        switch kind {
        case .identity: String(decoding: bytes, as: UTF8.self)
        case .bits(let width, let alphabet, let padding, _): BitBase.encode(bytes, width, alphabet, padding)
        case .number(let alphabet, _): NumberBase.encode(bytes, alphabet)
        case .emoji: String(bytes.map { Emoji.alphabet[Int($0)] })
        }
    }

    /// The bytes of `text`, which has no prefix.
    package func decode(_ text: String) throws(MultiformatError) -> [UInt8] {
        switch kind {
        case .identity: return Array(text.utf8)
        case .bits(let width, let alphabet, let padding, let anyCase):
            return try BitBase.decode(text, width, alphabet, padding, anyCase)
        case .number(let alphabet, let anyCase): return try NumberBase.decode(text, alphabet, anyCase)
        case .emoji:
            var result: [UInt8] = []
            for character in text {
                guard let index = Emoji.alphabet.firstIndex(of: character) else {
                    throw .invalidCharacter(String(character))
                }
                result.append(UInt8(index))
            }
            return result
        }
    }

    private enum Kind {
        case identity
        /// A power of two: so many bits a character.
        case bits(Int, alphabet: Alphabet, padding: Int, anyCase: Bool)
        /// The bytes as one big number; each leading zero byte becomes one leading zero digit.
        case number(Alphabet, anyCase: Bool)
        case emoji
    }

    private var kind: Kind {
        switch self {
        case .identity: .identity
        case .base2: .bits(1, alphabet: .binary, padding: 0, anyCase: false)
        case .base8: .bits(3, alphabet: .octal, padding: 0, anyCase: false)
        case .base10: .number(.decimal, anyCase: false)
        case .base16: .bits(4, alphabet: .hex, padding: 0, anyCase: true)
        case .base16upper: .bits(4, alphabet: .hexUpper, padding: 0, anyCase: true)
        case .base32hex: .bits(5, alphabet: .base32hex, padding: 0, anyCase: true)
        case .base32hexupper: .bits(5, alphabet: .base32hexUpper, padding: 0, anyCase: true)
        case .base32hexpad: .bits(5, alphabet: .base32hex, padding: 8, anyCase: true)
        case .base32hexpadupper: .bits(5, alphabet: .base32hexUpper, padding: 8, anyCase: true)
        case .base32: .bits(5, alphabet: .base32, padding: 0, anyCase: true)
        case .base32upper: .bits(5, alphabet: .base32Upper, padding: 0, anyCase: true)
        case .base32pad: .bits(5, alphabet: .base32, padding: 8, anyCase: true)
        case .base32padupper: .bits(5, alphabet: .base32Upper, padding: 8, anyCase: true)
        case .base32z: .bits(5, alphabet: .base32z, padding: 0, anyCase: false)
        case .base36: .number(.base36, anyCase: true)
        case .base36upper: .number(.base36Upper, anyCase: true)
        case .base58btc: .number(.base58btc, anyCase: false)
        case .base58flickr: .number(.base58flickr, anyCase: false)
        case .base64: .bits(6, alphabet: .base64, padding: 0, anyCase: false)
        case .base64pad: .bits(6, alphabet: .base64, padding: 4, anyCase: false)
        case .base64url: .bits(6, alphabet: .base64url, padding: 0, anyCase: false)
        case .base64urlpad: .bits(6, alphabet: .base64url, padding: 4, anyCase: false)
        case .base256emoji: .emoji
        }
    }
}

/// The digits of a base and, for each byte of text, the digit it stands for (255: none).
struct Alphabet: Sendable {
    let digits: [UInt8]
    let values: [UInt8]
    /// The same, with letters of the other case accepted.
    let foldedValues: [UInt8]

    init(_ text: StaticString) {
        digits = Array(text.description.utf8)
        var values = [UInt8](repeating: 255, count: 256)
        var folded = values
        for (value, digit) in digits.enumerated() {
            values[Int(digit)] = UInt8(value)
            for letter in [digit, digit ^ 0x20] where letter == digit || (digit | 0x20) >= 0x61 && (digit | 0x20) <= 0x7a {
                folded[Int(letter)] = UInt8(value)
            }
        }
        self.values = values
        foldedValues = folded
    }

    static let binary = Alphabet("01")
    static let octal = Alphabet("01234567")
    static let decimal = Alphabet("0123456789")
    static let hex = Alphabet("0123456789abcdef")
    static let hexUpper = Alphabet("0123456789ABCDEF")
    static let base32hex = Alphabet("0123456789abcdefghijklmnopqrstuv")
    static let base32hexUpper = Alphabet("0123456789ABCDEFGHIJKLMNOPQRSTUV")
    static let base32 = Alphabet("abcdefghijklmnopqrstuvwxyz234567")
    static let base32Upper = Alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    static let base32z = Alphabet("ybndrfg8ejkmcpqxot1uwisza345h769")
    static let base36 = Alphabet("0123456789abcdefghijklmnopqrstuvwxyz")
    static let base36Upper = Alphabet("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    static let base58btc = Alphabet("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
    static let base58flickr = Alphabet("123456789abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ")
    static let base64 = Alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    static let base64url = Alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
}

/// Bases whose digits carry a whole number of bits.
private enum BitBase {
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

    static func decode(
        _ text: String, _ width: Int, _ alphabet: Alphabet, _ padding: Int, _ anyCase: Bool
    ) throws(MultiformatError) -> [UInt8] {
        var characters = Array(text.utf8)
        if padding > 0 {
            guard characters.count % padding == 0 else { throw .invalidLength }
            var removed = 0
            while characters.last == UInt8(ascii: "="), removed < padding { characters.removeLast(); removed += 1 }
        }
        let values = anyCase ? alphabet.foldedValues : alphabet.values
        var result: [UInt8] = []
        result.reserveCapacity(characters.count * width / 8)
        var bits: UInt32 = 0
        var count = 0
        for character in characters {
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
        guard bits == 0 else { throw .nonZeroTrailingBits }
        return result
    }
}

/// Bases that write all bytes as one number (quadratic, so meant for short input).
private enum NumberBase {
    /// The longest text that is decoded, in characters: well above any CID or key.
    static let maximumLength = 2048

    static func encode(_ bytes: [UInt8], _ alphabet: Alphabet) -> String {
        let base = UInt32(alphabet.digits.count)
        let zeros = bytes.prefix { $0 == 0 }.count
        var digits: [UInt8] = []
        for byte in bytes[zeros...] {
            var carry = UInt32(byte)
            for index in digits.indices {
                carry += UInt32(digits[index]) << 8
                digits[index] = UInt8(carry % base)
                carry /= base
            }
            while carry > 0 {
                digits.append(UInt8(carry % base))
                carry /= base
            }
        }
        let text = [UInt8](repeating: alphabet.digits[0], count: zeros) + digits.reversed().map { alphabet.digits[Int($0)] }
        return String(decoding: text, as: UTF8.self)
    }

    static func decode(_ text: String, _ alphabet: Alphabet, _ anyCase: Bool) throws(MultiformatError) -> [UInt8] {
        let characters = Array(text.utf8)
        guard characters.count <= maximumLength else { throw .invalidLength }
        let base = UInt32(alphabet.digits.count)
        let values = anyCase ? alphabet.foldedValues : alphabet.values
        let zeros = characters.prefix { $0 == alphabet.digits[0] }.count
        var bytes: [UInt8] = []
        for character in characters[zeros...] {
            let value = values[Int(character)]
            guard value != 255 else { throw .invalidCharacter(String(UnicodeScalar(character))) }
            var carry = UInt32(value)
            for index in bytes.indices {
                carry += UInt32(bytes[index]) * base
                bytes[index] = UInt8(truncatingIfNeeded: carry)
                carry >>= 8
            }
            while carry > 0 {
                bytes.append(UInt8(truncatingIfNeeded: carry))
                carry >>= 8
            }
        }
        return [UInt8](repeating: 0, count: zeros) + bytes.reversed()
    }
}

private enum Emoji {
    // TODO-REMOVE
    static let alphabet: [Character] = []
}
