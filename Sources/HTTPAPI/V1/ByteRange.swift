/// Which part of a file a request wants.
///
/// Source: RFC 9110 sections 13.1.5 and 14
package enum ByteRange: Sendable, Equatable {
    case whole
    /// Bytes from the first to behind the last.
    case part(Range<UInt64>)
    /// No byte of the file is in it.
    case unsatisfiable

    /// Reads a `Range` header for a file of `size` bytes.
    ///
    /// What is no single range of bytes is ignored, as the RFC allows, and so is a range whose `If-Range` names
    /// another version: `validator` is the file's ETag. An end past the file is moved to its end.
    package init(_ header: String?, ifRange: String?, validator: String, size: UInt64) {
        self = .whole
        guard let header, ifRange.map({ $0.trimmed == validator }) ?? true else { return }
        let halves = header.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard halves.count == 2, String(halves[0]).trimmed.lowercased() == "bytes" else { return }
        let text = String(halves[1]).trimmed
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { String($0).trimmed }
        guard ends.count == 2, !ends[0].isEmpty || !ends[1].isEmpty else { return }
        let (first, last) = (Self.number(ends[0]), Self.number(ends[1]))
        switch (ends[0].isEmpty, first, ends[1].isEmpty, last) {
        case (true, _, _, let count?):
            self = count == 0 || size == 0 ? .unsatisfiable : .part(size - min(count, size)..<size)
        case (false, let start?, true, _): self = start < size ? .part(start..<size) : .unsatisfiable
        case (false, let start?, false, let end?):
            guard start <= end else { return }
            self = start < size ? .part(start..<min(end, size - 1) + 1) : .unsatisfiable
        default: return
        }
    }

    /// Digits; ones beyond what a number holds are as far as anything can be.
    private static func number(_ text: String) -> UInt64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return UInt64(text) ?? .max
    }
}

/// The conditions of a request on the version that the client has.
///
/// Source: RFC 9110 section 13
enum ETags {
    /// Whether `If-None-Match` names this version; compared weakly.
    static func match(_ header: String?, _ tag: String) -> Bool {
        guard let header else { return false }
        return header.split(separator: ",").contains { part in
            let text = String(part).trimmed
            return text == "*" || (text.hasPrefix("W/") ? String(text.dropFirst(2)) : text) == tag
        }
    }
}

extension String {
    /// Without spaces and tabs at its ends.
    var trimmed: String {
        let isSpace = { (character: Character) in character == " " || character == "\t" }
        guard let first = firstIndex(where: { !isSpace($0) }), let last = lastIndex(where: { !isSpace($0) }) else {
            return ""
        }
        return String(self[first...last])
    }
}
