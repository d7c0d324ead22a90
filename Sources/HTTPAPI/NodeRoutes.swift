import Foundation
import Multiformats
import PeerCrypto
import PeerNode
import Transport

extension API {
    static let nodeCommands = [
        RPCCommand("id") { api, request in .value(try api.identity(request)) },
        RPCCommand("version") { _, _ in
            .value([
                "Version": .string(version), "Commit": "", "Repo": .string(repositoryVersion),
                "System": .string(Platform.name), "Golang": "",
            ])
        },
        RPCCommand("commands") { _, _ in .value(commandTree) },
        RPCCommand("shutdown") { api, _ in .events { _ in api.stop() } },
        RPCCommand("log/level") { _, request in
            let subsystem = try request.parameters.argument(0, "subsystem")
            let level = try request.parameters.argument(1, "level")
            let all = subsystem == "all" || subsystem == "*"
            guard LogLevels.set(level, for: all ? nil : subsystem) else {
                throw RPCError.usage(
                    "unknown log level '\(level)': it is one of \(LogLevels.names.joined(separator: ", "))")
            }
            let shown = all ? "*" : subsystem
            return .value(["Message": .string("Changed log level of '\(shown)' to '\(level)'\n")])
        },
        RPCCommand("log/ls") { _, _ in
            .value(["Strings": .array(LogLevels.subsystems.map { .string($0) })])
        },
    ]

    /// Who this node is, or what a connected peer says it is.
    private func identity(_ request: RPCRequest) throws -> JSON {
        if let text = request.parameters.arguments.first {
            let peer = try Self.peer(text)
            if peer != node.peerID {
                let host = try node.host(for: "looking up a peer")
                guard let connection = host.connection(to: peer) else { throw NodeError.notConnected(peer) }
                return identity(of: peer, host, connection)
            }
        }
        let protocols = (try? node.host(for: ""))?.registry.protocols ?? []
        return [
            "ID": JSON(node.peerID), "PublicKey": .string(Base64.encode(node.identity.publicKey.protobuf)),
            "Addresses": .array(node.addresses.map { JSON($0) }), "AgentVersion": .string(API.agent),
            "Protocols": .array(protocols.map { .string($0) }),
        ]
    }

    /// The commands as Kubo's `commands` shows them: a tree of names.
    private static var commandTree: JSON {
        func node(_ name: String, _ paths: [[Substring]]) -> JSON {
            let names = Set(paths.compactMap(\.first)).sorted()
            let below = names.map { name in
                node(String(name), paths.filter { $0.first == name }.map { Array($0.dropFirst()) })
            }
            return ["Name": .string(name), "Subcommands": .array(below), "Options": [], "showOpts": false]
        }
        return node("peernode", commands.keys.map { $0.split(separator: "/") })
    }
}

/// What the program was built for, in Go's words.
enum Platform {
    static var name: String {
        #if arch(x86_64)
        let processor = "amd64"
        #elseif arch(arm64)
        let processor = "arm64"
        #else
        let processor = "unknown"
        #endif
        #if os(Linux)
        return processor + "/linux"
        #else
        return processor + "/darwin"
        #endif
    }
}

/// Base64 as Go writes bytes in JSON.
enum Base64 {
    static func encode(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
}
