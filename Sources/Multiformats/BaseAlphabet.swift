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
            for letter in [digit, digit ^ 0x20]
            where letter == digit || (digit | 0x20) >= 0x61 && (digit | 0x20) <= 0x7a {
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
    /// What I2P writes addresses with.
    static let garlic64 = Alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-~")
}

/// One emoji (a single code point) for every byte.
///
/// Source: https://github.com/multiformats/multibase/blob/master/rfcs/Base256Emoji.md
enum Emoji {
    static let alphabet: [UnicodeScalar] = Array(
        """
        🚀🪐☄🛰🌌🌑🌒🌓🌔🌕🌖🌗🌘🌍🌏🌎🐉☀💻🖥💾💿😂❤😍🤣😊🙏💕😭😘👍\
        😅👏😁🔥🥰💔💖💙😢🤔😆🙄💪😉☺👌🤗💜😔😎😇🌹🤦🎉💞✌✨🤷😱😌🌸🙌\
        😋💗💚😏💛🙂💓🤩😄😀🖤😃💯🙈👇🎶😒🤭❣😜💋👀😪😑💥🙋😞😩😡🤪👊🥳\
        😥🤤👉💃😳✋😚😝😴🌟😬🙃🍀🌷😻😓⭐✅🥺🌈😈🤘💦✔😣🏃💐☹🎊💘😠☝\
        😕🌺🎂🌻😐🖕💝🙊😹🗣💫💀👑🎵🤞😛🔴😤🌼😫⚽🤙☕🏆🤫👈😮🙆🍻🍃🐶💁\
        😲🌿🧡🎁⚡🌞🎈❌✊👋😰🤨😶🤝🚶💰🍓💢🤟🙁🚨💨🤬✈🎀🍺🤓😙💟🌱😖👶\
        🥴▶➡❓💎💸⬇😨🌚🦋😷🕺⚠🙅😟😵👎🤲🤠🤧📌🔵💅🧐🐾🍒😗🤑🌊🤯🐷☎\
        💧😯💆👆🎤🙇🍑❄🌴💣🐸💌📍🥀🤢👅💡💩👐📸👻🤐🤮🎼🥵🚩🍎🍊👼💍📣🥂
        """.unicodeScalars)

    private static let values = Dictionary(
        uniqueKeysWithValues: alphabet.enumerated().map { ($0.element, UInt8($0.offset)) })

    static func encode(_ bytes: [UInt8]) -> String {
        var text = String.UnicodeScalarView()
        for byte in bytes { text.append(alphabet[Int(byte)]) }
        return String(text)
    }

    static func decode(_ utf8: [UInt8]) throws(MultiformatError) -> [UInt8] {
        var result: [UInt8] = []
        for scalar in String(decoding: utf8, as: UTF8.self).unicodeScalars {
            guard let value = values[scalar] else { throw .invalidCharacter(String(scalar)) }
            result.append(value)
        }
        return result
    }
}
