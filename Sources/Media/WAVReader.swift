/// Reads WAV files (RIFF, and RF64 of EBU Tech 3306): format, length, the INFO list and an ID3v2 tag in a chunk.
enum WAVReader {
    private static let maximumChunks = 4096
    private static let maximumInfo = 1 << 20

    static func read(_ source: MediaSource, into found: inout TagCollector) {
        guard let head = source.bytes(at: 0, count: 12) else { return }
        let isLarge = !head.holds("RIFF")
        var place = 12
        var bytesASecond = 0
        var sound: Int?
        var longSize: Int?
        // INFO is added after ID3, which has room for more.
        var info: [(Int, Int)] = []
        var isWhole = true
        for _ in 0..<maximumChunks {
            guard let header = source.bytes(at: place, count: 8) else { break }
            var length = header[4...].little
            place += 8
            let isData = header.holds("data")
            if isData, isLarge, length == 0xffff_ffff, let longSize { length = longSize }
            if length > source.count - place {
                // Programs that could not go back leave the size open; then the sound lasts to the end.
                guard isData else { isWhole = false; break }
                isWhole = isWhole && length == 0xffff_ffff && !isLarge
                length = source.count - place
            }
            if isData {
                sound = sound ?? length
            } else if header.holds("ds64"), length >= 16, let size = source.bytes(at: place + 8, count: 8), size[7] == 0
            {
                longSize = size[..<7].little
            } else if header.holds("fmt "), length >= 16,
                let format = source.bytes(at: place, upTo: min(40, length)) as [UInt8]?
            {
                bytesASecond = self.format(format, into: &found)
            } else if header.holds("id3 ") || header.holds("ID3 ") {
                isWhole = ID3v2.read(source, at: place, into: &found).isWhole && isWhole
            } else if header.holds("LIST") {
                info.append((place, length))
            }
            // Chunks start at even places. Some programs forget the padding, and TagLib believes them when it is not 0.
            if length % 2 == 1, let padding = source.bytes(at: place + length, upTo: 1).first {
                isWhole = isWhole && padding == 0
            }
            place += length + length % 2
        }
        for (place, length) in info where length <= maximumInfo {
            if let list = source.bytes(at: place, count: length), list.holds("INFO") {
                isWhole = self.info(list.dropFirst(4), into: &found) && isWhole
            }
        }
        if let sound, bytesASecond > 0 {
            found.milliseconds = Int64(sound) * 1000 / Int64(bytesASecond)
            found.bitrate = (bytesASecond * 8 + 500) / 1000
        }
        found.isWhole = isWhole && sound != nil && bytesASecond > 0
    }

    /// Gives the bytes of sound a second.
    private static func format(_ format: [UInt8], into found: inout TagCollector) -> Int {
        var rest = ByteCursor(format)
        guard var tag = rest.little16(), let channels = rest.little16(), let rate = rest.little32(),
            let bytesASecond = rest.little32()
        else { return 0 }
        // The extensible form has the real one in the first bytes of an identifier.
        if tag == 0xfffe, format.count >= 26 { tag = format[24..<26].little }
        found.codec =
            switch tag {
            case 1: "pcm"
            case 3: "pcm_float"
            case 6: "alaw"
            case 7: "mulaw"
            case 0x55: "mp3"
            default: "wav_\(tag)"
            }
        found.channels = channels
        found.sampleRate = rate
        return bytesASecond
    }

    private static func info(_ list: ArraySlice<UInt8>, into found: inout TagCollector) -> Bool {
        var rest = ByteCursor(list)
        while rest.count >= 8 {
            guard let name = rest.take(4), let length = rest.little32(), let value = rest.take(length) else {
                return false
            }
            if length % 2 == 1 { _ = rest.skip(1) }
            guard let field = fields[TextEncoding.latin1.decode(name)], found.text(field) == nil else { continue }
            // The standard says ASCII; what is there is UTF-8 or some Windows code page.
            let text = value.prefix { $0 != 0 }
            let isUTF8 = String(validating: text, as: UTF8.self) != nil
            found.add(field, (isUTF8 ? TextEncoding.utf8 : .latin1).decode(text))
        }
        return true
    }

    private static let fields: [String: TagCollector.Field] = [
        "INAM": .title, "IART": .artist, "IPRD": .album, "IGNR": .genre, "ICRD": .date, "IPRT": .track, "ITRK": .track,
        "ICMT": .comment,
    ]
}
