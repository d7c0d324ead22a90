import MerkleDAG
import Multiformats
import PeerCrypto
import PeerNode

extension API {
    static let nameCommands = [
        RPCCommand("name/publish") { api, request in try await api.publishName(request) },
        RPCCommand("name/resolve") { api, request in try await api.resolveName(request) },
        RPCCommand("name/inspect", takesBody: true) { api, request in try await api.inspectName(request) },
    ]

    /// How long a name holds unless it is published again, and how long others may remember it: as Kubo.
    private static let lifetime = Duration.seconds(48 * 3600)
    private static let timeToLive = Duration.seconds(5 * 60)

    private func publishName(_ request: RPCRequest) async throws -> RPCReply {
        let text = try request.parameters.argument(0, "ipfs-path")
        let isName = text.hasPrefix("/ipns/")
        // For its errors, too: a name that points nowhere helps nobody.
        let value = isName ? text : try Self.path(text).description
        if isName { _ = try Self.lastName(of: text) }
        let key = request.parameters.text("key", "k") ?? "self"
        let lifetime = try request.parameters.time("lifetime", "t") ?? Self.lifetime
        let timeToLive = try request.parameters.time("ttl") ?? Self.timeToLive
        let write = try Self.nameWriter(request)
        guard try node.isOnline || request.parameters.flag("allow-offline") else {
            throw RPCError(.unavailable, "can't publish while offline: start the node with `peernode run`")
        }
        if try request.parameters.flag("resolve", default: true) {
            let session = try session(request)
            defer { session.close() }
            _ = try await node.reader(session).resolve(try await contentPath(value))
        }
        let published = try await node.publishName(value, as: key, lifetime: lifetime, ttl: timeToLive)
        return .value(["Name": .string(try write(Self.peer(published.name))), "Value": .string(published.value)])
    }

    private func resolveName(_ request: RPCRequest) async throws -> RPCReply {
        let text = request.parameters.arguments.first ?? node.peerID.description
        let noCache = try request.parameters.flag("nocache", "n")
        let depth = try request.parameters.flag("recursive", "r", default: true) ? Self.deepestName : 1
        let parts = (text.hasPrefix("/ipns/") ? text.dropFirst(6) : text[...]).split(separator: "/").map(String.init)
        guard let name = parts.first else { throw RPCError(.malformed, "invalid name '\(text)'") }
        if name.contains(".") {
            throw RPCError(.malformed, "'\(name)' is a name of DNS; only names of keys, such as k51..., are looked up")
        }
        _ = try Self.peer(name)
        let root = try await node.resolveName(name, depth: depth, noCache: noCache)
        let path = JSON.string(([root] + parts.dropFirst()).joined(separator: "/"))
        guard try request.parameters.flag("stream", "s") else { return .value(["Path": path]) }
        return .events { try await $0.event(["Path": path]) }
    }
}
