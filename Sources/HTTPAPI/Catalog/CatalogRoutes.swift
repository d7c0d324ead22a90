import Catalog
import Multiformats
import PeerNode

extension API {
    static let catalogCommands = [
        RPCCommand("catalog/stat") { api, _ in .value(json(try await api.node.catalog.status())) },
        RPCCommand("catalog/sync") { api, request in
            let name: String? = request.parameters.arguments.first
            let peer = try name.map { text throws(RPCError) in try API.peer(text) }
            return .value(json(try await api.node.catalog.sync(with: peer)))
        },
        RPCCommand("catalog/export") { api, request in
            let path = try localPath(request)
            return .value(["path": .string(path), "bytes": .int(try await api.node.catalog.export(to: path))])
        },
        RPCCommand("catalog/import") { api, request in
            let report = try await api.node.catalog.import(from: try localPath(request))
            return .value([
                "read": .int(report.read), "accepted": .int(report.accepted), "known": .int(report.known),
                "completed": .int(report.completed), "not_held": .int(report.notHeld),
                "rejected": .int(report.rejected), "missing_ancestors": .int(report.missingAncestors),
            ])
        },
        RPCCommand("catalog/block") { api, request in
            let author = try await api.targetAuthor(try request.parameters.argument(0, "author"))
            guard !(try await api.isOwn(author)) else {
                throw RPCError.usage("\(author) is an author of this node: `profile set --deactivated` hides your own")
            }
            try await api.node.catalog.block(author, reason: request.parameters.text("reason") ?? "")
            return .value(["author": JSON(author), "blocked": true])
        },
        RPCCommand("catalog/blocked") { api, _ in
            let items: [JSON] = try await api.node.catalog.blocks().map {
                ["author": JSON($0.author), "reason": .string($0.reason)]
            }
            return .value(["items": .array(items)])
        },
        RPCCommand("catalog/unblock") { api, request in
            let author = try await api.targetAuthor(try request.parameters.argument(0, "author"))
            try await api.node.catalog.unblock(author)
            return .value(["author": JSON(author), "blocked": false])
        },
        RPCCommand("catalog/labels") { api, request in
            guard !request.parameters.arguments.isEmpty else {
                let items: [JSON] = try await api.node.catalog.labelers().map { labeler in
                    [
                        "author": labeler.row.map { JSON($0.author) } ?? .null, "id": JSON(labeler.id),
                        "name": CatalogJSON.maybe(labeler.row?.name), "label": .string(labeler.label),
                    ]
                }
                return .value(["items": .array(items)])
            }
            let author = try await api.targetAuthor(try request.parameters.argument(0, "author"))
            let label = request.parameters.arguments.count > 1 ? request.parameters.arguments[1] : Hiding.anyLabel
            let follows = try request.parameters.flag("on", default: true)
            try await api.node.catalog.followLabels(of: author, label: label, follows)
            return .value(["author": JSON(author), "label": .string(label), "on": .bool(follows)])
        },
    ]

    /// A file of the node's machine.
    private static func localPath(_ request: RPCRequest) throws(RPCError) -> String {
        let path = try request.parameters.argument(0, "path")
        guard path.hasPrefix("/") else {
            throw .usage("'\(path)' must be an absolute path of the node's machine")
        }
        return path
    }

    // MARK: Words

    private static func json(_ status: CatalogStatus) -> JSON {
        .object([
            .init("digest", .string(status.digest)), .init("updates", .int(status.updates)),
            .init("held", .int(status.held)), .init("bytes", .int(Int(status.bytes))),
            .init("authors", .int(status.authors)), .init("own_authors", .int(status.ownAuthors)),
            .init("last_event", .int(Int(status.lastEvent))), .init("missing", .int(status.missing)),
            .init("blocked", .array(status.blocked.map { JSON($0) })), .init("peers", .int(status.peers)),
            .init("counters", counters(status.counters)), .init("gossip", gossip(status.gossip)),
            .init("pulls", pulls(status.pulls)), .init("last_pull", status.lastPull.map { json($0) } ?? .null),
            .init("last_whole_pull", status.lastWhole.map { json($0) } ?? .null),
            .init("progress", status.progress.map { progress($0) } ?? .null),
            .init("clock_offset_ms", status.clockOffset.map { .int(Int($0)) } ?? .null),
            .init("trending_at", CatalogJSON.time(status.trendingAt ?? 0)),
            .init("set_aside", CatalogJSON.maybe(status.setAside)),
        ])
    }

    private static func json(_ report: CatalogSyncReport) -> JSON {
        let (result, reason): (String, JSON) =
            switch report.outcome.result {
            case .whole: ("whole", .null)
            case .partial: ("partial", .null)
            case .refused(let seconds): ("refused", .string("for \(seconds) seconds"))
            case .failed(let fault): ("failed", .string("\(fault)"))
            }
        let figures = report.outcome.figures
        return [
            "peer": JSON(report.peer), "result": .string(result), "reason": reason,
            "time": CatalogJSON.time(report.time), "seconds": .double(report.duration / .seconds(1)),
            "accepted": .int(report.accepted), "received": .int(figures.updatesReceived),
            "sent": .int(figures.updatesSent), "bytes_received": .int(figures.bytesReceived),
            "bytes_sent": .int(figures.bytesSent), "rounds": .int(figures.rounds),
        ]
    }

    private static func progress(_ progress: CatalogSyncProgress) -> JSON {
        [
            "peer": JSON(progress.peer), "received": .int(progress.received), "expected": .int(progress.expected),
        ]
    }

    /// What has become of updates since the start; what was dropped, by reason.
    private static func counters(_ counts: LogCounts) -> JSON {
        [
            "accepted": .int(counts.accepted), "not_held": .int(counts.notHeld),
            "completed": .int(counts.completed), "known": .int(counts.known), "held_back": .int(counts.held),
            "ignored": .object(
                IgnoreReason.allCases.compactMap { reason in
                    counts.ignored[reason].map { JSON.Member(reason.rawValue, .int($0)) }
                }),
            "rejected": .object(counts.rejected.sorted { $0.key < $1.key }.map { .init($0.key, .int($0.value)) }),
        ]
    }

    private static func gossip(_ counts: CatalogGossipCounts) -> JSON {
        [
            "received": .int(counts.received), "accepted": .int(counts.accepted), "ignored": .int(counts.ignored),
            "rejected": .int(counts.rejected), "published": .int(counts.published), "waiting": .int(counts.waiting),
        ]
    }

    private static func pulls(_ counts: CatalogPullCounts) -> JSON {
        [
            "whole": .int(counts.whole), "partial": .int(counts.partial), "failed": .int(counts.failed),
            "hostile": .int(counts.hostile), "refused_others": .int(counts.refusedOthers),
            "refused_by_others": .int(counts.refusedByOthers), "asks_answered": .int(counts.asksAnswered),
            "asks_made": .int(counts.asksMade),
        ]
    }
}
