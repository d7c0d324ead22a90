/// The paths of pages: `/HANDLE`, `/HANDLE~ID12`, `/HANDLE/WORDS-ID`, `/HANDLE/playlist/WORDS-ID` and
/// `/HANDLE/album/WORDS-ID`. An id at the end alone decides; a path without one is a guess by words.
package enum Permalink: Sendable, Equatable {
    /// A handle, and the beginning of an id where the path names one.
    case user(handle: String, id: String?)
    case item(EntityID)
    /// Words of a title or name, by someone with that handle.
    case words(handle: String, slug: String, isList: Bool)

    /// Reads a path, or a URL with one; `nil` for what can be no page.
    package init?(_ text: String) {
        guard text.utf8.count <= 2_048 else { return nil }
        var path = Substring(text)
        if let scheme = path.firstRange(of: "://") {
            path = path[scheme.upperBound...]
            path = path.firstIndex(of: "/").map { path[$0...] } ?? ""
        }
        path = path.prefix { $0 != "?" && $0 != "#" }
        let parts = path.split(separator: "/").map { $0.removingPercentEncoding }
        guard (1...3).contains(parts.count), let first = parts.first else { return nil }
        let claim = first.hasPrefix("@") ? String(first.dropFirst()) : first
        let pieces = claim.split(separator: "~", omittingEmptySubsequences: false)
        guard let handle = pieces.first.map({ $0.lowercased() }), !handle.isEmpty, pieces.count <= 2 else { return nil }
        if parts.count == 1 {
            self = .user(handle: handle, id: pieces.count == 2 ? String(pieces[1]) : nil)
            return
        }
        let isList = parts.count == 3
        if isList, !["playlist", "album", "content_list", "list"].contains(parts[1]) { return nil }
        guard let last = parts.last else { return nil }
        if let tail = last.split(separator: "-").last, let id = EntityID(String(tail)) {
            self = .item(id)
        } else {
            self = .words(handle: handle, slug: last.lowercased(), isList: isList)
        }
    }

    /// Words as they stand in a path: letters, digits and single dashes, 60 bytes at most.
    package static func slug(_ text: String) -> String {
        var result = ""
        for character in SearchWords.fold(text) {
            let isWord = character.isASCII && (character.isLetter || character.isNumber)
            if isWord {
                result.append(character)
            } else if !result.isEmpty, result.last != "-" {
                result.append("-")
            }
            if result.utf8.count >= 60 { break }
        }
        while result.last == "-" { result.removeLast() }
        return result.isEmpty ? "untitled" : result
    }
}

extension StringProtocol {
    /// The text with `%xx` taken apart; what is not well formed stays as it is.
    fileprivate var removingPercentEncoding: String {
        guard utf8.contains(UInt8(ascii: "%")) else { return String(self) }
        let bytes = Array(utf8)
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count, let high = hexDigit(bytes[index + 1]),
                let low = hexDigit(bytes[index + 2])
            {
                result.append(high << 4 | low)
                index += 3
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private func hexDigit(_ byte: UInt8) -> UInt8? {
        Character(UnicodeScalar(byte)).hexDigitValue.flatMap { UInt8(exactly: $0) }
    }
}
