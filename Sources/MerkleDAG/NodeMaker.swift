package import Multiformats
import NIOCore
import PeerCrypto

/// What an import made of some content: the root and the numbers that its parent needs.
package struct ImportedNode: Hashable, Sendable {
    package let cid: CID
    /// The bytes of all blocks below and including the root, counted once per link, as links say it.
    package let tsize: UInt64
    /// The bytes of content: a file's length, 0 for folders and symlinks.
    package let fileSize: UInt64

    package init(cid: CID, tsize: UInt64, fileSize: UInt64) {
        self.cid = cid
        self.tsize = tsize
        self.fileSize = fileSize
    }
}

/// Makes blocks by one profile: hashes bytes, wraps leaves, builds inner nodes.
struct NodeMaker: Sendable {
    let profile: ImportProfile

    /// The block of `data` under the profile's hash.
    func block(_ codec: Codec, _ data: ByteBuffer) throws(ImportError) -> Block {
        guard let multihash = multihash(data) else { throw .unsupportedHash(profile.hash) }
        return Block(cid: profile.cid(codec, multihash), data: data)
    }

    private func multihash(_ data: ByteBuffer) -> Multihash? {
        profile.hash == .sha2_256 ? ContentHash.sha256(data) : ContentHash.hash(data, code: profile.hash)
    }

    /// The block of `node`, and what a link to it says.
    func block(_ node: DagPB.Node, fileSize: UInt64) throws(ImportError) -> (Block, ImportedNode) {
        let data = node.encoded()
        let block = try block(.dagPB, data)
        // Our own sizes: they come from files on this machine and cannot pass 2^64.
        let tsize = node.cumulativeSize(blockLength: data.readableBytes) ?? .max
        return (block, ImportedNode(cid: block.cid, tsize: tsize, fileSize: fileSize))
    }

    /// Turns a chunk into the bytes of its leaf block: in place where the chunk has room around it and nobody
    /// else holds it.
    func frame(_ chunk: inout ByteBuffer) {
        if profile.rawLeaves { return }
        let frame = LeafFrame(length: chunk.readableBytes)
        if chunk.readerIndex >= BufferPool.headroom, frame.header.count <= BufferPool.headroom {
            let start = chunk.readerIndex - frame.header.count
            chunk.setBytes(frame.header, at: start)
            chunk.moveReaderIndex(to: start)
            chunk.writeBytes(frame.trailer)
            return
        }
        var copy = ByteBuffer()
        copy.reserveCapacity(frame.header.count + chunk.readableBytes + frame.trailer.count)
        copy.writeBytes(frame.header)
        copy.writeBuffer(&chunk)
        copy.writeBytes(frame.trailer)
        chunk = copy
    }

    /// The leaf block of `data`, which `frame` made of a chunk of `length`, and what a link to it says.
    func leaf(_ data: ByteBuffer, length: UInt64) throws(ImportError) -> (Block, ImportedNode) {
        let block = try block(profile.rawLeaves ? .raw : .dagPB, data)
        return (block, ImportedNode(cid: block.cid, tsize: UInt64(data.readableBytes), fileSize: length))
    }

    /// The symlink node that points at `target`.
    func symlink(to target: [UInt8]) throws(ImportError) -> (Block, ImportedNode) {
        let message = UnixFS(.symlink, data: ByteBuffer(bytes: target))
        return try block(DagPB.Node(data: message.encoded()), fileSize: 0)
    }
}

/// The bytes around a chunk of `length` in a dag-pb leaf: node { data: UnixFS { file, chunk, size } }.
private struct LeafFrame {
    var header: [UInt8] = []
    var trailer: [UInt8] = [0x18]

    init(length: Int) {
        Varint.append(UInt64(length), to: &trailer)
        var inner: [UInt8] = [0x08, 0x02]
        if length > 0 {
            inner.append(0x12)
            Varint.append(UInt64(length), to: &inner)
        }
        header = [0x0a]
        Varint.append(UInt64(inner.count + length + trailer.count), to: &header)
        header += inner
    }
}
