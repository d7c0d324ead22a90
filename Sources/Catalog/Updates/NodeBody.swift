package import Multiformats
package import PeerCrypto

/// `node.announce`: a node that the author answers for. The latest of each node stands.
///
/// The node signs it too, so that nobody announces somebody else's node.
package struct NodeBody: Equatable, Sendable {
    package var peer: PeerID
    /// Such as `landlord`.
    package var roles: [String]
    /// Where its HTTP API can be reached; `nil` when nowhere.
    package var endpoint: String?
    /// What it has room for, in bytes.
    package var capacity: UInt64
    /// What of that is free, in bytes.
    package var free: UInt64
    /// Whether it takes content of others.
    package var isAccepting: Bool
    package var version: String
    /// The node's signature over the author, the time and the other fields.
    package private(set) var nodeSignature: [UInt8] = []
    /// Fields that are unknown here; the node has signed them as well.
    package var extra: [DAGEntry] = []

    package init(
        peer: PeerID, roles: [String] = [], endpoint: String? = nil, capacity: UInt64 = 0, free: UInt64 = 0,
        isAccepting: Bool = false, version: String = ""
    ) {
        self.peer = peer
        self.roles = roles
        self.endpoint = endpoint
        self.capacity = capacity
        self.free = free
        self.isAccepting = isAccepting
        self.version = version
    }

    init(_ fields: inout BodyFields) throws(UpdateError) {
        peer = try fields.required("peer", Self.peer)
        let role = BodyFields.text(1...UpdateLimits.word)
        roles = try fields.required("roles", BodyFields.list(0...UpdateLimits.roles, of: role))
        endpoint = try fields.optional("endpoint", BodyFields.text(1...UpdateLimits.website))
        capacity = try fields.required("capacity", BodyFields.number)
        free = try fields.required("free", BodyFields.number)
        isAccepting = try fields.required("accepting", BodyFields.flag)
        version = try fields.required("version", BodyFields.text(0...UpdateLimits.word))
        nodeSignature = try fields.required("nodeSig", BodyFields.bytes(1...1024))
        extra = fields.left
    }

    var entries: [DAGEntry] { signedEntries + [DAGEntry("nodeSig", .bytes(nodeSignature))] }

    private var signedEntries: [DAGEntry] {
        var writer = BodyWriter(keeping: extra)
        writer.put("peer", .bytes(peer.multihash.bytes))
        writer.put("roles", .list(roles.map { .string($0) }))
        if let endpoint { writer.put("endpoint", endpoint) }
        writer.put("capacity", capacity)
        writer.put("free", free)
        writer.put("accepting", .bool(isAccepting))
        writer.put("version", version)
        return writer.entries
    }

    private static func peer(_ value: DAGValue, _ field: String) throws(UpdateError) -> PeerID {
        guard case .bytes(let bytes) = value, bytes.count <= 64, let hash = try? Multihash(bytes),
            let peer = try? PeerID(multihash: hash)
        else { throw .badField(field) }
        return peer
    }
}

extension NodeBody {
    /// What the node signs: `coliving-node/1`, the author, the time (8 bytes, big-endian), and the other fields in
    /// their one encoding.
    private func signedBytes(author: AuthorID, time: UInt64) throws(UpdateError) -> [UInt8] {
        var message = Array("coliving-node/1".utf8) + author.bytes
        for shift in stride(from: 56, through: 0, by: -8) { message.append(UInt8(truncatingIfNeeded: time >> shift)) }
        do { return message + (try DagCBOR.encode(.map(signedEntries))) } catch { throw .encoding(error) }
    }

    /// Signs with the node's key, which must be that of `peer`; the update must then have this author and time.
    package mutating func sign(with key: KeyPair, author: AuthorID, time: UInt64) throws(UpdateError) {
        guard key.peerID == peer else { throw .badNodeSignature }
        nodeSignature = key.sign(try signedBytes(author: author, time: time))
    }

    /// Throws unless the node has signed this for that author and time. Only nodes whose PeerID holds their
    /// Ed25519 key can be announced.
    func verify(author: AuthorID, time: UInt64) throws(UpdateError) {
        guard let key = peer.publicKey, key.kind == .ed25519,
            key.verify(signature: nodeSignature, message: try signedBytes(author: author, time: time))
        else { throw .badNodeSignature }
    }
}
