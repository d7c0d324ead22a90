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
        guard let first = text.unicodeScalars.first else { throw .invalidLength }
        guard let base = Base(prefix: first) else { throw .unknownBase(String(first)) }
        return (base, try base.decode(Array(text.utf8.dropFirst(UTF8.width(first)))))
    }
}

extension Base {
    /// The base whose prefix is `scalar`.
    init?(prefix scalar: UnicodeScalar) {
        if scalar.value < 128 {
            guard let base = Base.byASCII[Int(scalar.value)] else { return nil }
            self = base
        } else if Character(scalar) == Base.base256emoji.rawValue {
            self = .base256emoji
        } else {
            return nil
        }
    }

    private static let byASCII: [Base?] = {
        var table = [Base?](repeating: nil, count: 128)
        for base in allCases { if let code = base.rawValue.asciiValue { table[Int(code)] = base } }
        return table
    }()

    /// `bytes` in this base, without a prefix.
    ///
    /// Only bytes that are UTF-8 have a text in `identity`; others are shown there with U+FFFD.
    package func encode(_ bytes: [UInt8]) -> String {
        switch kind {
        case .identity: String(decoding: bytes, as: UTF8.self)
        case .bits(let width, let alphabet, let padding, _): BitBase.encode(bytes, width, alphabet, padding)
        case .number(let alphabet, _): NumberBase.encode(bytes, alphabet)
        case .emoji: Emoji.encode(bytes)
        }
    }

    /// The bytes of `text`, which has no prefix.
    package func decode(_ text: String) throws(MultiformatError) -> [UInt8] { try decode(Array(text.utf8)) }

    /// The bytes of text that came as UTF-8, without a prefix.
    package func decode(_ text: [UInt8]) throws(MultiformatError) -> [UInt8] {
        switch kind {
        case .identity: text
        case .bits(let width, let alphabet, let padding, let anyCase):
            try BitBase.decode(text, width, anyCase ? alphabet.foldedValues : alphabet.values, padding)
        case .number(let alphabet, let anyCase): try NumberBase.decode(text, alphabet, anyCase)
        case .emoji: try Emoji.decode(text)
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
