/// GIF (87a and 89a): blocks to the trailer, every frame inside the screen.
enum GIFCheck {
    static func check(_ bytes: ArraySlice<UInt8>, _ edits: inout ImageEdits) throws(ImageRefusal) -> ImageCheck.Image {
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
                let start = rest.rest.startIndex - 1
                guard let label = rest.byte() else { throw .damaged }
                let content = try subBlocks(&rest)
                try ImageCheck.checkText(content)
                if !isKept(label, content) { edits.remove(start..<rest.rest.startIndex) }
            default: throw .damaged
            }
        }
        throw .damaged
    }

    /// Whether an extension is of use to whoever shows the picture: how long a frame lasts, how often all repeat.
    private static func isKept(_ label: UInt8, _ content: ArraySlice<UInt8>) -> Bool {
        switch label {
        case 0xf9: true
        case 0xff: content.holds("NETSCAPE2.0", at: 1) || content.holds("ANIMEXTS1.0", at: 1)
        default: false
        }
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
