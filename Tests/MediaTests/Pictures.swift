/// Writes small pictures of every type.
enum Pictures {
    // MARK: PNG

    static func chunk(_ name: String, _ content: [UInt8]) -> [UInt8] {
        var sum = UInt32.max
        for byte in Array(name.utf8) + content {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 != 0 ? sum >> 1 ^ 0xedb8_8320 : sum >> 1 }
        }
        return AudioFiles.big(content.count, 4) + Array(name.utf8) + content + AudioFiles.big(Int(~sum), 4)
    }

    /// Grey, all of one shade; its pixels are stored, not packed.
    static func png(width: Int = 3, height: Int = 2, claimed: (Int, Int)? = nil, text: String? = nil) -> [UInt8] {
        let rows = (0..<height).flatMap { _ in [0] + [UInt8](repeating: 0x80, count: width) }
        var (a, b) = (1, 0)
        for byte in rows { (a, b) = ((a + Int(byte)) % 65_521, (b + a + Int(byte)) % 65_521) }
        var packed: [UInt8] = [0x78, 0x01, 1]
        packed += AudioFiles.little(rows.count, 2) + AudioFiles.little(~rows.count & 0xffff, 2)
        packed += rows + AudioFiles.big(b << 16 | a, 4)
        let (w, h) = claimed ?? (width, height)
        var file: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
        file += chunk("IHDR", AudioFiles.big(w, 4) + AudioFiles.big(h, 4) + [8, 0, 0, 0, 0])
        if let text { file += chunk("tEXt", Array("Comment".utf8) + [0] + Array(text.utf8)) }
        return file + chunk("IDAT", packed) + chunk("IEND", [])
    }

    // MARK: JPEG

    static func segment(_ marker: UInt8, _ content: [UInt8]) -> [UInt8] {
        [0xff, marker] + AudioFiles.big(content.count + 2, 2) + content
    }

    /// The structure of a JPEG; its scan is made up.
    static func jpeg(
        width: Int = 640, height: Int = 480, comment: String? = nil, progressive: Bool = false
    ) -> [UInt8] {
        let frame: [UInt8] = [8] + AudioFiles.big(height, 2) + AudioFiles.big(width, 2) + [1, 1, 0x11, 0]
        let scan: [UInt8] = segment(0xda, [1, 1, 0, 0, 63, 0]) + [1, 2, 3, 0xff, 0, 4, 0xff, 0xd0, 5, 6]
        var file: [UInt8] = [0xff, 0xd8]
        file += segment(0xe0, Array("JFIF".utf8) + [0, 1, 1, 0, 0, 1, 0, 1, 0, 0])
        if let comment { file += segment(0xfe, Array(comment.utf8)) }
        file += segment(0xdb, [UInt8](repeating: 1, count: 65))
        file += segment(progressive ? 0xc2 : 0xc0, frame)
        file += scan
        // Before a marker there may be more of 0xff.
        if progressive { file += [0xff] + scan }
        return file + [0xff, 0xd9]
    }

    // MARK: GIF

    static func gif(
        width: Int = 20, height: Int = 10, comment: String? = nil, frame: (Int, Int, Int, Int)? = nil
    ) -> [UInt8] {
        let place = frame ?? (0, 0, width, height)
        var file = Array("GIF89a".utf8)
        for number in [width, height] { file += AudioFiles.little(number, 2) }
        file += [0x80, 0, 0, 0, 0, 0, 255, 255, 255]
        if let comment {
            file += [0x21, 0xfe, UInt8(comment.utf8.count)]
            file += Array(comment.utf8) + [0]
        }
        file.append(0x2c)
        for number in [place.0, place.1, place.2, place.3] { file += AudioFiles.little(number, 2) }
        return file + [0, 2, 2, 0x4c, 1, 0, 0x3b]
    }

    // MARK: WebP

    static func webp(_ chunks: [(String, [UInt8])]) -> [UInt8] {
        var body: [UInt8] = []
        for (name, content) in chunks {
            body += Array(name.utf8) + AudioFiles.little(content.count, 4) + content
            if content.count % 2 == 1 { body.append(0) }
        }
        return Array("RIFF".utf8) + AudioFiles.little(body.count + 4, 4) + Array("WEBP".utf8) + body
    }

    static func lossy(width: Int = 100, height: Int = 50) -> [UInt8] {
        [0x10, 0, 0, 0x9d, 0x01, 0x2a] + AudioFiles.little(width, 2) + AudioFiles.little(height, 2) + [1, 2, 3, 4]
    }

    static func lossless(width: Int = 100, height: Int = 50) -> [UInt8] {
        [0x2f] + AudioFiles.little((width - 1) | (height - 1) << 14, 4) + [7, 7]
    }

    static func extended(width: Int = 100, height: Int = 50) -> [UInt8] {
        [0, 0, 0, 0] + AudioFiles.little(width - 1, 3) + AudioFiles.little(height - 1, 3)
    }
}
