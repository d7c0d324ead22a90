import MerkleDAG
import Multiformats
import NIOCore
import PeerNode
import Storage

extension API {
    static let pinCommands = [
        RPCCommand("pin/add") { api, request in try await api.pin(request) },
        RPCCommand("pin/rm") { api, request in try await api.unpin(request) },
        RPCCommand("pin/ls") { api, request in try await api.listPins(request) },
        RPCCommand("pin/verify") { api, request in try await api.verifyPins(request) },
    ]

    private func pin(_ request: RPCRequest) async throws -> RPCReply {
        _ = try request.parameters.argument(0, "ipfs-path")
        let paths = request.parameters.arguments
        let recursive = try request.parameters.flag("recursive", "r", default: true)
        let name = request.parameters.text("name", "n") ?? ""
        let timeout = try request.parameters.time("timeout")
        let reader = node.reader(try session(request))
        var cids: [CID] = []
        for path in paths { cids.append(try await resolve(path, reader)) }
        let all = cids
        let pins = JSON.object([.init("Pins", .array(all.map { JSON($0) }))])
        guard try request.parameters.flag("progress") else {
            for cid in all { try await node.pin(cid, recursive: recursive, name: name, timeout: timeout) }
            return .value(pins)
        }
        return .events { [node] sink in
            for cid in all {
                let (events, continuation) = AsyncStream.makeStream(
                    of: PeerNode.Progress.self, bufferingPolicy: .bufferingNewest(1))
                async let pinning: PeerNode.Progress = {
                    defer { continuation.finish() }
                    return try await node.pin(cid, recursive: recursive, name: name, timeout: timeout) {
                        continuation.yield($0)
                    }
                }()
                var shown = ContinuousClock.now
                for await progress in events where ContinuousClock.now - shown > .milliseconds(200) {
                    shown = .now
                    try await sink.event(["Progress": .int(progress.blocks), "Bytes": .int(progress.bytes)])
                }
                _ = try await pinning
            }
            try await sink.event(pins)
        }
    }

    private func unpin(_ request: RPCRequest) async throws -> RPCReply {
        _ = try request.parameters.argument(0, "ipfs-path")
        let reader = node.reader(try session(request))
        var cids: [CID] = []
        for path in request.parameters.arguments { cids.append(try await resolve(path, reader)) }
        for cid in cids { try await node.unpin(cid) }
        return .value(["Pins": .array(cids.map { JSON($0) })])
    }

    /// A pin as the RPC shows it.
    private struct Shown: Sendable {
        let cid: CID
        let type: String
        let name: String
    }

    private func listPins(_ request: RPCRequest) async throws -> RPCReply {
        let type = request.parameters.text("type", "t") ?? "all"
        guard ["all", "recursive", "direct", "indirect"].contains(type) else {
            throw RPCError.usage("invalid type '\(type)', must be one of {direct, indirect, recursive, all}")
        }
        var pins: [Shown] = []
        if type == "all" || type == "recursive" {
            pins += try await node.pins(.recursive).map { Shown(cid: $0.cid, type: "recursive", name: $0.name) }
        }
        if type == "all" || type == "direct" {
            pins += try await node.pins(.direct).map { Shown(cid: $0.cid, type: "direct", name: $0.name) }
        }
        if type == "all" || type == "indirect" {
            let own = Set(pins.map(\.cid.multihash))
            pins += try await node.indirectPins().filter { !own.contains($0.multihash) }
                .map { Shown(cid: $0, type: "indirect", name: "") }
        }
        if let wanted = request.parameters.text("name", "n"), !wanted.isEmpty {
            pins = pins.filter { $0.name.contains(wanted) }
        }
        if !request.parameters.arguments.isEmpty {
            let reader = node.reader(try session(request))
            var chosen: [Shown] = []
            for path in request.parameters.arguments {
                let cid = try await resolve(path, reader)
                guard let pin = pins.first(where: { $0.cid.multihash == cid.multihash }) else {
                    throw RPCError(.notFound, "path '\(path)' is not pinned")
                }
                chosen.append(Shown(cid: cid, type: pin.type, name: pin.name))
            }
            pins = chosen
        }
        let all = pins
        guard try request.parameters.flag("stream", "s") else {
            let keys = all.map {
                JSON.Member($0.cid.description, ["Type": .string($0.type), "Name": .string($0.name)])
            }
            return .value(["Keys": .object(keys)])
        }
        return .events { sink in
            for pin in all {
                try await sink.event(["Cid": JSON(pin.cid), "Type": .string(pin.type), "Name": .string(pin.name)])
            }
        }
    }

    private func verifyPins(_ request: RPCRequest) async throws -> RPCReply {
        let verbose = try request.parameters.flag("verbose")
        let roots = try await node.pins(.recursive).map(\.cid)
        return .events { [node] sink in
            for root in roots {
                var bad: JSON?
                do {
                    let get: BlockGet = { cid in
                        if cid.isIdentity { return .init(bytes: cid.multihash.digest) }
                        guard let data = try await node.plane.blocking({ try node.blocks.get(cid) }) else {
                            throw MissingBlock(cid: cid)
                        }
                        return data
                    }
                    for try await _ in DAGWalker(roots: [root], get: get) {}
                } catch let error as MissingBlock {
                    bad = ["Cid": JSON(error.cid), "Err": .string("ipld: could not find \(error.cid)")]
                } catch {
                    bad = ["Cid": JSON(root), "Err": .string("\(error)")]
                }
                if let bad {
                    try await sink.event(["Cid": JSON(root), "Ok": false, "BadNodes": [bad]])
                } else if verbose {
                    try await sink.event(["Cid": JSON(root), "Ok": true])
                }
            }
        }
    }

    private struct MissingBlock: Error {
        let cid: CID
    }
}
