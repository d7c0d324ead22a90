import Catalog
import Multiformats
import PeerNode

extension API {
    static let updateCommands = [
        RPCCommand("updates/log") { api, request in try await api.logUpdates(request) },
        RPCCommand("updates/show") { api, request in
            let id = try update(try request.parameters.argument(0, "cid"))
            guard let event = try await api.node.catalog.update(id) else {
                throw RPCError(.notFound, "the update \(id.cid) is not here")
            }
            return .value(CatalogJSON.event(event))
        },
        RPCCommand("updates/verify") { api, _ in try await api.verifyUpdates() },
    ]

    /// In the order in which they came here; with `follow` it goes on with what comes.
    private func logUpdates(_ request: RPCRequest) async throws -> RPCReply {
        var author: AuthorID?
        if let text = request.parameters.arguments.first { author = try await targetAuthor(text) }
        let after = Int64(try request.parameters.count("after") ?? 0)
        let limit = try request.parameters.count("limit")
        let follows = try request.parameters.flag("follow")
        let (catalog, only) = (node.catalog, author)
        return .events { sink in
            try await sink.events([])
            var (row, left) = (after, limit ?? Int.max)
            while left > 0 {
                let page = try await catalog.updates(of: only, after: row, limit: min(left, 256))
                guard let last = page.last else { break }
                row = last.id
                left -= page.count
                try await sink.events(page.map(CatalogJSON.event))
            }
            guard follows, left > 0 else { return }
            for await event in catalog.events(after: row) where only == nil || event.update.author == only {
                try await sink.event(CatalogJSON.event(event))
                left -= 1
                if left == 0 { return }
            }
        }
    }

    private func verifyUpdates() async throws -> RPCReply {
        let catalog = node.catalog
        return .events { sink in
            let (counts, continuation) = AsyncStream.makeStream(of: Int.self, bufferingPolicy: .bufferingNewest(1))
            async let verifying: CatalogVerification = {
                defer { continuation.finish() }
                return try await catalog.verify { continuation.yield($0) }
            }()
            var shown = ContinuousClock.now
            for await count in counts where ContinuousClock.now - shown > .milliseconds(200) {
                shown = .now
                try await sink.event(["progress": .int(count)])
            }
            let result = try await verifying
            try await sink.event([
                "clean": .bool(result.isClean), "updates": .int(result.updates),
                "damaged": .array(result.damaged.map { JSON($0.cid) }), "set": .bool(result.isSetRight),
                "view": .bool(result.isViewRight), "view_checked": .bool(result.isViewChecked),
            ])
        }
    }

    /// An update by its CID, or by the hex digits of its digest.
    static func update(_ text: String) throws -> UpdateID {
        if let id = (try? CID(text)).flatMap({ UpdateID($0) }) { return id }
        if text.utf8.count == 64, let bytes = try? Base.base16.decode(text), let id = UpdateID(bytes) { return id }
        throw RPCError(.malformed, "'\(text)' is not the CID of an update")
    }
}
