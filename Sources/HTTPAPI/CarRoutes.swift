import MerkleDAG
import Multiformats
import PeerNode

extension API {
    static let carCommands = [
        RPCCommand("dag/import", takesBody: true) { api, request in try await api.importCAR(request) },
        RPCCommand("dag/export") { api, request in try await api.exportCAR(request) },
    ]

    /// Stores the blocks of CAR files, then pins the roots that they name.
    private func importCAR(_ request: RPCRequest) async throws -> RPCReply {
        let pins = try request.parameters.flag("pin-roots", default: true)
        let stats = try request.parameters.flag("stats")
        let silent = try request.parameters.flag("silent")
        let timeout = try request.parameters.time("timeout")
        let content = try request.content()
        return .events { [node] sink in
            var blocks = 0
            var bytes: UInt64 = 0
            var roots: [(cid: CID, error: String)] = []
            try await node.withImport { session in
                while let part = try await content.nextPart() {
                    guard part.kind == .file else { continue }
                    let done = try await CARReader.importAll(PartBytes(content: content)) { try await session.put($0) }
                    blocks += done.blocks
                    bytes += done.bytes
                    roots += done.header.roots.map { ($0, "") }
                }
                guard pins else { return }
                // Pins must not promise what is not on the disk yet.
                try await session.finish()
                for index in roots.indices {
                    do {
                        try await node.pin(roots[index].cid, recursive: true, timeout: timeout)
                    } catch {
                        roots[index].error = RPCError(describing: error).message
                    }
                }
            }
            for root in roots where pins && !silent {
                try await sink.event(["Root": ["Cid": Self.link(root.cid), "PinErrorMsg": .string(root.error)]])
            }
            if stats {
                try await sink.event([
                    "Stats": ["BlockCount": .int(blocks), "BlockBytesCount": .int(Int(clamping: bytes))]
                ])
            }
        }
    }

    /// A graph as a CAR file.
    private func exportCAR(_ request: RPCRequest) async throws -> RPCReply {
        let text = try request.parameters.argument(0, "root")
        let session = try session(request)
        let root = try await resolve(text, node.reader(session))
        // Asked for before the answer begins, so that its lack is an error with a status.
        _ = try await session.get(root)
        return .bytes(type: "application/vnd.ipld.car", length: nil) { sink in
            for try await bytes in CARWriter.export(roots: [root], get: { try await session.get($0) }) {
                try await sink.write(bytes)
            }
        }
    }
}
