/// Writes small audio files byte by byte, so that the tests know every bit of what they read.
enum AudioFiles {
    /// What a file's tags say; what is empty or `nil` is left out.
    struct Tags {
        var title = "Größe"
        var artist = "Ann Müller"
        var album = "Lights"
        var albumArtist = "The Lamps"
        var genre = "Ambient"
        var comment = "Made at home"
        var date = "2019-05-01"
        var track = "3/12"
        var disc = "2/2"
        var isrc = "GBAYE0601498"
        var picture: [UInt8]?
    }

    static func big(_ value: Int, _ count: Int) -> [UInt8] {
        (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    static func little(_ value: Int, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    static func synchsafe(_ value: Int) -> [UInt8] { [21, 14, 7, 0].map { UInt8(value >> $0 & 0x7f) } }

    // MARK: WAV

    /// 16-bit mono at 8 kHz: 8,000 frames are a second.
    static func wav(
        _ tags: Tags? = nil, frames: Int = 8000, id3: [UInt8]? = nil, openEnd: Bool = false, large: Bool = false
    ) -> [UInt8] {
        func chunk(_ name: String, _ content: [UInt8]) -> [UInt8] {
            Array(name.utf8) + little(content.count, 4) + content + (content.count % 2 == 1 ? [0] : [])
        }
        let sound = (0..<frames).flatMap { little(($0 * 97) & 0xfff, 2) }
        var body = Array("WAVE".utf8)
        if large {
            body += chunk("ds64", little(0, 8) + little(sound.count, 8) + little(frames, 8) + little(0, 4))
        }
        body += chunk(
            "fmt ", little(1, 2) + little(1, 2) + little(8000, 4) + little(16_000, 4) + little(2, 2) + little(16, 2))
        if let tags {
            let fields: [(String, String)] = [
                ("INAM", tags.title), ("IART", tags.artist), ("IPRD", tags.album), ("IGNR", tags.genre),
                ("ICMT", tags.comment), ("ICRD", tags.date), ("IPRT", tags.track),
            ]
            let list = fields.filter { !$0.1.isEmpty }.flatMap { chunk($0.0, Array($0.1.utf8) + [0]) }
            body += chunk("LIST", Array("INFO".utf8) + list)
        }
        if let id3 { body += chunk("id3 ", id3) }
        let open = openEnd || large
        body += Array("data".utf8) + (open ? [0xff, 0xff, 0xff, 0xff] : little(sound.count, 4)) + sound
        return Array((large ? "RF64" : "RIFF").utf8) + (open ? [0xff, 0xff, 0xff, 0xff] : little(body.count, 4)) + body
    }

    // MARK: MP3

    /// A frame of silence: MPEG 1 layer III at 44.1 kHz in stereo.
    static func mp3Frame(bitrate: Int = 128) -> [UInt8] {
        let rates = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320]
        let header: [UInt8] = [0xff, 0xfb, UInt8((rates.firstIndex(of: bitrate) ?? 8) + 1) << 4, 0x44]
        return header + [UInt8](repeating: 0, count: 144 * bitrate * 1000 / 44_100 - 4)
    }

    /// With `xing`, the first frame says how many there are.
    static func mp3(_ tag: [UInt8] = [], frames: Int = 100, xing: Int? = nil, bitrates: [Int] = [128]) -> [UInt8] {
        var file = tag
        if let xing {
            var first = mp3Frame()
            let info = Array("Xing".utf8) + big(3, 4) + big(xing, 4) + big(417 * (xing + 1), 4)
            first.replaceSubrange(36..<36 + info.count, with: info)
            file += first
        }
        for index in 0..<frames { file += mp3Frame(bitrate: bitrates[index % bitrates.count]) }
        return file
    }

    // MARK: FLAC

    static func flac(_ tags: Tags? = Tags(), seconds: Int = 5, comments: [String] = [], pictureBlock: [UInt8]? = nil)
        -> [UInt8]
    {
        // 44.1 kHz, two channels, 16 bits, so many samples.
        let stream =
            big(4096, 2) + big(4096, 2) + big(0, 6) + big(44_100 << 4 | 1 << 1 | 0, 3) + [0xf0]
            + big(44_100 * seconds, 4)
            + [UInt8](repeating: 7, count: 16)
        var blocks: [(UInt8, [UInt8])] = [(0, stream)]
        if let tags { blocks.append((4, vorbisComments(tags, more: comments))) }
        if let picture = tags?.picture { blocks.append((6, flacPicture(picture))) }
        if let pictureBlock { blocks.append((6, pictureBlock)) }
        blocks.append((1, [0, 0, 0, 0]))
        var file = Array("fLaC".utf8)
        for (index, block) in blocks.enumerated() {
            file += [block.0 | (index == blocks.count - 1 ? 0x80 : 0)] + big(block.1.count, 3) + block.1
        }
        // A frame's start; nobody here decodes it.
        return file + [0xff, 0xf8, 0xc9, 0x18, 0, 0xc2] + [UInt8](repeating: 0, count: 20_000)
    }

    static func flacPicture(_ picture: [UInt8], type: Int = 3, mime: String = "image/png") -> [UInt8] {
        big(type, 4) + big(mime.utf8.count, 4) + Array(mime.utf8) + big(5, 4) + Array("cover".utf8) + big(0, 16)
            + big(picture.count, 4) + picture
    }

    /// Vendor, then the comments; `more` are added as they are.
    static func vorbisComments(_ tags: Tags, more: [String] = []) -> [UInt8] {
        let fields: [(String, String)] = [
            ("TITLE", tags.title), ("artist", tags.artist), ("ALBUM", tags.album), ("ALBUMARTIST", tags.albumArtist),
            ("GENRE", tags.genre), ("COMMENT", tags.comment), ("DATE", tags.date),
            ("TRACKNUMBER", String(tags.track.prefix { $0 != "/" })), ("DISCNUMBER", tags.disc), ("ISRC", tags.isrc),
        ]
        let lines = fields.filter { !$0.1.isEmpty }.map { $0.0 + "=" + $0.1 } + more
        return little(4, 4) + Array("test".utf8) + little(lines.count, 4)
            + lines.flatMap { little($0.utf8.count, 4) + Array($0.utf8) }
    }

    // MARK: Ogg

    static func vorbis(_ tags: Tags = Tags(), samples: Int = 44_100 * 3, comments: [String] = []) -> [UInt8] {
        let id =
            [1] + Array("vorbis".utf8) + little(0, 4) + [2] + little(44_100, 4) + little(0, 4) + little(128_000, 4)
            + little(0, 4) + [0xb8, 1]
        let comment = [3] + Array("vorbis".utf8) + vorbisComments(tags, more: comments + picture(tags)) + [1]
        return ogg([id, comment, [5] + Array("vorbis".utf8) + [UInt8](repeating: 1, count: 40)], granule: samples)
    }

    static func opus(_ tags: Tags = Tags(), samples: Int = 48_000 * 3, comments: [String] = []) -> [UInt8] {
        let head = Array("OpusHead".utf8) + [1, 2] + little(312, 2) + little(44_100, 4) + [0, 0, 0]
        let comment = Array("OpusTags".utf8) + vorbisComments(tags, more: comments + picture(tags))
        return ogg([head, comment], granule: samples + 312)
    }

    private static func picture(_ tags: Tags) -> [String] {
        tags.picture.map { ["METADATA_BLOCK_PICTURE=" + base64(flacPicture($0))] } ?? []
    }

    static func base64(_ bytes: [UInt8]) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var text = ""
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = Array(bytes[start..<min(start + 3, bytes.count)])
            let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for place in 0...group.count { text.append(digits[bits >> (18 - 6 * place) & 63]) }
            text += String(repeating: "=", count: 3 - group.count)
        }
        return text
    }

