/// Finds the route of a path, whichever of its spellings is used.
///
/// `digital_contents` is also `digitalContents` and `tracks`; `content_lists` also `contentLists` and `playlists`;
/// and `full` may stand in front of everything.
struct V1Router: Sendable {
    /// A route, with what the path says for the places in its pattern.
    struct Match: Sendable {
        let route: V1Route
        let values: [String: String]
        let isFull: Bool
    }

    /// The spellings of a word in a pattern, the canonical one first.
    static func spellings(of word: String) -> [String] {
        switch word {
        case "digital_contents": ["digital_contents", "digitalContents", "tracks"]
        case "content_lists": ["content_lists", "contentLists", "playlists"]
        default: [word]
        }
    }

    private struct Place: Sendable {
        var words: [String: Place] = [:]
        /// What stands in the place of any word, and its name.
        var any: [Place] = []
        var anyName = ""
        var route: V1Route?
    }

    let routes: [V1Route]
    private var root = Place()

    init(_ routes: [V1Route]) {
        self.routes = routes
        for route in routes { Self.insert(route, route.pattern.split(separator: "/")[...], &root) }
    }

    private static func insert(_ route: V1Route, _ segments: ArraySlice<Substring>, _ place: inout Place) {
        guard let segment = segments.first else {
            precondition(place.route == nil, "two routes have the pattern \(route.pattern)")
            place.route = route
            return
        }
        if segment.hasPrefix("{") {
            if place.any.isEmpty { place.any.append(Place()) }
            place.anyName = String(segment.dropFirst().dropLast())
            insert(route, segments.dropFirst(), &place.any[0])
            return
        }
        for word in spellings(of: String(segment)) {
            insert(route, segments.dropFirst(), &place.words[word, default: Place()])
        }
    }

    /// The patterns of all routes that can be reached, found by walking the tree that requests walk.
    var patterns: [String] {
        var found: Set<String> = []
        func walk(_ place: Place) {
            if let route = place.route { found.insert(route.pattern) }
            for next in place.words.values { walk(next) }
            for next in place.any { walk(next) }
        }
        walk(root)
        return found.sorted()
    }

    /// The route of a percent-encoded path such as `/v1/full/tracks/xyz`; `nil` when there is none.
    func match(_ path: String) -> Match? {
        var segments = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        guard segments.first == "v1", segments.count <= 8 else { return nil }
        segments = segments.dropFirst()
        if segments.last == "" { segments = segments.dropLast() }
        var words: [String] = []
        for segment in segments {
            guard !segment.isEmpty, let word = Parameters.decode(segment, plusIsSpace: false) else { return nil }
            words.append(word)
        }
        // A route may itself begin with the word.
        if let (route, values) = Self.find(words[...], root) {
            return Match(route: route, values: values, isFull: false)
        }
        guard words.first == "full", let (route, values) = Self.find(words.dropFirst(), root) else { return nil }
        return Match(route: route, values: values, isFull: true)
    }

    private static func find(_ words: ArraySlice<String>, _ place: Place) -> (V1Route, [String: String])? {
        guard let word = words.first else { return place.route.map { ($0, [:]) } }
        if let next = place.words[word], let found = find(words.dropFirst(), next) { return found }
        guard let next = place.any.first, var found = find(words.dropFirst(), next) else { return nil }
        found.1[place.anyName] = word
        return found
    }
}
