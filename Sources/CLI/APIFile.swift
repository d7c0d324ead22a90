import Foundation

/// The file `api` in the repo: where the API of the node that runs on it listens.
enum APIFile {
    static let name = "api"

    static func write(_ url: String, repository: String) throws {
        try Data((url + "\n").utf8).write(to: URL(fileURLWithPath: repository + "/" + name), options: .atomic)
    }

    static func remove(repository: String) {
        try? FileManager.default.removeItem(atPath: repository + "/" + name)
    }

    /// Host and port of `http://127.0.0.1:5101`; nil for anything else.
    static func parse(_ text: String) -> (host: String, port: Int)? {
        let url = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard url.hasPrefix("http://") else { return nil }
        let rest = url.dropFirst("http://".count)
        guard let colon = rest.lastIndex(of: ":"), let port = UInt16(rest[rest.index(after: colon)...]) else {
            return nil
        }
        let host = rest[..<colon]
        return (host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : String(host), Int(port))
    }
}