    /// One page for the first packet, pages for the others, and a last page of sound.
    static func ogg(_ headers: [[UInt8]], granule: Int, serial: Int = 77) -> [UInt8] {
        var file: [UInt8] = []
        var sequence = 0
        func add(_ packet: [UInt8], granule: Int, flags: UInt8) {
            var rest = packet[...]
            var isContinued = false
            repeat {
                // 255 runs of 255 bytes fill a page; a packet that goes on has no shorter run at the end.
                let chunk = rest.prefix(255 * 255)
                rest = rest.dropFirst(chunk.count)
                var lacing = [UInt8](repeating: 255, count: chunk.count / 255)
                if chunk.count < 255 * 255 { lacing.append(UInt8(chunk.count % 255)) }
                let isWhole = chunk.count < 255 * 255
                file += page(
                    Array(chunk), lacing, granule: isWhole ? granule : -1, serial: serial, sequence: sequence,
                    flags: flags | (isContinued ? 1 : 0))
                sequence += 1
                isContinued = true
                if isWhole { break }
            } while true
        }
        for (index, packet) in headers.enumerated() { add(packet, granule: 0, flags: index == 0 ? 2 : 0) }
        add([UInt8](repeating: 9, count: 30_000), granule: granule, flags: 4)
        return file
    }

    static func page(_ body: [UInt8], _ lacing: [UInt8], granule: Int, serial: Int, sequence: Int, flags: UInt8)
        -> [UInt8]
    {
        var page = Array("OggS".utf8) + [0, flags] + little(granule, 8) + little(serial, 4) + little(sequence, 4)
        page += little(0, 4) + [UInt8(lacing.count)] + lacing + body
        // The checksum the slow way, bit by bit.
        var sum: UInt32 = 0
        for byte in page {
            sum ^= UInt32(byte) << 24
            for _ in 0..<8 { sum = sum & 0x8000_0000 != 0 ? sum << 1 ^ 0x04c1_1db7 : sum << 1 }
        }
        page.replaceSubrange(22..<26, with: little(Int(sum), 4))
        return page
    }
}
