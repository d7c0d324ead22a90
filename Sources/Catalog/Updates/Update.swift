package import Multiformats
package import PeerCrypto

/// One small signed change to the public record: a header, and beside it the body that the header names.
///
/// On the wire and in an export it is the header's bytes, then the body's. The body may be missing, because it was
/// erased: the log of an author still verifies by its headers. Every value of this type has passed all checks that
/// its bytes alone allow, but for the signature where an initialiser says so.
package struct Update: Equatable, Sendable {
    /// The most bytes of header and body together.
    package static let maximumLength = 32 * 1024

    package let header: UpdateHeader
    /// The SHA-256 of the header's bytes.
    package let id: UpdateID
    /// The header's bytes, then the body's.
    package let block: [UInt8]
    /// How many bytes of `block` are the header.
    package let headerLength: Int
    /// What it says; `nil` when the body is not here.
    package let body: UpdateBody?

    /// Reads an update that somebody else has verified, such as from the log.
    package init(unverified block: [UInt8]) throws(UpdateError) {
        try self.init(block, checkingSignature: false)
    }

    /// Reads an update and checks everything that does not need its ancestors.
    package init(verifying block: [UInt8]) throws(UpdateError) { try self.init(block, checkingSignature: true) }

    private init(_ block: [UInt8], checkingSignature: Bool) throws(UpdateError) {
        guard block.count <= Self.maximumLength else { throw .tooLong(block.count) }
        let reader = try HeaderReader(block)
        header = reader.header
        headerLength = reader.length
        self.block = block
        let hash =
            reader.length == block.count
            ? ContentHash.sha256(block) : ContentHash.sha256(Array(block[..<reader.length]))
        guard let id = UpdateID(hash) else { throw .badField("header") }
        self.id = id
        if reader.length < block.count {
            let bytes = Array(block[reader.length...])
            guard Digest32(ContentHash.sha256(bytes)) == header.body else { throw .otherBody }
            body = try UpdateBody(bytes, kind: header.kind)
            try body?.check(subject: subject, author: author, time: header.time)
        } else {
            guard !header.kind.isRights else { throw .bodyMissing }
            body = nil
        }
        guard checkingSignature else { return }
        guard let key = try? PublicKey(kind: .ed25519, data: header.key),
            key.verify(signature: header.signature, message: reader.message(block))
        else { throw .badSignature }
    }

    /// Signs a new update. What is returned has been read back, so that nothing leaves that others would refuse.
    package static func sign(
        _ body: UpdateBody, author: AuthorID?, prev: [UpdateID], seq: UInt64, time: UInt64,
        acting: UpdateHeader.Acting? = nil, with key: KeyPair
    ) throws(UpdateError) -> Update {
        let bytes = try body.encoded()
        guard let digest = Digest32(ContentHash.sha256(bytes)) else { throw .otherBody }
        let header = UpdateHeader.sign(
            author: author, prev: prev, seq: seq, time: time, acting: acting, kind: body.kind, body: digest, with: key)
        return try Update(verifying: header + bytes)
    }

    /// Who signed it.
    package var author: AuthorID { header.author ?? AuthorID(id) }
    /// Whose entities it changes: the author's, or those of whom it acts for.
    package var subject: AuthorID { header.acting?.owner ?? author }
    package var kind: UpdateKind { header.kind }
    package var seq: UInt64 { header.seq }
    /// Milliseconds since 1970.
    package var time: UInt64 { header.time }
    package var cid: CID { id.cid }

    /// The header alone.
    package var headerBytes: ArraySlice<UInt8> { block[..<headerLength] }
    /// The body alone; empty when it is not here.
    package var bodyBytes: ArraySlice<UInt8> { block[headerLength...] }
}
