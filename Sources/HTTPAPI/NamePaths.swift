import MerkleDAG
import Multiformats
import PeerNode

// Paths that begin with a name: /ipns/NAME/a/b.
extension API {
    /// How many names are followed one after the other.
    static let deepestName = 32

    /// The path that `text` means; a name at its beginning is looked up, the node's memory first.
    func contentPath(_ text: String) async throws -> DAGPath {
        guard let named = try NamedPath(text) else { return try Self.path(text) }
        let root = try await node.resolveName(named.name, depth: Self.deepestName, noCache: false)
        return try Self.path(([root] + named.segments).joined(separator: "/"))
    }

    /// The last name of a path: what a download of it is called.
    package static func lastName(of text: String) throws(RPCError) -> [UInt8] {
        if let named = try NamedPath(text) { return Array((named.segments.last ?? named.name).utf8) }
        return try path(text).lastName
    }
}

/// `/ipns/NAME/a/b` or `ipns://NAME/a/b`, taken apart.
private struct NamedPath {
    /// In the form in which it was written.
    let name: String
    let segments: [String]

    /// Nil for a path that does not begin with a name; throws for one whose name is none.
    init?(_ text: String) throws(RPCError) {
        guard let prefix = ["/ipns/", "ipns://"].first(where: { text.hasPrefix($0) }) else { return nil }
        let parts = text.dropFirst(prefix.count).split(separator: "/").map(String.init)
        guard let name = parts.first, (try? PeerID(name)) != nil else {
            throw RPCError(.malformed, "invalid path \"\(text)\": after /ipns/ comes a name such as k51...")
        }
        self.name = name
        segments = Array(parts.dropFirst())
    }
}
