import Multiformats
import PeerCrypto
import PeerNode
import Transport

extension API {
    static let swarmCommands = [
        RPCCommand("swarm/peers") { api, request in try await api.peers(request) },
        RPCCommand("swarm/connect") { api, request in
            _ = try request.parameters.argument(0, "address")
            var lines: [JSON] = []
            for text in request.parameters.arguments {
                let peer = try await api.node.connect(try address(text))
                lines.append(.string("connect \(peer) success"))
            }
            return .value(["Strings": .array(lines)])
        },
        RPCCommand("swarm/disconnect") { api, request in
            _ = try request.parameters.argument(0, "address")
            var lines: [JSON] = []
            for text in request.parameters.arguments {
                let peer = try peer(text)
                try await api.node.disconnect(peer)
                lines.append(.string("disconnect \(peer) success"))
            }
            return .value(["Strings": .array(lines)])
        },
        RPCCommand("swarm/addrs") { api, _ in .value(try api.knownAddresses()) },
        RPCCommand("swarm/addrs/local") { api, request in
            let host = try api.node.host(for: "listing addresses")
            let showsPeer = try request.parameters.flag("id")
            let peer = api.node.peerID
            return .value([
                "Strings": .array(host.addresses.map { JSON(showsPeer ? $0.appending(peer) : $0) })
            ])
        },
        RPCCommand("swarm/addrs/listen") { api, _ in
            let host = try api.node.host(for: "listing addresses")
            return .value(["Strings": .array(host.listenAddresses.map { JSON($0) })])
        },
        RPCCommand("ping") { api, request in try await api.ping(request) },
    ]

    static func address(_ text: String) throws(RPCError) -> Multiaddr {
        do {
            return try Multiaddr(text)
        } catch {
            throw RPCError(.malformed, "invalid multiaddr '\(text)': \(error)")
        }
    }

    private func peers(_ request: RPCRequest) async throws -> RPCReply {
        let host = try node.host(for: "listing peers")
        let parameters = request.parameters
        let verbose = try parameters.flag("verbose", "v")
        let latency = try parameters.flag("latency")
        let streams = try parameters.flag("streams")
        let direction = try parameters.flag("direction")
        let identify = try parameters.flag("identify")
        var peers: [JSON] = []
        for connection in host.connections.sorted(by: { ($0.remotePeer, $0.id) < ($1.remotePeer, $1.id) }) {
            let peer = connection.remotePeer
            var members: [JSON.Member] = [
                .init("Addr", JSON(connection.remoteAddress)), .init("Peer", JSON(peer)),
            ]
            if verbose || latency {
                members.append(.init("Latency", .string(connection.roundTrip.map(Self.milliseconds) ?? "n/a")))
            }
            if verbose || streams {
                let open = await connection.streams().map { JSON.object([.init("Protocol", .string($0.protocolID))]) }
                members.append(.init("Streams", .array(open)))
            }
            // Go's numbers: 1 inbound, 2 outbound.
            if verbose || direction { members.append(.init("Direction", .int(connection.isInbound ? 1 : 2))) }
            let shows = verbose || identify
            members.append(.init("Identify", shows ? identity(of: peer, host, connection) : Self.emptyIdentity))
            peers.append(.object(members))
        }
        return .value(["Peers": .array(peers)])
    }

    private static let emptyIdentity: JSON = [
        "ID": "", "PublicKey": "", "Addresses": .null, "AgentVersion": "", "Protocols": .null,
    ]

    /// What a peer has said about itself.
    func identity(of peer: PeerID, _ host: Host, _ connection: Connection?) -> JSON {
        let info = host.peerStore.info(of: peer, now: ControlPlane.now)
        let key = connection.map { Base64.encode($0.remoteKey.protobuf) } ?? ""
        return [
            "ID": JSON(peer), "PublicKey": .string(key),
            "Addresses": .array((info?.addresses ?? []).map { JSON($0.appending(peer)) }),
            "AgentVersion": .string(info?.agentVersion ?? ""),
            "Protocols": .array((info?.protocols ?? []).sorted().map { .string($0) }),
        ]
    }

    private func knownAddresses() throws -> JSON {
        let host = try node.host(for: "listing addresses")
        var members: [JSON.Member] = [
            .init(node.peerID.description, .array(host.addresses.map { JSON($0) }))
        ]
        for peer in host.peerStore.peers.sorted() where peer != node.peerID {
            let addresses = host.peerStore.addresses(of: peer, now: ControlPlane.now)
            members.append(.init(peer.description, .array(addresses.map { JSON($0) })))
        }
        return ["Addrs": .object(members)]
    }

    private func ping(_ request: RPCRequest) async throws -> RPCReply {
        let text = try request.parameters.argument(0, "peer ID")
        let peer = try Self.peer(text)
        let count = try request.parameters.count("count", "n") ?? 10
        guard (1...1000).contains(count) else { throw RPCError.usage("option 'count' must be 1 to 1000") }
        guard peer != node.peerID else { throw RPCError(.failure, "can't ping self") }
        let host = try node.host(for: "ping")
        if let address = try? Multiaddr(text), address.tcp != nil { try await node.connect(address) }
        return .events { [node] sink in
            func tell(_ success: Bool, _ time: Duration, _ text: String) async throws {
                let nanoseconds = Int(time / .nanoseconds(1))
                try await sink.event(["Success": .bool(success), "Time": .int(nanoseconds), "Text": .string(text)])
            }
            try await tell(true, .zero, "PING \(peer).")
            if !host.isConnected(to: peer) {
                // Dialled before the clock starts, so that the first figure is a round trip, too.
                _ = try await host.connect(to: peer, addresses: [])
            }
            var total = Duration.zero
            var answered = 0
            for index in 0..<count {
                if index > 0 { try await Task.sleep(for: .seconds(1)) }
                do {
                    let time = try await node.ping(peer)
                    total += time
                    answered += 1
                    try await tell(true, time, "")
                } catch {
                    try await tell(false, .zero, "Ping error: \(error)")
                }
            }
            guard answered > 0 else { throw RPCError(.timeout, "ping failed: the peer did not answer") }
            try await tell(true, .zero, "Average latency: \(Self.milliseconds(total / answered))")
        }
    }

    /// `0.20ms`.
    private static func milliseconds(_ time: Duration) -> String {
        let hundredths = Int((time / .microseconds(10)).rounded())
        return "\(hundredths / 100).\(CivilTime.two(hundredths % 100))ms"
    }
}
