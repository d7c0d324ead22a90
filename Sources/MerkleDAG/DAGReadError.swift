package import Multiformats
package import NIOCore

/// Gives a block's bytes, checked against their CID; throws when it cannot be had.
///
/// Called from several tasks at once; never asked for identity CIDs, whose bytes are in them.
package typealias BlockGet = @Sendable (CID) async throws -> ByteBuffer

/// Why a DAG could not be read. Scope: the request.
package enum DAGReadError: Error, Hashable, Sendable {
    /// The block of this CID is not what its codec says.
    case malformed(CID, DAGFormatError)
    case malformedData(CID, String)
    case unsupportedCodec(CID)
    case invalidPath(String)
    /// The folder or map `in` has nothing called `name`.
    case noLink(name: String, in: CID)
    case notAFolder(CID)
    case notAFile(CID)
    /// A limit that keeps hostile DAGs from running forever was reached; the text says which.
    case limit(String)
}

extension DAGReadError: CustomStringConvertible {
    /// What is wrong, in words for a user.
    package var description: String {
        switch self {
        case .malformed(let cid, let error): "block \(cid) is damaged by design: \(error)"
        case .malformedData(let cid, let reason): "block \(cid) cannot be read: \(reason)"
        case .unsupportedCodec(let cid): "block \(cid) has codec \(cid.codec.name), which cannot be read here"
        case .invalidPath(let path): "'\(path)' is not a CID or a path that starts with one"
        case .noLink(let name, let cid): "no link named \"\(name)\" under \(cid)"
        case .notAFolder(let cid): "\(cid) is not a folder"
        case .notAFile(let cid): "\(cid) is not a file"
        case .limit(let which): "the content was refused: \(which)"
        }
    }
}

/// Bounds on what a DAG from strangers may make us do.
package struct DAGLimits: Hashable, Sendable {
    /// The most levels of one file's tree, or of one sharded folder.
    package var depth = 64
    /// The most levels of folders in folders.
    package var folderDepth = 256
    /// The most links of one node of a file.
    package var linksPerNode = 8192
    /// The most entries that one walk visits.
    package var entries = 50_000_000
    /// The most bytes of content that one walk gives out; `nil` sets no bound.
    package var bytes: UInt64?
    /// How many blocks are asked for at once.
    package var window = 16

    package init() {}
}
