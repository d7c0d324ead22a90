import Multiformats
import NIOCore
import PeerCrypto
import PeerNode
import Storage

extension API {
    static let blockCommands = [
        RPCCommand("block/get") { api, request in
            let data = try await api.block(request)
            return .bytes(type: "application/vnd.ipld.raw", length: nil) { try await $0.write(data) }
        },
        RPCCommand("block/stat") { api, request in
            let data = try await api.block(request)
            let cid = try cid(request.parameters.argument(0, "cid"))
            return .value(["Key": JSON(cid), "Size": .int(data.readableBytes)])
        },
        RPCCommand("block/put", takesBody: true) { api, request in try await api.putBlocks(request) },
        RPCCommand("block/rm") { api, request in try await api.removeBlocks(request) },
    ]

    private func block(_ request: RPCRequest) async throws -> ByteBuffer {
        let cid = try Self.cid(request.parameters.argument(0, "cid"))
        let session = try session(request)
        defer { session.close() }
        return try await session.get(cid)
    }

    private func putBlocks(_ request: RPCRequest) async throws -> RPCReply {
        let name = request.parameters.text("cid-codec", "format") ?? "raw"
        // `v0` and `protobuf` are what older clients say for a version 0 CID.
        let isV0 = name == "v0"
        guard let codec = Codec(name: name == "v0" || name == "protobuf" ? "dag-pb" : name) else {
            throw RPCError.usage("unknown codec '\(name)'")
        }
        let hash = try HashCode(rpcName: request.parameters.text("mhtype") ?? "sha2-256")
        let length = request.parameters.text("mhlen").flatMap { Int($0) }.flatMap { $0 < 0 ? nil : $0 }
        let pins = try request.parameters.flag("pin")
        let content = try request.content()
        return .events { [node] sink in
            while let part = try await content.nextPart() {
                guard part.kind == .file else { continue }
                let data = try await content.collect(limit: Block.maximumLength)
                guard let multihash = ContentHash.hash(data, code: hash, length: length) else {
                    throw RPCError.usage("this hash function or length is not offered")
                }
                let cid =
                    isV0
                    ? CID(v0: multihash) ?? CID(codec: codec, multihash: multihash)
                    : CID(codec: codec, multihash: multihash)
                try await node.store(Block(cid: cid, data: data), pins: pins)
                try await sink.event(["Key": JSON(cid), "Size": .int(data.readableBytes)])
            }
        }
    }

    private func removeBlocks(_ request: RPCRequest) async throws -> RPCReply {
        _ = try request.parameters.argument(0, "cid")
        let cids = try request.parameters.arguments.map { text throws(RPCError) in try Self.cid(text) }
        let force = try request.parameters.flag("force", "f")
        let quiet = try request.parameters.flag("quiet", "q")
        let kept = Set(try await node.indirectPins().map(\.multihash))
        return .events { [node] sink in
            for cid in cids {
                var failure = ""
                if kept.contains(cid.multihash) {
                    failure = "pinned: indirect"
                } else {
                    do {
                        let removed = try await node.plane.blocking { try node.blocks.delete(cid) }
                        if !removed { failure = force ? "" : "ipld: could not find \(cid)" }
                    } catch {
                        failure = "\(error)"
                    }
                }
                if failure.isEmpty, quiet { continue }
                try await sink.event(
                    failure.isEmpty ? ["Hash": JSON(cid)] : ["Hash": JSON(cid), "Error": .string(failure)])
            }
        }
    }
}

extension HashCode {
    /// The function that the RPC calls `name`.
    init(rpcName name: String) throws(RPCError) {
        guard let code = HashCode.rpcNames[name] else { throw .usage("unknown hash function '\(name)'") }
        self = code
    }

    private static let rpcNames: [String: HashCode] = [
        "identity": .identity, "sha1": .sha1, "sha2-256": .sha2_256, "sha2-512": .sha2_512, "sha3-256": .sha3_256,
        "sha3-384": .sha3_384, "sha3-512": .sha3_512, "dbl-sha2-256": .doubleSHA2_256,
    ]
}

extension Node {
    /// Stores one block for good, and keeps it if `pins`.
    func store(_ block: Block, pins: Bool) async throws {
        try await withImport { session in
            try await session.put([block])
            if pins {
                try await session.finish()
                try await pinStored(block.cid)
            }
        }
    }

    /// Pins a DAG that is known to be stored whole, without walking it, and tells the network of its root.
    func pinStored(_ cid: CID, name: String = "") async throws {
        let blocks = blocks
        try await plane.blocking { try blocks.pin(cid, kind: .recursive, name: name) }
        await provideRoot(cid)
    }
}
