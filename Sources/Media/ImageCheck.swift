/// Looks at pictures before they are published or shown: type, size, and a structure that holds together.
///
/// PNG, JPEG, WebP and GIF are let through, at most 20 MB and 10,000 pixels a side. Others are not, above all SVG,
/// which can hold programs. A picture that is also a web page (markup in its comments or metadata) is refused; what
/// follows its end is no part of it, and is left out by whoever takes `Image.length` bytes. Pixels are not decoded.
package enum ImageCheck {
    /// In bytes.
    package static let maximumLength = 20_000_000
    /// In pixels, for width and height.
    package static let maximumSide = 10_000

    /// A picture that may be published.
    package struct Image: Hashable, Sendable {
        package let kind: MediaKind
        /// In pixels.
        package let width: Int
        package let height: Int
        /// How many of the bytes are the picture; others behind it are to be left out.
        package let length: Int

        init(kind: MediaKind, width: Int, height: Int, length: Int) {
            self.kind = kind
            self.width = width
            self.height = height
            self.length = length
        }
    }

    /// What `bytes` are, or why they are refused.
    package static func check(_ bytes: [UInt8]) throws(ImageRefusal) -> Image {
        var edits = ImageEdits()
        return try check(bytes, &edits)
    }

    /// What to publish of `bytes`: the picture without what only says who made it, where and with what (Exif, XMP,
    /// comments, thumbnails), and without what stands behind its end. Pixels and their colours are untouched; a
    /// photograph keeps the way that is up.
    package static func publishable(_ bytes: [UInt8]) throws(ImageRefusal) -> (image: Image, bytes: [UInt8]) {
        var edits = ImageEdits()
        let image = try check(bytes, &edits)
        let clean = edits.apply(to: bytes[..<image.length])
        return (Image(kind: image.kind, width: image.width, height: image.height, length: clean.count), clean)
    }

    private static func check(_ bytes: [UInt8], _ edits: inout ImageEdits) throws(ImageRefusal) -> Image {
        guard bytes.count <= maximumLength else { throw .tooLong(bytes: bytes.count) }
        let kind = MediaKind(head: bytes)
        let image =
            switch kind {
            case .png: try PNGCheck.check(bytes[...], &edits)
            case .jpeg: try JPEGCheck.check(bytes[...], &edits)
            case .gif: try GIFCheck.check(bytes[...], &edits)
            case .webp: try WebPCheck.check(bytes[...], &edits)
            default: throw ImageRefusal.notAnImage(Unpublishable.words(head: Array(bytes.prefix(8192)), kind: kind))
            }
        try check(image.width, image.height)
        return image
    }

    static func check(_ width: Int, _ height: Int) throws(ImageRefusal) {
        guard width > 0, height > 0 else { throw .damaged }
        guard width <= maximumSide, height <= maximumSide else { throw .tooLarge(width: width, height: height) }
    }

    /// Throws when text in a picture's metadata could make a program take it for a web page.
    static func checkText(_ bytes: ArraySlice<UInt8>) throws(ImageRefusal) {
        for index in bytes.indices where bytes[index] == UInt8(ascii: "<") {
            let tag = bytes[index...].dropFirst().prefix(9).map { (0x41...0x5a).contains($0) ? $0 + 32 : $0 }
            for name in ["html", "script", "svg", "!doctype", "iframe", "body", "?php", "object", "embed"]
            where tag.starts(with: name.utf8) { throw .holdsMarkup }
        }
    }
}

/// What a check found that should not be published, in the order of the bytes.
struct ImageEdits {
    private var edits: [(range: Range<Int>, replacement: [UInt8])] = []

    mutating func remove(_ range: Range<Int>) { edits.append((range, [])) }
    mutating func replace(_ range: Range<Int>, with bytes: [UInt8]) { edits.append((range, bytes)) }

    func apply(to bytes: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var place = bytes.startIndex
        for edit in edits.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
            result += bytes[place..<max(place, edit.range.lowerBound)]
            result += edit.replacement
            place = max(place, edit.range.upperBound)
        }
        return result + bytes[place...]
    }
}

/// Why a picture is not taken. Scope: the picture.
package enum ImageRefusal: Error, Hashable, Sendable {
    case tooLong(bytes: Int)
    case tooLarge(width: Int, height: Int)
    /// Something else, in words with their article.
    case notAnImage(String)
    /// It ends too early, or contradicts itself.
    case damaged
    /// A web page or program in its metadata.
    case holdsMarkup
}

extension ImageRefusal: CustomStringConvertible {
    /// What is wrong, to follow a file's name: "is damaged".
    package var description: String {
        switch self {
        case .tooLong(let bytes): "has \(bytes) bytes: pictures may have \(ImageCheck.maximumLength)"
        case .tooLarge(let width, let height):
            "has \(width) x \(height) pixels: pictures may have \(ImageCheck.maximumSide) a side"
        case .notAnImage(let what): "is \(what), not a PNG, JPEG, WebP or GIF picture"
        case .damaged: "is damaged or cut off"
        case .holdsMarkup: "holds parts of a web page in its metadata"
        }
    }
}
