/// WebP (RFC 9649): a RIFF of chunks with one picture, plain, lossless or extended.
enum WebPCheck {
    static func check(_ bytes: ArraySlice<UInt8>, _ edits: inout ImageEdits) throws(ImageRefusal) -> ImageCheck.Image {
        var head = ByteCursor(bytes)
        guard head.skip(4), let length = head.little32(), length >= 12, let file = head.take(length), file.holds("WEBP")
        else {
            throw .damaged
        }
        var rest = ByteCursor(file.dropFirst(4))
        var canvas: (width: Int, height: Int)?
        var pixels: (width: Int, height: Int)?
        var isFirst = true
        var removed = 0
        while !rest.isAtEnd {
            let start = rest.rest.startIndex
            guard let name = rest.take(4), let length = rest.little32(), let content = rest.take(length) else {
                throw .damaged
            }
            if length % 2 == 1, !rest.isAtEnd { _ = rest.skip(1) }
            if name.holds("VP8X") {
                guard isFirst, content.count >= 10 else { throw .damaged }
                // Without the bits for camera data, which is left out.
                let place = content.startIndex
                edits.replace(place..<place + 1, with: [content[place] & ~0x0c])
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
                if !name.holds("ICCP"), !name.holds("ANIM") {
                    edits.remove(start..<rest.rest.startIndex)
                    removed += rest.rest.startIndex - start
                }
            }
            isFirst = false
        }
        guard let pixels else { throw .damaged }
        if let canvas { guard canvas == pixels else { throw .damaged } }
        let size = length - removed
        edits.replace(
            bytes.startIndex + 4..<bytes.startIndex + 8,
            with: [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: size >> $0) })
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
