/// PNG (W3C, third edition): chunks with checksums between IHDR and IEND.
enum PNGCheck {
    private static let maximumChunks = 100_000

    static func check(_ bytes: ArraySlice<UInt8>) throws(ImageRefusal) -> ImageCheck.Image {
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

/// JPEG (ITU T.81): segments to the end of the image, with one frame header before the first scan.
enum JPEGCheck {
    static func check(_ bytes: ArraySlice<UInt8>) throws(ImageRefusal) -> ImageCheck.Image {
        var index = bytes.startIndex + 2
        var size: (width: Int, height: Int)?
        var hasScan = false
        while index + 1 < bytes.endIndex {
            guard bytes[index] == 0xff else { throw .damaged }
            let marker = bytes[index + 1]
            index += 1
            // Any number of 0xff may stand before a marker.
            if marker == 0xff { continue }
            index += 1
            switch marker {
            case 0xd9:
                guard let size, hasScan else { throw .damaged }
                return ImageCheck.Image(
                    kind: .jpeg, width: size.width, height: size.height, length: index - bytes.startIndex)
            case 0x01, 0xd0...0xd7: continue
            case 0x00, 0xd8: throw .damaged
            default: break
            }
            guard index + 2 <= bytes.endIndex else { throw .damaged }
            let length = bytes[index..<index + 2].big
            guard length >= 2, length <= bytes.endIndex - index else { throw .damaged }
            let content = bytes[(index + 2)..<(index + length)]
            index += length
            switch marker {
            case 0xc0...0xc3, 0xc5...0xc7, 0xc9...0xcb, 0xcd...0xcf:
                guard size == nil, let found = frame(content) else { throw .damaged }
                size = found
            case 0xda:
                guard size != nil else { throw .damaged }
                hasScan = true
                index = endOfScan(bytes, from: index)
            case 0xe0...0xef, 0xfe: try ImageCheck.checkText(content)
            default: break
            }
        }
        throw .damaged
    }

    /// Precision, height, width, components of three bytes each.
    private static func frame(_ content: ArraySlice<UInt8>) -> (width: Int, height: Int)? {
        var rest = ByteCursor(content)
        guard let precision = rest.byte(), precision == 8 || precision == 12, let height = rest.big16(),
            let width = rest.big16(), let components = rest.byte(), (1...4).contains(components),
            rest.count == 3 * Int(components)
        else { return nil }
        return (width, height)
    }

    /// Where the first marker behind the scan's data is: 0xff with neither a stuffed zero nor a restart behind it.
    private static func endOfScan(_ bytes: ArraySlice<UInt8>, from start: Int) -> Int {
        var index = start
        while let full = bytes[index...].firstIndex(of: 0xff) {
            guard full + 1 < bytes.endIndex else { return bytes.endIndex }
            let next = bytes[full + 1]
            if next != 0, !(0xd0...0xd7).contains(next) { return full }
            index = full + 2
        }
        return bytes.endIndex
    }
}

/// GIF (87a and 89a): blocks to the trailer, every frame inside the screen.
enum GIFCheck {
    static func check(_ bytes: ArraySlice<UInt8>) throws(ImageRefusal) -> ImageCheck.Image {
        var rest = ByteCursor(bytes)
        guard rest.skip(6), let width = rest.little16(), let height = rest.little16(), let flags = rest.byte(),
            rest.skip(2),
            rest.skip(colours(flags))
        else { throw .damaged }
        var frames = 0
        while let block = rest.byte() {
            switch block {
            case 0x3b:
                guard frames > 0 else { throw .damaged }
                return ImageCheck.Image(kind: .gif, width: width, height: height, length: bytes.count - rest.count)
            case 0x2c:
                guard let left = rest.little16(), let top = rest.little16(), let frameWidth = rest.little16(),
                    let frameHeight = rest.little16(), let flags = rest.byte(), left + frameWidth <= width,
                    top + frameHeight <= height, rest.skip(colours(flags)), rest.skip(1)
                else { throw .damaged }
                _ = try subBlocks(&rest)
                frames += 1
            case 0x21:
                guard rest.skip(1) else { throw .damaged }
                try ImageCheck.checkText(try subBlocks(&rest))
            default: throw .damaged
            }
        }
        throw .damaged
    }

    private static func colours(_ flags: UInt8) -> Int { flags & 0x80 != 0 ? 3 << (Int(flags & 7) + 1) : 0 }

    /// All of the sub-blocks up to the empty one, with their lengths between.
    private static func subBlocks(_ rest: inout ByteCursor) throws(ImageRefusal) -> ArraySlice<UInt8> {
        let start = rest.rest
        while true {
            guard let length = rest.byte(), rest.skip(Int(length)) else { throw .damaged }
            if length == 0 { return start.dropLast(rest.count) }
        }
    }
}

/// WebP (RFC 9649): a RIFF of chunks with one picture, plain, lossless or extended.
enum WebPCheck {
    static func check(_ bytes: ArraySlice<UInt8>) throws(ImageRefusal) -> ImageCheck.Image {
        var head = ByteCursor(bytes)
        guard head.skip(4), let length = head.little32(), length >= 12, let file = head.take(length), file.holds("WEBP")
        else {
            throw .damaged
        }
        var rest = ByteCursor(file.dropFirst(4))
        var canvas: (width: Int, height: Int)?
        var pixels: (width: Int, height: Int)?
        var isFirst = true
        while !rest.isAtEnd {
            guard let name = rest.take(4), let length = rest.little32(), let content = rest.take(length) else {
                throw .damaged
            }
            if length % 2 == 1, !rest.isAtEnd { _ = rest.skip(1) }
            if name.holds("VP8X") {
                guard isFirst, content.count >= 10 else { throw .damaged }
                canvas = (content.dropFirst(4).prefix(3).little + 1, content.dropFirst(7).prefix(3).little + 1)
            } else if name.holds("VP8 ") || name.holds("VP8L") {
                guard pixels == nil, let size = name.holds("VP8 ") ? lossy(content) : lossless(content) else {
                    throw .damaged
                }
                pixels = size
            } else if name.holds("ANMF") {
                guard let canvas, content.count >= 16 else { throw .damaged }
                let place = (content.prefix(3).little * 2, content.dropFirst(3).prefix(3).little * 2)
                let size = (content.dropFirst(6).prefix(3).little + 1, content.dropFirst(9).prefix(3).little + 1)
                guard place.0 + size.0 <= canvas.width, place.1 + size.1 <= canvas.height else { throw .damaged }
                pixels = pixels ?? canvas
            } else if !name.holds("ALPH") {
                try ImageCheck.checkText(content)
            }
            isFirst = false
        }
        guard let pixels else { throw .damaged }
        if let canvas { guard canvas == pixels else { throw .damaged } }
        return ImageCheck.Image(kind: .webp, width: pixels.width, height: pixels.height, length: 8 + length)
    }

    /// A key frame of VP8 (RFC 6386, section 9.1): its start code, then width and height of 14 bits.
    private static func lossy(_ content: ArraySlice<UInt8>) -> (width: Int, height: Int)? {
        var rest = ByteCursor(content)
        guard let tag = rest.byte(), tag & 1 == 0, rest.skip(2),
            rest.take(3)?.elementsEqual([0x9d, 0x01, 0x2a]) == true,
            let width = rest.little16(), let height = rest.little16()
        else { return nil }
        return (width & 0x3fff, height & 0x3fff)
    }

    /// A signature, then width and height less one of 14 bits, and a version of 0.
    private static func lossless(_ content: ArraySlice<UInt8>) -> (width: Int, height: Int)? {
        var rest = ByteCursor(content)
        guard rest.byte() == 0x2f, let bits = rest.little32(), bits >> 29 == 0 else { return nil }
        return (bits & 0x3fff + 1, bits >> 14 & 0x3fff + 1)
    }
}
