import Foundation
package import Media
import MerkleDAG
import Multiformats
package import PeerNode

/// What a node can be asked, whoever asks: a socket or this process.
package final class API: Sendable {
    /// The version of the program.
    package static let version = "0.1.0"
    /// How the program calls itself, to peers and clients alike.
    package static let agent = "peernode/" + version

    /// Every command by its path below `/api/v0/`.
    package static let commands: [String: RPCCommand] = Dictionary(
        uniqueKeysWithValues: [
            contentCommands, addCommands, blockCommands, dagCommands, carCommands, pinCommands, repoCommands,
            swarmCommands, bitswapCommands, statsCommands, nodeCommands, configCommands, bootstrapCommands,
            routingCommands, provideCommands, nameCommands, keyCommands, pubsubCommands, authorCommands,
            publishCommands, catalogContentCommands, catalogListCommands, edgeCommands, findCommands, updateCommands,
            catalogCommands,
        ].joined().map { ($0.name, $0) })

    package let node: Node
    /// The keys that names are signed with.
    let keys: KeyStore
    /// What anyone may read below `/v1`.
    let catalog: CatalogAPI
    /// Runs TagLib in a process of its own; nil where the program cannot be started so.
    let tagHelper: TagHelper?
    /// Asks the program to stop; returns at once.
    let stop: @Sendable () -> Void

    /// Answers `/v1` from `catalog`, the node's own by default.
    package init(
        node: Node, catalog: (any CatalogSource)? = nil, tagHelper: TagHelper? = nil,
        stop: @escaping @Sendable () -> Void
    ) {
        self.node = node
        self.catalog = CatalogAPI(catalog ?? node.catalog, media: NodeMedia(node: node))
        self.tagHelper = tagHelper
        keys = KeyStore(repository: node.configuration.repository, identity: node.identity)
        self.stop = stop
    }

    /// Answers a request of this process.
    package func answer(_ request: RPCRequest) async throws -> RPCReply {
        guard let command = API.commands[request.command] else {
            throw RPCError.usage("there is no command '\(request.command)'")
        }
        return try await command.run(self, request)
    }

    /// What anyone may know, without a token: status and JSON of `/healthz`, `/readyz` and `/version`.
    func open(_ path: String) async -> (status: Int, JSON)? {
        switch path {
        case "/healthz": return (200, ["status": "ok"])
        case "/readyz":
            if node.isOnline { return (200, ["status": "ok"]) }
            return (503, ["status": "not ready", "reasons": ["the node is not listening yet"]])
        case "/version": return (200, ["version": .string(API.version), "agent": .string(API.agent)])
        default: return nil
        }
    }
}

// MARK: What routes share

extension API {
    /// A session that waits for blocks as long as the request allows.
    func session(_ request: RPCRequest) throws -> FetchSession {
        node.fetchSession(timeout: try request.parameters.time("timeout"))
    }

    /// Where a path leads, which must be a block.
    func resolve(_ text: String, _ reader: DAGReader) async throws -> CID {
        let found = try await reader.resolve(contentPath(text))
        guard found.remainder.isEmpty else {
            throw RPCError(.failure, "\(text) leads to a value inside \(found.cid), not to a block")
        }
        return found.cid
    }

    static func path(_ text: String) throws(RPCError) -> DAGPath {
        do {
            return try DAGPath(text)
        } catch {
            throw RPCError(.malformed, "invalid path \"\(text)\": \(error)")
        }
    }

    static func cid(_ text: String) throws(RPCError) -> CID {
        let path = try path(text)
        guard path.segments.isEmpty else { throw RPCError(.malformed, "\"\(text)\" must be a CID without a path") }
        return path.root
    }

    static func peer(_ text: String) throws(RPCError) -> PeerID {
        if text.hasPrefix("/"), let peer = (try? Multiaddr(text))?.peerID { return peer }
        do {
            return try PeerID(text)
        } catch {
            throw RPCError(.malformed, "invalid peer ID \"\(text)\": \(error)")
        }
    }
}
