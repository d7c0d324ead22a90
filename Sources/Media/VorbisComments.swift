/// Reads the comments that Ogg Vorbis, Ogg Opus and FLAC share (xiph.org, "Vorbis I comment field"), and the picture
/// block of FLAC (RFC 9639, section 8.8), which Ogg holds in Base64.
enum VorbisComments {
    private static let maximumComments = 4096

    /// Reads a comment block after its prefix; `false` when it contradicts itself.
    static func read(_ bytes: ArraySlice<UInt8>, into found: inout TagCollector) -> Bool {
        var rest = ByteCursor(bytes)
        guard let vendor = rest.little32(), rest.skip(vendor), let count = rest.little32(), count <= maximumComments
        else { return false }
        for _ in 0..<count {
            guard let length = rest.little32(), let comment = rest.take(length) else { return false }
            take(comment, into: &found)
        }
        return true
    }

    private static func take(_ comment: ArraySlice<UInt8>, into found: inout TagCollector) {
        // Names of fields are short; a long run without a sign is no comment.
        guard let equals = comment.prefix(64).firstIndex(of: UInt8(ascii: "=")) else { return }
        let name = String(decoding: comment[..<equals], as: UTF8.self).uppercased()
        let value = comment[(equals + 1)...]
        switch name {
        case "METADATA_BLOCK_PICTURE":
            if found.wantsPicture, let bytes = Base64.decode(value), let picture = picture(bytes[...]) {
                found.offer(picture)
            }
        case "COVERART":
            // What was done before the block above was agreed on: the picture alone.
            if found.wantsPicture, let bytes = Base64.decode(value) {
                found.offer(EmbeddedPicture(type: 0, bytes: bytes))
            }
        default:
            if let field = fields[name] { found.add(field, TextEncoding.utf8.decode(value)) }
        }
    }

    private static let fields: [String: TagCollector.Field] = [
        "TITLE": .title, "ARTIST": .artist, "ALBUM": .album, "ALBUMARTIST": .albumArtist, "ALBUM ARTIST": .albumArtist,
        "GENRE": .genre, "DATE": .date, "YEAR": .date, "TRACKNUMBER": .track, "TRACKNUM": .track, "DISCNUMBER": .disc,
        "COMMENT": .comment, "DESCRIPTION": .comment, "ISRC": .isrc, "MOOD": .mood,
    ]

    /// The picture in a block, without its header.
    static func picture(_ block: ArraySlice<UInt8>) -> EmbeddedPicture? {
        var rest = ByteCursor(block)
        guard let type = rest.big32(), let mime = rest.big32(), let name = rest.take(mime),
            !name.elementsEqual("-->".utf8),
            let description = rest.big32(), rest.skip(description),
            // Width, height, depth, colours: claims.
            rest.skip(16), let length = rest.big32(), let bytes = rest.take(length)
        else { return nil }
        return EmbeddedPicture(type: type, bytes: Array(bytes))
    }
}

/// Base64 with or without padding (RFC 4648, section 4); line breaks are passed over, as some taggers write them.
enum Base64 {
    private static let digits: [UInt8] = {
        var table = [UInt8](repeating: 0xff, count: 256)
        for (value, digit) in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8.enumerated() {
            table[Int(digit)] = UInt8(value)
        }
        return table
    }()

    /// The bytes; `nil` when something else is among the digits or a digit is left over.
    static func decode(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var result: [UInt8] = []
        result.reserveCapacity(text.count / 4 * 3)
        var bits: UInt32 = 0
        var count = 0
        var isEnded = false
        let digits = digits
        for byte in text {
            let digit = digits[Int(byte)]
            guard digit != 0xff else {
                if byte == UInt8(ascii: "=") { isEnded = true } else if byte != 0x0a, byte != 0x0d { return nil }
                continue
            }
            guard !isEnded else { return nil }
            bits = bits << 6 | UInt32(digit)
            count += 1
            if count == 4 {
                result.append(UInt8(truncatingIfNeeded: bits >> 16))
                result.append(UInt8(truncatingIfNeeded: bits >> 8))
                result.append(UInt8(truncatingIfNeeded: bits))
                (bits, count) = (0, 0)
            }
        }
        switch count {
        case 1: return nil
        case 2: result.append(UInt8(truncatingIfNeeded: bits >> 4))
        case 3:
            result.append(UInt8(truncatingIfNeeded: bits >> 10))
            result.append(UInt8(truncatingIfNeeded: bits >> 2))
        default: break
        }
        return result
    }
}
