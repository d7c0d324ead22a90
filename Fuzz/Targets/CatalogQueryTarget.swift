import Catalog
import HTTPAPI

extension FuzzTarget {
    /// What clients of the catalog write into addresses and headers.
    static let catalogQueries: [FuzzTarget] = [
        FuzzTarget("catalog-query", maximumLength: 2048) { input in
            let text = String(decoding: input, as: UTF8.self)
            let path = text.prefix { $0 != "?" }
            let isRoute = CatalogAPI.hasRoute("/v1/" + path)
            agree(
                !isRoute || CatalogAPI.hasRoute("/v1/full/" + path) || path.hasPrefix("full"),
                "every route is served below /full as well")
            if let query = try? V1Query(text[path.endIndex...].dropFirst()) { read(query) }
            readRange(text)
            if let cursor = PageCursor(text) { agree(PageCursor(cursor.description) == cursor, "a cursor reads back") }
            if let id = EntityID(text) { agree(id.description == text, "an id is its text") }
            _ = Permalink(text)
        }
    ]

    private static func read(_ query: V1Query) {
        for name in ["query", "limit", "id", "cursor", "only_downloadable", ""] {
            let all = query.all(name)
            agree(query.text(name) == all.last, "the last value is one of all")
            agree(!all.contains(""), "an empty value is none")
            if let number = try? query.number(name, in: 1...500) { agree((1...500).contains(number), "bounds hold") }
            _ = try? query.flag(name)
            for value in all {
                if let cursor = PageCursor(value) {
                    agree(PageCursor(cursor.description) == cursor, "a cursor reads back")
                }
                if let link = Permalink(value), case .item(let id) = link { agree(!id.description.isEmpty, "an id") }
            }
        }
    }

    private static func readRange(_ header: String) {
        for size: UInt64 in [0, 1, 1_000, .max] {
            let range = ByteRange(header, ifRange: nil, validator: "", size: size)
            if case .part(let part) = range {
                agree(!part.isEmpty && part.upperBound <= size, "a range is in the file")
            }
            let other = ByteRange(header, ifRange: "\"a\"", validator: "\"b\"", size: size)
            agree(other == .whole, "another version is answered whole")
        }
    }
}
