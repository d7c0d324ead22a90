/// Bases that write all bytes as one big number: base 10, 36 and 58. Each leading zero byte becomes one
/// leading zero digit.
///
/// The work grows with the square of the length, so this is for short input: CIDs, keys, PeerIDs. It
/// goes in steps of 32 bits, about twenty times fewer than digit by digit.
enum NumberBase {
    /// The longest text that is decoded, in characters: well above any CID or key.
    static let maximumLength = 2048

    static func encode(_ bytes: [UInt8], _ alphabet: Alphabet) -> String {
        let (step, digitsPerStep) = limb(of: alphabet)
        let base = UInt64(alphabet.digits.count)
        let zeros = bytes.prefix { $0 == 0 }.count
        // The number to base `step`, least significant limb first.
        var limbs: [UInt64] = []
        limbs.reserveCapacity((bytes.count - zeros) / 3 + 1)
        var position = zeros
        while position < bytes.count {
            // The first word takes what is left over, so that all others are whole.
            let length = (bytes.count - position) % 4 == 0 ? 4 : (bytes.count - position) % 4
            var carry: UInt64 = 0
            for byte in bytes[position..<position + length] { carry = carry << 8 | UInt64(byte) }
            position += length
            let shift = UInt64(8 * length)
            for index in limbs.indices {
                let value = limbs[index] << shift + carry
                (carry, limbs[index]) = value.quotientAndRemainder(dividingBy: step)
            }
            while carry > 0 {
                limbs.append(carry % step)
                carry /= step
            }
        }
        var text: [UInt8] = []
        text.reserveCapacity(zeros + limbs.count * digitsPerStep)
        for (index, limb) in limbs.enumerated() {
            var rest = limb
            for _ in 0..<digitsPerStep {
                if rest == 0, index == limbs.count - 1 { break }
                text.append(alphabet.digits[Int(rest % base)])
                rest /= base
            }
        }
        for _ in 0..<zeros { text.append(alphabet.digits[0]) }
        text.reverse()
        return String(decoding: text, as: UTF8.self)
    }

    static func decode(_ text: [UInt8], _ alphabet: Alphabet, _ anyCase: Bool) throws(MultiformatError) -> [UInt8] {
        guard text.count <= maximumLength else { throw .invalidLength }
        let digitsPerStep = limb(of: alphabet).digits
        let base = UInt64(alphabet.digits.count)
        let values = anyCase ? alphabet.foldedValues : alphabet.values
        let zeros = text.prefix { $0 == alphabet.digits[0] }.count
        // The number to base 2^32, least significant limb first.
        var limbs: [UInt32] = []
        limbs.reserveCapacity(text.count / digitsPerStep + 1)
        var position = zeros
        while position < text.count {
            let end = min(position + digitsPerStep, text.count)
            var carry: UInt64 = 0
            var factor: UInt64 = 1
            for character in text[position..<end] {
                let value = values[Int(character)]
                guard value != 255 else { throw .invalidCharacter(String(UnicodeScalar(character))) }
                carry = carry * base + UInt64(value)
                factor *= base
            }
            position = end
            for index in limbs.indices {
                let value = UInt64(limbs[index]) * factor + carry
                limbs[index] = UInt32(truncatingIfNeeded: value)
                carry = value >> 32
            }
            if carry > 0 { limbs.append(UInt32(truncatingIfNeeded: carry)) }
        }
        var result = [UInt8](repeating: 0, count: zeros)
        result.reserveCapacity(zeros + limbs.count * 4)
        for limb in limbs.reversed() {
            for shift in stride(from: 24, through: 0, by: -8) {
                let byte = UInt8(truncatingIfNeeded: limb >> UInt32(shift))
                if byte != 0 || result.count > zeros { result.append(byte) }
            }
        }
        return result
    }

    /// The largest power of the base below 2^32, and its exponent.
    private static func limb(of alphabet: Alphabet) -> (step: UInt64, digits: Int) {
        switch alphabet.digits.count {
        case 58: (656_356_768, 5)
        case 36: (2_176_782_336, 6)
        default: (1_000_000_000, 9)
        }
    }
}
