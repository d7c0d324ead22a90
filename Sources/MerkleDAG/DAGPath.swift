package import Multiformats

/// Where something is: a root and the names on the way down from it.
package struct DAGPath: Hashable, Sendable, CustomStringConvertible {
    package var root: CID
    /// Raw bytes, as the folders on the way hold them.
    package var segments: [[UInt8]]

    /// The most names in a path.
    package static let maximumSegments = 1024

    package init(root: CID, segments: [[UInt8]] = []) {
        self.root = root
        self.segments = segments
    }

    /// Parses `CID`, `CID/a/b`, `/ipfs/CID/a/b`, `/ipld/CID/a` and `ipfs://CID/a`; empty names are skipped.
    ///
    /// Nothing is percent-decoded: that is for whoever takes paths from URLs.
    package init(_ text: String) throws(DAGReadError) {
        var rest = Array(text.utf8)[...]
        for prefix in ["/ipfs/", "/ipld/", "ipfs://"] where rest.starts(with: prefix.utf8) {
            rest = rest.dropFirst(prefix.utf8.count)
            break
        }
        let parts = rest.split(separator: UInt8(ascii: "/")).map { Array($0) }
        guard rest.first != UInt8(ascii: "/"), let first = parts.first, parts.count <= DAGPath.maximumSegments,
            let root = try? CID(EntryName.text(first))
        else { throw .invalidPath(text) }
        self.init(root: root, segments: Array(parts.dropFirst()))
    }

    package var description: String {
        (["/ipfs", root.description] + segments.map { EntryName.text($0) }).joined(separator: "/")
    }

    /// The last name, or the root's text: what a download is called.
    package var lastName: [UInt8] { segments.last ?? Array(root.description.utf8) }
}
