import Catalog
import Media
import PeerNode

extension API {
    static let publishCommands = [
        RPCCommand("publish") { api, request in try await api.publishFiles(request) }
    ]

    /// The files are read by this node from its own machine: whoever has the token may read what it may.
    private func publishFiles(_ request: RPCRequest) async throws -> RPCReply {
        _ = try request.parameters.argument(0, "path")
        var wish = PublishRequest(request.parameters.arguments)
        for path in wish.paths where !path.hasPrefix("/") {
            throw RPCError.usage("'\(path)' must be an absolute path of the node's machine")
        }
        switch request.parameters.text("as") ?? "audio" {
        case "audio": wish.form = .audio
        case "file": wish.form = .file
        case let form: throw RPCError.usage("option 'as' must be audio or file, not '\(form)'")
        }
        wish.title = request.parameters.text("title")
        wish.artist = request.parameters.text("artist")
        wish.description = request.parameters.text("description")
        wish.genre = request.parameters.text("genre")
        wish.mood = request.parameters.text("mood")
        wish.tags = Self.words(request.parameters.text("tags") ?? "")
        wish.license = request.parameters.text("license")
        wish.releaseDate = request.parameters.text("release-date")
        wish.cover = request.parameters.text("cover")
        wish.isUnlisted = try request.parameters.flag("unlisted")
        wish.replicas = try request.parameters.count("replicas").map { min(UInt64($0), UpdateLimits.number) }
        wish.list = request.parameters.text("list")
        wish.profile = request.parameters.text("profile")
        wish.passphrase = request.parameters.text("passphrase")
        wish.author = try await signer(request)
        let (node, helper, complete) = (node, tagHelper, wish)
        return .events { sink in
            try await sink.events([])
            let (events, continuation) = AsyncStream.makeStream(of: PublishEvent.self)
            async let publishing: Void = {
                defer { continuation.finish() }
                let publisher = Publisher(complete, node: node, helper: helper) { continuation.yield($0) }
                try await publisher.run()
            }()
            var report = PublishReport()
            for await event in events {
                if let json = report.json(event) { try await sink.event(json) }
            }
            try await publishing
        }
    }
}

/// Tells whoever publishes how far it is: bytes in steps, the rest as it comes.
struct PublishReport {
    /// How many bytes of a file pass between two reports.
    private static let step = 1 << 20

    private var path = ""
    private var count = 0
    private var told = 0

    mutating func json(_ event: PublishEvent) -> JSON? {
        switch event {
        case .found(let files, let bytes, let skipped):
            return [
                "event": "found", "files": .int(files), "bytes": .int(bytes),
                "skipped": .array(
                    skipped.map { ["path": .string($0.path), "reason": .string($0.reason.description)] }),
            ]
        case .bytes(let path, let more):
            if path != self.path { (self.path, count, told) = (path, 0, 0) }
            count += more
            guard count - told >= Self.step else { return nil }
            defer { told = count }
            return ["event": "bytes", "path": .string(path), "bytes": .int(count), "more": .int(count - told)]
        case .stored(let path, let cid, let size):
            return ["event": "stored", "path": .string(path), "cid": JSON(cid), "size": .int(Int(clamping: size))]
        case .verified(let blocks): return ["event": "verified", "blocks": .int(blocks)]
        case .published(let id, let title, let cid, let isNew):
            return [
                "event": "published", "id": JSON(id), "title": .string(title), "cid": JSON(cid), "new": .bool(isNew),
            ]
        case .listed(let id, let name, let added, let isNew):
            return [
                "event": "listed", "id": JSON(id), "name": .string(name), "added": .int(added), "new": .bool(isNew),
            ]
        }
    }
}
