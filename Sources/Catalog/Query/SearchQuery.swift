import GRDB

/// What a user typed into a search, made safe: words in lower case without accents, each quoted for FTS5.
///
/// The index knows groups of three characters, so shorter words are looked for in what the longer ones found, or,
/// alone, at the beginnings of texts and among the latest rows.
struct SearchQuery: Sendable, Equatable {
    /// The folded text.
    let text: String
    let words: [String]

    /// More words than anybody types only cost time.
    static let maximumWords = 8
    /// The rows that are ranked at most.
    static let maximumCandidates = 1_000

    /// `nil` for text without anything to search for.
    init?(_ input: String) {
        let folded = SearchWords.fold(input)
        let words = folded.split(separator: " ").prefix(SearchQuery.maximumWords).map { String($0.prefix(64)) }
        guard !words.isEmpty else { return nil }
        self.words = words
        text = words.joined(separator: " ")
    }

    /// The FTS5 expression for the words that the index can find; `nil` when all are too short.
    var match: String? {
        let long = words.filter { $0.unicodeScalars.count >= 3 }
        guard !long.isEmpty else { return nil }
        return long.map(SearchQuery.quoted).joined(separator: " AND ")
    }

    /// The same for any of the words.
    var matchAny: String? {
        let long = words.filter { $0.unicodeScalars.count >= 3 }
        guard !long.isEmpty else { return nil }
        return long.map(SearchQuery.quoted).joined(separator: " OR ")
    }

    /// A string of FTS5's language, in which nothing but the quote itself means anything.
    static func quoted(_ word: String) -> String { "\"" + word.replacing("\"", with: "\"\"") + "\"" }

    /// The end of the range of texts that begin with `text`.
    var end: String { text + "\u{10FFFF}" }

    /// Whether every word is in `text`, which must be folded.
    func matches(_ text: String) -> Bool { words.allSatisfy { SearchQuery.place(of: $0, in: text) != nil } }

    /// How well a folded text fits: 4 equal, 3 its beginning, 2 the beginning of a word in it, 1 in it, 0 each word
    /// somewhere.
    func fit(_ words: String) -> Int {
        guard let place = SearchQuery.place(of: text, in: words) else { return 0 }
        if place == 0 { return words.utf8.count == text.utf8.count ? 4 : 3 }
        return SearchQuery.place(of: " " + text, in: words) != nil ? 2 : 1
    }

    /// Where the bytes of `part` first are in those of `text`. Texts are folded alike, so bytes do; comparing
    /// characters takes ten times as long.
    static func place(of part: String, in text: String) -> Int? {
        let whole = text.utf8Span.span
        let piece = part.utf8Span.span
        var start = 0
        while start + piece.count <= whole.count {
            var length = 0
            while length < piece.count, whole[start + length] == piece[length] { length += 1 }
            if length == piece.count { return start }
            start += 1
        }
        return nil
    }
}

/// One row that a search found.
struct SearchHit: Sendable {
    let key: Int64
    let fit: Int
    let popularity: Int64
    let created: Int64

    /// The best fit first, then what is liked most, then the latest.
    static func precedes(_ left: SearchHit, _ right: SearchHit) -> Bool {
        (right.fit, right.popularity, right.created, left.key)
            < (left.fit, left.popularity, left.created, right.key)
    }
}
