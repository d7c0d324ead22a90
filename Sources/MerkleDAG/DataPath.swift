import Multiformats
import NIOCore

/// Paths inside dag-cbor and dag-json blocks.
enum DataPath {
    /// Follows `path` through the maps and lists of a block until a link or the path's end.
    ///
    /// Returns the link and what is left of the path after it, or no link when the path ends at a value.
    static func follow(
        _ path: ArraySlice<[UInt8]>, in cid: CID, _ block: ByteBuffer
    ) throws(DAGReadError) -> (link: CID?, rest: ArraySlice<[UInt8]>) {
        var value = try decode(cid, block)
        var rest = path
        while let name = rest.first {
            if case .link(let next) = value { return (next, rest) }
            guard let text = String(validating: name, as: UTF8.self), let child = value.child(text) else {
                throw .noLink(name: EntryName.text(name), in: cid)
            }
            value = child
            rest = rest.dropFirst()
        }
        if case .link(let next) = value { return (next, rest) }
        return (nil, rest)
    }

    static func decode(_ cid: CID, _ block: ByteBuffer) throws(DAGReadError) -> DAGValue {
        do throws(DAGError) {
            return cid.codec == .dagJSON ? try DagJSON.decode(block) : try DagCBOR.decode(block)
        } catch {
            throw .malformedData(cid, error.description)
        }
    }
}
