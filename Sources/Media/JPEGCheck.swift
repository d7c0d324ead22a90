/// JPEG (ITU T.81): segments to the end of the image, with one frame header before the first scan.
enum JPEGCheck {
    static func check(_ bytes: ArraySlice<UInt8>, _ edits: inout ImageEdits) throws(ImageRefusal) -> ImageCheck.Image {
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
            case 0xe0...0xef, 0xfe:
                try ImageCheck.checkText(content)
                if !isKept(marker, content) { edits.replace(index - length - 2..<index, with: instead(of: content)) }
            default: break
            }
        }
        throw .damaged
    }

    /// Whether a segment says how the pixels are meant: JFIF, a colour profile, Adobe's choice of colours.
    private static func isKept(_ marker: UInt8, _ content: ArraySlice<UInt8>) -> Bool {
        switch marker {
        case 0xe0: content.holds("JFIF")
        case 0xe2: content.holds("ICC_PROFILE")
        case 0xee: content.holds("Adobe")
        default: false
        }
    }

    /// Of a camera's data only which way is up, if it is not as the pixels lie.
    private static func instead(of content: ArraySlice<UInt8>) -> [UInt8] {
        guard content.holds("Exif\0\0"), let way = orientation(content.dropFirst(6)), (2...8).contains(way) else {
            return []
        }
        // A segment with a TIFF of one entry: tag 0x0112, one number of 16 bits.
        let tiff: [UInt8] = [
            0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, UInt8(way), 0, 0, 0, 0, 0, 0,
        ]
        return [0xff, 0xe1, 0, UInt8(tiff.count + 8)] + Array("Exif".utf8) + [0, 0] + tiff
    }

    /// The orientation in the first directory of a TIFF.
    private static func orientation(_ tiff: ArraySlice<UInt8>) -> Int? {
        let isBig = tiff.holds("MM")
        guard isBig || tiff.holds("II") else { return nil }
        func number(_ offset: Int, _ length: Int) -> Int? {
            guard offset >= 0, offset <= tiff.count - length else { return nil }
            let bytes = tiff.dropFirst(offset).prefix(length)
            return isBig ? bytes.big : bytes.little
        }
        guard let start = number(4, 4), let count = number(start, 2) else { return nil }
        for index in 0..<min(count, 100) {
            let entry = start + 2 + 12 * index
            if number(entry, 2) == 0x0112 { return number(entry + 8, 2) }
        }
        return nil
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
