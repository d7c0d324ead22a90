package import Catalog
package import MerkleDAG
package import Multiformats
import NIOHTTP1

/// What the read side of the API needs of a node's catalog.
package protocol CatalogSource: Sendable {
    /// Answers every query from this node's own view.
    var reader: CatalogReader { get }

    /// Updates in the order in which they came to this node: all behind `id`, then whatever comes; with `nil` only
    /// the latter. It reads on only as fast as it is consumed, and ends when the catalog is closed.
    func news(after id: Int64?) -> any AsyncSequence<CatalogNews, Never>
}

/// An update that came to this node.
package struct CatalogNews: Sendable {
    /// Grows in the order of arrival, and means something to this node only.
    package let id: Int64
    package let update: Update

    package init(id: Int64, update: Update) {
        self.id = id
        self.update = update
    }
}

/// Where the files that the catalog names come from.
package protocol CatalogMedia: Sendable {
    /// A file, found and fetched where it is not here. Returns as soon as its first block has come.
    ///
    /// Throws what a fetch throws: `NodeError.notFound`, `.offline`, and `DAGReadError` for what is no file.
    func open(_ cid: CID) async throws -> MediaFile

    /// This node, where all these files begin on its disk; `nil` where not.
    func holder(of files: [CID]) async throws -> PeerID?

    /// Who tells the network that they have the file, as far as can be found within a short time; nobody offline.
    func providers(of file: CID) async -> [PeerID]
}

/// A file that can be read. It keeps what it has fetched from garbage collection while it lives.
package struct MediaFile: Sendable {
    package let cid: CID
    /// In bytes.
    package let size: UInt64
    package let reader: DAGReader
    /// To be called when the whole of it was read: others may have it from here then.
    package let wasReadWhole: @Sendable () async -> Void

    package init(
        cid: CID, size: UInt64, reader: DAGReader, wasReadWhole: @escaping @Sendable () async -> Void = {}
    ) {
        self.cid = cid
        self.size = size
        self.reader = reader
        self.wasReadWhole = wasReadWhole
    }
}

extension MediaFile {
    /// The file with that root, read by `reader`.
    package init(
        _ cid: CID, _ reader: DAGReader, wasReadWhole: @escaping @Sendable () async -> Void = {}
    ) async throws {
        let summary = try await reader.summary(of: cid)
        guard summary.kind == .file else { throw V1Problem(.unsupportedMediaType, "\(cid) is no file") }
        self.init(cid: cid, size: summary.size, reader: reader, wasReadWhole: wasReadWhole)
    }
}
