import Multiformats
import PeerNode
import Storage

extension API {
    static let repoCommands = [
        RPCCommand("repo/stat") { api, _ in .value(try await api.repositoryStat()) },
        RPCCommand("stats/repo") { api, _ in .value(try await api.repositoryStat()) },
        RPCCommand("repo/version") { _, _ in .value(["Version": .string(repositoryVersion)]) },
        RPCCommand("repo/gc") { api, request in try await api.collectGarbage(request) },
        RPCCommand("repo/verify") { api, request in try await api.verify(request) },
        RPCCommand("refs/local") { api, request in api.localBlocks() },
    ]

    /// The version of the files in a repository.
    static let repositoryVersion = "1"

    private func repositoryStat() async throws -> JSON {
        let blocks = node.blocks
        let stat = try await node.plane.blocking { try blocks.stat() }
        return [
            "RepoSize": .int(Int(clamping: stat.diskBytes)), "StorageMax": .int(node.configuration.storage.quota),
            "NumObjects": .int(stat.blocks), "RepoPath": .string(node.configuration.repository),
            "Version": .string("fs-repo@" + Self.repositoryVersion),
        ]
    }

    /// How many blocks are looked at together.
    private static let page = 1000

    private func collectGarbage(_ request: RPCRequest) async throws -> RPCReply {
        let silent = try request.parameters.flag("silent", "quiet")
        return .events { [node] sink in
            let blocks = node.blocks
            // The store counts what it deletes and does not list it; what is gone afterwards was deleted.
            let before = try await node.plane.blocking {
                var all: [CID] = []
                if !silent { try blocks.allBlocks { all += $0 } }
                return all
            }
            _ = try await node.collectGarbage()
            for start in stride(from: 0, to: before.count, by: Self.page) {
                let page = Array(before[start..<min(start + Self.page, before.count)])
                let sizes = try await node.plane.blocking { try blocks.sizes(of: page) }
                for (cid, size) in zip(page, sizes) where size == nil {
                    try await sink.event(["Key": Self.link(cid)])
                }
            }
        }
    }

    private func verify(_ request: RPCRequest) async throws -> RPCReply {
        .events { [node] sink in
            let (events, continuation) = AsyncStream.makeStream(of: Int.self, bufferingPolicy: .bufferingNewest(1))
            async let verifying: Node.Verification = {
                defer { continuation.finish() }
                return try await node.verify { continuation.yield($0.checked) }
            }()
            for await done in events { try await sink.event(["Msg": "", "Progress": .int(done)]) }
            let result = try await verifying
            let mended = Set(result.refetched)
            for cid in result.damaged {
                let fate = mended.contains(cid) ? "fetched again from a peer" : "quarantined"
                try await sink.event(["Msg": .string("block \(cid) was corrupt: \(fate)"), "Progress": 0])
            }
            guard result.isClean else { throw RPCError(.failure, "verify complete, some blocks were corrupt") }
            try await sink.event(["Msg": "verify complete, all blocks validated.", "Progress": 0])
        }
    }

    private func localBlocks() -> RPCReply {
        .events { [node] sink in
            var cursor = BlockCursor()
            while true {
                let from = cursor
                let (cids, next) = try await node.plane.blocking { try node.blocks.page(after: from) }
                if cids.isEmpty { return }
                for cid in cids { try await sink.event(["Ref": JSON(cid), "Err": ""]) }
                cursor = next
            }
        }
    }
}
