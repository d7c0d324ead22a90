/// PNG (W3C, third edition): chunks with checksums between IHDR and IEND.
enum PNGCheck {
    private static let maximumChunks = 100_000
    /// Colours, transparency, density and animation: not text, time or camera data.
    private static let kept: Set<String> = [
        "tRNS", "cHRM", "gAMA", "iCCP", "sBIT", "sRGB", "bKGD", "hIST", "pHYs", "sPLT", "cICP", "mDCV", "cLLI", "acTL",
        "fcTL", "fdAT",
    ]

    static func check(_ bytes: ArraySlice<UInt8>, _ edits: inout ImageEdits) throws(ImageRefusal) -> ImageCheck.Image {
        var rest = ByteCursor(bytes)
        guard rest.skip(8) else { throw .damaged }
        var size: (width: Int, height: Int)?
        var hasPixels = false
        for _ in 0..<maximumChunks {
            guard let length = rest.big32(), let name = rest.take(4), let content = rest.take(length),
                let sum = rest.big32()
            else { throw .damaged }
            if name.holds("IDAT") {
                guard size != nil else { throw .damaged }
                hasPixels = true
                continue
            }
            // Pixels are packed, and one wrong bit there spoils a few of them; elsewhere it could mean anything.
            guard CRC32.of(name, content) == UInt32(sum) else { throw .damaged }
            if name.holds("IHDR") {
                guard size == nil, length == 13, isHeader(content) else { throw .damaged }
                size = (content.prefix(4).big, content.dropFirst(4).prefix(4).big)
            } else if name.holds("IEND") {
                guard let size, hasPixels, length == 0 else { throw .damaged }
                return ImageCheck.Image(
                    kind: .png, width: size.width, height: size.height, length: bytes.count - rest.count)
            } else {
                guard size != nil else { throw .damaged }
                try ImageCheck.checkText(content)
                // Chunks with a small first letter may be left out. Some of them say how colours are meant.
                let isOptional = name.first.map { $0 & 0x20 != 0 } == true
                if isOptional, !kept.contains(String(decoding: name, as: UTF8.self)) {
                    edits.remove(name.startIndex - 4..<content.endIndex + 4)
                }
            }
        }
        throw .damaged
    }

    /// Depth and colour type that go together, and the only methods that there are.
    private static func isHeader(_ content: ArraySlice<UInt8>) -> Bool {
        let (depth, colour) = (content[content.startIndex + 8], content[content.startIndex + 9])
        let depths: [UInt8] =
            switch colour {
            case 0: [1, 2, 4, 8, 16]
            case 3: [1, 2, 4, 8]
            case 2, 4, 6: [8, 16]
            default: []
            }
        return depths.contains(depth) && content.dropFirst(10).prefix(2).allSatisfy { $0 == 0 }
            && content[content.startIndex + 12] <= 1
    }
}

/// CRC-32 as PNG has it (ISO 3309): reflected, inverted.
enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 != 0 ? value >> 1 ^ 0xedb8_8320 : value >> 1 }
    }

    static func of(_ parts: ArraySlice<UInt8>...) -> UInt32 {
        let table = table
        var value = UInt32.max
        for part in parts {
            for byte in part { value = value >> 8 ^ table[Int(UInt8(truncatingIfNeeded: value) ^ byte)] }
        }
        return ~value
    }
}
