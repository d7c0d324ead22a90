package import Multiformats
package import NIOCore

/// The links of blocks of any codec: what a walk, a pin or a collection of garbage follows.
package enum Links {
    /// The CIDs that `block` links to, in order, repeated ones too.
    ///
    /// Codecs that have no links, and unknown ones, give none: such a block is a leaf. Errors: a block that is
    /// not what its codec says.
    package static func of(_ cid: CID, _ block: ByteBuffer) throws(DAGReadError) -> [CID] {
        switch cid.codec {
        case .dagPB:
            do throws(DAGFormatError) { return try DagPB.Node(block).links.map(\.cid) } catch {
                throw .malformed(cid, error)
            }
        case .dagCBOR:
            do throws(DAGError) { return try DagCBOR.links(block) } catch {
                throw .malformedData(cid, error.description)
            }
        case .dagJSON: return try DataPath.decode(cid, block).links
        default: return []
        }
    }

    package static func of(_ block: Block) throws(DAGReadError) -> [CID] { try of(block.cid, block.data) }

    /// Whether blocks of this codec can have links at all; others need not be fetched to be walked.
    package static func canHaveLinks(_ codec: Codec) -> Bool {
        codec == .dagPB || codec == .dagCBOR || codec == .dagJSON
    }
}
