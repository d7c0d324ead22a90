package import NIOCore

/// Bytes and the CID that names them: the unit that moves through every room.
///
/// A `Block` made by `init(cid:data:)` is trusted to match; what comes from outside goes through
/// `ContentHash.verify` first. `data` is a slice wherever it can be; nobody copies it on the way
/// from socket to disk.
package struct Block: Hashable, Sendable {
    /// The largest block that is stored or accepted from a peer, in bytes (2 MiB, as in the network).
    package static let maximumLength = 2 << 20

    package let cid: CID
    package let data: ByteBuffer

    package init(cid: CID, data: ByteBuffer) {
        self.cid = cid
        self.data = data
    }
}
