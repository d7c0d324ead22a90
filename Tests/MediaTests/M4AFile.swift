/// Writes small M4A files.
enum M4AFile {
    static func atom(_ name: String, _ content: [UInt8]) -> [UInt8] {
        // "©" is one byte in these names.
        AudioFiles.big(content.count + 8, 4) + name.unicodeScalars.map { UInt8($0.value) } + content
    }

    /// Ten seconds at 44.1 kHz in stereo.
    static func make(
        _ tags: AudioFiles.Tags? = AudioFiles.Tags(), brand: String = "M4A ", handlers: [String] = ["soun"],
        format: String = "mp4a", pictureType: Int = 14, long: Bool = false, moovLast: Bool = false, more: [UInt8] = []
    ) -> [UInt8] {
        let type = atom("ftyp", Array(brand.utf8) + AudioFiles.big(0, 4) + Array("isommp42".utf8))
        let tracks = handlers.flatMap { track($0, format, long) }
        let time = AudioFiles.big(0, 4) + AudioFiles.big(0, 8) + AudioFiles.big(1000, 4) + AudioFiles.big(10_000, 4)
        var movie = atom("mvhd", time + [UInt8](repeating: 0, count: 80)) + tracks
        if let tags {
            movie += atom("udta", atom("meta", AudioFiles.big(0, 4) + handler("mdir") + list(tags, pictureType)))
        }
        let data = atom("mdat", [UInt8](repeating: 5, count: 160_000))
        let moov = atom("moov", movie + more)
        return type + (moovLast ? data + moov : moov + data)
    }

    private static func handler(_ type: String) -> [UInt8] {
        atom("hdlr", AudioFiles.big(0, 8) + Array(type.utf8) + [UInt8](repeating: 0, count: 13))
    }

    private static func track(_ type: String, _ format: String, _ long: Bool) -> [UInt8] {
        let time =
            long
            ? [1, 0, 0, 0] + AudioFiles.big(0, 16) + AudioFiles.big(44_100, 4) + AudioFiles.big(441_000, 8)
            : AudioFiles.big(0, 12) + AudioFiles.big(44_100, 4) + AudioFiles.big(441_000, 4)
        let sound =
            AudioFiles.big(0, 6) + AudioFiles.big(1, 2) + AudioFiles.big(0, 8) + AudioFiles.big(2, 2)
            + AudioFiles.big(16, 2)
            + AudioFiles.big(0, 4) + AudioFiles.big(44_100, 2) + [0, 0]
        let table = atom("stsd", AudioFiles.big(0, 4) + AudioFiles.big(1, 4) + atom(format, sound))
        return atom(
            "trak", atom("mdia", atom("mdhd", time + [0, 0, 0, 0]) + handler(type) + atom("minf", atom("stbl", table))))
    }

    static func list(_ tags: AudioFiles.Tags, _ pictureType: Int) -> [UInt8] {
        let texts: [(String, String)] = [
            ("\u{a9}nam", tags.title), ("\u{a9}ART", tags.artist), ("\u{a9}alb", tags.album),
            ("aART", tags.albumArtist),
            ("\u{a9}gen", tags.genre), ("\u{a9}day", tags.date), ("\u{a9}cmt", tags.comment),
        ]
        var items = texts.filter { !$0.1.isEmpty }.flatMap { atom($0.0, data(1, Array($0.1.utf8))) }
        for (name, text) in [("trkn", tags.track), ("disk", tags.disc)] where !text.isEmpty {
            let numbers = text.split(separator: "/").compactMap { Int($0) }
            let values = [0, numbers.first ?? 0, numbers.last ?? 0, 0].flatMap { AudioFiles.big($0, 2) }
            items += atom(name, data(0, values))
        }
        if let picture = tags.picture { items += atom("covr", data(pictureType, picture)) }
        return atom("ilst", items)
    }

    static func data(_ type: Int, _ content: [UInt8]) -> [UInt8] {
        atom("data", AudioFiles.big(type, 4) + AudioFiles.big(0, 4) + content)
    }
}
