package import Multiformats

/// `author.create`: the first update of an author.
package struct AuthorCreateBody: Equatable, Sendable {
    /// The hash of the recovery key that is kept offline; see `RecoveryKey`.
    package var recovery: Digest32
    /// Fields that are unknown here.
    package var extra: [DAGEntry] = []

    package init(recovery: Digest32) { self.recovery = recovery }

    init(_ fields: inout BodyFields) throws(UpdateError) {
        recovery = try fields.required("recovery", BodyFields.digest)
        extra = fields.left
    }

    var entries: [DAGEntry] {
        var writer = BodyWriter(keeping: extra)
        writer.put("recovery", .bytes(recovery.bytes))
        return writer.entries
    }
}

/// `rotate`: a new key and a new recovery key, signed by the old recovery key.
package struct RotateBody: Equatable, Sendable {
    /// The new Ed25519 public key, 32 bytes.
    package var key: [UInt8]
    /// The hash of the new recovery key.
    package var recovery: Digest32
    /// Fields that are unknown here.
    package var extra: [DAGEntry] = []

    package init(key: [UInt8], recovery: Digest32) {
        self.key = key
        self.recovery = recovery
    }

    init(_ fields: inout BodyFields) throws(UpdateError) {
        key = try fields.required("key", BodyFields.bytes(32...32))
        recovery = try fields.required("recovery", BodyFields.digest)
        extra = fields.left
    }

    var entries: [DAGEntry] {
        var writer = BodyWriter(keeping: extra)
        writer.put("key", .bytes(key))
        writer.put("recovery", .bytes(recovery.bytes))
        return writer.entries
    }
}

/// `grant`: lets another author act for this one.
package struct GrantBody: Equatable, Sendable {
    package var grantee: AuthorID
    /// What may be done; kinds about the log itself are never covered.
    package var kinds: [UpdateKind]
    /// The one content or list (and its items) that may be changed; `nil` for everything.
    package var entity: Reference?
    /// Fields that are unknown here.
    package var extra: [DAGEntry] = []

    package init(to grantee: AuthorID, kinds: [UpdateKind], entity: Reference? = nil) {
        self.grantee = grantee
        self.kinds = kinds
        self.entity = entity
    }

    init(_ fields: inout BodyFields) throws(UpdateError) {
        grantee = try fields.required("grantee", BodyFields.author)
        let kind = BodyFields.text(1...UpdateKind.maximumLength)
        kinds = try fields.required("kinds", BodyFields.list(1...UpdateLimits.kinds, of: kind))
            .map { UpdateKind(rawValue: $0) }
        entity = try fields.optional("entity", Reference.init)
        extra = fields.left
    }

    var entries: [DAGEntry] {
        var writer = BodyWriter(keeping: extra)
        writer.put("grantee", .bytes(grantee.bytes))
        writer.put("kinds", .list(kinds.map { .string($0.rawValue) }))
        if let entity { writer.put("entity", entity.value) }
        return writer.entries
    }
}

/// `revoke`: ends a grant. By ancestry, since times can be back-dated.
package struct RevokeBody: Equatable, Sendable {
    package var grant: UpdateID
    /// The grantee's heads that still count, with all their ancestors.
    package var keep: [UpdateID]
    /// Fields that are unknown here.
    package var extra: [DAGEntry] = []

    package init(_ grant: UpdateID, keep: [UpdateID] = []) {
        self.grant = grant
        self.keep = keep
    }

    init(_ fields: inout BodyFields) throws(UpdateError) {
        grant = try fields.required("grant", BodyFields.update)
        keep = try fields.required("keep", BodyFields.list(0...UpdateLimits.keep, of: BodyFields.update))
        extra = fields.left
    }

    var entries: [DAGEntry] {
        var writer = BodyWriter(keeping: extra)
        writer.put("grant", .link(grant.cid))
        writer.put("keep", .list(keep.map { .link($0.cid) }))
        return writer.entries
    }
}

/// `forget`: the author's own updates that are to be hidden, and whose bodies are to go.
package struct ForgetBody: Equatable, Sendable {
    package var updates: [UpdateID]
    /// Fields that are unknown here.
    package var extra: [DAGEntry] = []

    package init(_ updates: [UpdateID]) { self.updates = updates }

    init(_ fields: inout BodyFields) throws(UpdateError) {
        updates = try fields.required("updates", BodyFields.list(1...UpdateLimits.forgotten, of: BodyFields.update))
        extra = fields.left
    }

    var entries: [DAGEntry] {
        var writer = BodyWriter(keeping: extra)
        writer.put("updates", .list(updates.map { .link($0.cid) }))
        return writer.entries
    }
}

/// `content.delete`, `list.delete` and `comment.delete`: the end of an entity. Delete is final.
package struct DeleteBody: Equatable, Sendable {
    package var id: String
    /// Fields that are unknown here.
    package var extra: [DAGEntry] = []

    package init(id: String) { self.id = id }

    init(_ fields: inout BodyFields) throws(UpdateError) {
        id = try fields.required("id", BodyFields.id)
        extra = fields.left
    }

    var entries: [DAGEntry] {
        var writer = BodyWriter(keeping: extra)
        writer.put("id", id)
        return writer.entries
    }
}

extension BodyFields {
    /// A SHA-256 that is no CID.
    static func digest(_ value: DAGValue, _ field: String) throws(UpdateError) -> Digest32 {
        guard case .bytes(let bytes) = value, bytes.count == 32, let digest = Digest32(bytes) else {
            throw .badField(field)
        }
        return digest
    }
}
