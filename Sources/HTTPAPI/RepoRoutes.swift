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

    private func collectGarbage(_ request: RPCRequest) async throws -> RPCReply {
        let silent = try request.parameters.flag("silent", "quiet")
        return .events { [node] sink in
            let (events, continuation) = AsyncStream.makeStream(of: Multihash.self)
            async let collecting: GCReport = {
                defer { continuation.finish() }
                return try await node.collectGarbage { continuation.yield($0) }
            }()
            for await multihash in events where !silent {
                // The store does not know codecs; as raw, every client finds the block again.
                try await sink.event(["Key": ["/": JSON(CID(codec: .raw, multihash: multihash))]])
            }
            _ = try await collecting
        }
    }

    private func verify(_ request: RPCRequest) async throws -> RPCReply {
        .events { [node] sink in
            let (events, continuation) = AsyncStream.makeStream(of: Int.self, bufferingPolicy: .bufferingNewest(1))
            async let verifying: Node.Verification = {
                defer { continuation.finish() }
                return try await node.verify { done, _ in continuation.yield(done) }
            }()
            for await done in events { try await sink.event(["Msg": "", "Progress": .int(done)]) }
            let result = try await verifying
            let mended = Set(result.refetched)
            for multihash in result.report.corrupt {
                let fate = mended.contains(multihash) ? "fetched again from a peer" : "quarantined"
                let cid = CID(codec: .raw, multihash: multihash)
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
