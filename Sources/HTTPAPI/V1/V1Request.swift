package import NIOHTTP1

/// A request for something to read below `/v1`.
package struct V1Request: Sendable {
    package enum Method: Sendable { case get, head, options }

    package let method: Method
    /// Percent-encoded, without the query.
    package let path: String
    /// Percent-encoded, without the question mark.
    package let query: Substring
    package let headers: HTTPHeaders

    package init(_ method: Method = .get, _ target: String, headers: HTTPHeaders = [:]) {
        let path = target.prefix { $0 != "?" }
        self.method = method
        self.path = String(path)
        query = target[path.endIndex...].dropFirst()
        self.headers = headers
    }

    /// The methods that are served; `nil` for others.
    init?(_ head: HTTPRequestHead) {
        switch head.method {
        case .GET: self.init(.get, head.uri, headers: head.headers)
        case .HEAD: self.init(.head, head.uri, headers: head.headers)
        case .OPTIONS: self.init(.options, head.uri, headers: head.headers)
        default: return nil
        }
    }

    /// Whether paths like this are the catalog's.
    static func isOurs(_ path: String) -> Bool { path == "/v1" || path.hasPrefix("/v1/") }

    /// Where the client reached this node: what links in answers begin with.
    var base: String {
        let host = headers.first(name: "host") ?? "127.0.0.1"
        let isSafe = host.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "\"") }
        // A proxy in front of the node speaks TLS for it.
        let scheme = headers.first(name: "x-forwarded-proto") == "https" ? "https" : "http"
        return "\(scheme)://\(isSafe ? host : "127.0.0.1")"
    }
}

/// The parameters of a query: each may be given several times. Unknown ones are ignored.
package struct V1Query: Sendable {
    /// How many parameters a query may have.
    static let maximumCount = 1024

    private let values: [String: [String]]

    package init(_ text: Substring) throws(V1Problem) {
        var values: [String: [String]] = [:]
        let pairs = text.split(separator: "&", maxSplits: Self.maximumCount)
        guard pairs.count <= Self.maximumCount else {
            throw V1Problem(.badRequest, "the query has too many parameters")
        }
        for pair in pairs {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Parameters.decode(halves[0]),
                let value = Parameters.decode(halves.count > 1 ? halves[1] : "")
            else { throw V1Problem(.badRequest, "the query is not percent-encoded UTF-8") }
            // Clients of the original write lists as `id[]` too.
            values[name.hasSuffix("[]") ? String(name.dropLast(2)) : name, default: []].append(value)
        }
        self.values = values
    }

    /// The last value, unless it is empty.
    package func text(_ name: String) -> String? { values[name]?.last { !$0.isEmpty } }

    /// All values that are not empty.
    package func all(_ name: String) -> [String] { (values[name] ?? []).filter { !$0.isEmpty } }

    /// A whole number within `range`; `nil` when it is not given.
    package func number(_ name: String, in range: ClosedRange<Int>) throws(V1Problem) -> Int? {
        guard let text = text(name) else { return nil }
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(text), range.contains(number)
        else { throw .badParameter(name, "a whole number from \(range.lowerBound) to \(range.upperBound)") }
        return number
    }

    package func flag(_ name: String) throws(V1Problem) -> Bool {
        switch text(name)?.lowercased() {
        case nil, "false", "0": return false
        case "true", "1": return true
        default: throw .badParameter(name, "true or false")
        }
    }

    /// One of `allowed`; `nil` when it is not given.
    func choice<Value>(_ name: String, _ allowed: [(String, Value)]) throws(V1Problem) -> Value? {
        guard let text = text(name) else { return nil }
        guard let found = allowed.first(where: { $0.0 == text }) else {
            throw .badParameter(name, "one of \(allowed.map(\.0).joined(separator: ", "))")
        }
        return found.1
    }
}
