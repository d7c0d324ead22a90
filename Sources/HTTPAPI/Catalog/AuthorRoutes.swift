import Catalog
import NIOCore
import PeerNode

extension API {
    static let authorCommands = [
        RPCCommand("author/new") { api, request in
            let name = try request.parameters.argument(0, "name")
            let made = try await api.node.catalog.createAuthor(
                name: name, passphrase: request.parameters.text("passphrase"))
            return .value([
                "id": JSON(made.author), "name": .string(name),
                "recovery_words": .array(made.recovery.words.map { .string($0) }),
            ])
        },
        RPCCommand("author/ls") { api, _ in
            let authors = try await api.onAuthors { try $0.list() }
            return .value(["authors": .array(authors.map(entry))])
        },
        RPCCommand("author/use") { api, request in
            let name = try request.parameters.argument(0, "author")
            return .value(entry(try await api.onAuthors { try $0.use(name) }))
        },
        RPCCommand("author/rotate") { api, request in try await api.rotateAuthor(request) },
        RPCCommand("author/passphrase") { api, request in
            let author = try await api.namedSigner(request)
            guard let new = request.parameters.text("new-passphrase") else {
                throw RPCError.usage("option \"new-passphrase\" is required: an empty one takes the lock away")
            }
            let old = request.parameters.text("passphrase")
            return .value(
                entry(
                    try await api.onAuthors {
                        try $0.setPassphrase(new.isEmpty ? nil : new, of: author, old: old)
                        return try $0.entry(author.description)
                    }))
        },
        RPCCommand("author/unlock") { api, request in
            guard api.node.isOnline else { throw NodeError.needsRunningNode("keeping a key unlocked") }
            let author = try await api.namedSigner(request)
            guard let passphrase = request.parameters.text("passphrase") else {
                throw RPCError.usage("option \"passphrase\" is required")
            }
            try await api.node.catalog.unlock(author, passphrase: passphrase)
            return .value(entry(try await api.onAuthors { try $0.entry(author.description) }))
        },
        RPCCommand("author/export") { api, request in
            let name = try request.parameters.argument(0, "author")
            let bytes = ByteBuffer(bytes: try await api.onAuthors { try $0.export(try $0.entry(name).id) })
            return .bytes(type: "application/octet-stream", length: nil) { try await $0.write(bytes) }
        },
        RPCCommand("author/import", takesBody: true) { api, request in
            let name = request.parameters.arguments.first
            let bytes = [UInt8](try await request.file(limit: maximumAuthorFile).readableBytesView)
            return .value(entry(try await api.onAuthors { try $0.import(bytes, name: name) }))
        },
        RPCCommand("profile/set") { api, request in try await api.setProfile(request) },
        RPCCommand("profile/show") { api, request in
            let reader = api.node.catalog.reader
            let author: AuthorID
            if let text = request.parameters.arguments.first {
                author = try await api.targetAuthor(text)
            } else {
                author = try await api.signer(request)
            }
            guard let row = try await api.node.plane.blocking({ try reader.user(author) }) else {
                throw RPCError(.notFound, "nothing is known here of the author \(author)")
            }
            return .value(CatalogJSON.user(row))
        },
    ]

    /// The longest file of an author's key, in bytes.
    private static let maximumAuthorFile = 64 << 10

    private static func entry(_ entry: AuthorKeys.Entry) -> JSON {
        [
            "id": JSON(entry.id), "name": .string(entry.name), "locked": .bool(entry.isLocked),
            "current": .bool(entry.isCurrent),
        ]
    }

    /// Keys are small files, which block.
    private func onAuthors<R: Sendable>(_ body: @escaping @Sendable (AuthorKeys) throws -> R) async throws -> R {
        let authors = node.catalog.authors
        return try await node.plane.blocking { try body(authors) }
    }

    /// One of this node's authors: the argument, else as for any command.
    private func namedSigner(_ request: RPCRequest) async throws -> AuthorID {
        guard let name = request.parameters.arguments.first else { return try await signer(request) }
        return try await onAuthors { try $0.entry(name).id }
    }

    /// A new key by the recovery words, for an author of this node or one whose file is lost.
    private func rotateAuthor(_ request: RPCRequest) async throws -> RPCReply {
        guard let words = request.parameters.text("words") else {
            throw RPCError.usage("option \"words\" is required: the recovery words")
        }
        let recovery = try RecoveryKey(words: words)
        let author: AuthorID
        do {
            author = try await namedSigner(request)
        } catch AuthorKeysError.unknown(let name) {
            author = try await targetAuthor(name)
        }
        let heads = try request.parameters.text("keep").map { try Self.words($0).map(Self.update) }
        guard heads.map({ (1...UpdateLimits.heads).contains($0.count) }) ?? true else {
            throw RPCError.usage("option 'keep' names 1 to \(UpdateLimits.heads) updates, with commas between")
        }
        let made = try await node.catalog.rotate(
            author, recovery: recovery, heads: heads, passphrase: request.parameters.text("passphrase"),
            oldKeys: try request.parameters.flag("leave-old-keys") ? .left : .kept,
            name: request.parameters.text("name"))
        return .value([
            "id": JSON(author), "cid": JSON(made.update.cid),
            "recovery_words": .array(made.recovery.words.map { .string($0) }),
        ])
    }

    private func setProfile(_ request: RPCRequest) async throws -> RPCReply {
        try Self.checkCleared(request, ["handle", "name", "bio", "location", "website", "picture", "cover"])
        let author = try await signer(request)
        var body = ProfileBody()
        body.handle = Self.patch(request, "handle")
        if case .set(let handle) = body.handle, !ProfileBody.isHandle(handle) {
            throw RPCError.usage("a handle has 1 to 30 of a-z, 0-9, '_' and '.', not '\(handle)'")
        }
        body.name = Self.patch(request, "name")
        body.bio = Self.patch(request, "bio")
        body.location = Self.patch(request, "location")
        body.website = Self.patch(request, "website")
        body.picture = try await picture(request, "picture")
        body.cover = try await picture(request, "cover")
        if request.parameters.text("deactivated") != nil {
            body.deactivated = .set(try request.parameters.flag("deactivated"))
        }
        guard body != ProfileBody() else { throw RPCError.usage("say what to change, such as handle or name") }
        let reader = node.catalog.reader
        let update = try await sign(.profile(body), as: author, request)
        guard let row = try await node.plane.blocking({ try reader.user(author) }) else {
            return .value(CatalogJSON.update(update))
        }
        return .value(CatalogJSON.user(row))
    }
}
