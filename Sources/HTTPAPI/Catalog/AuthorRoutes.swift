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
        RPCCommand("author/unlock") { api, request in
            let author = try await api.signer(request)
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

    private func setProfile(_ request: RPCRequest) async throws -> RPCReply {
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
