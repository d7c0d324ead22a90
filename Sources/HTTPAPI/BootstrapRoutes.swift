import Multiformats
import PeerNode

extension API {
    static let bootstrapCommands = [
        RPCCommand("bootstrap") { api, _ in .value(peers(api.node.bootstrapPeers())) },
        RPCCommand("bootstrap/list") { api, _ in .value(peers(api.node.bootstrapPeers())) },
        RPCCommand("bootstrap/add") { api, request in
            if try request.parameters.flag("default") {
                return .value(peers(try api.node.addDefaultBootstrap()))
            }
            let addresses = try request.parameters.arguments.map { text throws(RPCError) in try bootstrapAddress(text) }
            guard !addresses.isEmpty else { throw RPCError.usage("no bootstrap peers to add") }
            for address in addresses { try api.node.addBootstrap(address) }
            return .value(peers(addresses))
        },
        RPCCommand("bootstrap/add/default") { api, _ in .value(peers(try api.node.addDefaultBootstrap())) },
        RPCCommand("bootstrap/rm") { api, request in
            if try request.parameters.flag("all") { return .value(peers(try api.node.removeAllBootstrap())) }
            let addresses = try request.parameters.arguments.map { text throws(RPCError) in try bootstrapAddress(text) }
            guard !addresses.isEmpty else { throw RPCError.usage("no bootstrap peers to remove") }
            var removed: [Multiaddr] = []
            for address in addresses where try api.node.removeBootstrap(address) { removed.append(address) }
            return .value(peers(removed))
        },
        RPCCommand("bootstrap/rm/all") { api, _ in .value(peers(try api.node.removeAllBootstrap())) },
    ]

    private static func peers(_ addresses: [Multiaddr]) -> JSON { ["Peers": .array(addresses.map { JSON($0) })] }

    /// An address that names its peer.
    private static func bootstrapAddress(_ text: String) throws(RPCError) -> Multiaddr {
        let address = try address(text)
        guard address.peerID != nil else {
            throw RPCError(.malformed, "'\(text)' names no peer: it must end in /p2p/ and a PeerID")
        }
        return address
    }
}
