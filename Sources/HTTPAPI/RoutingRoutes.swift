import DHT
import MerkleDAG
import Multiformats
import NIOCore
import PeerCrypto
import PeerNode
import Storage

extension API {
    static let routingCommands: [RPCCommand] =
        ["routing", "dht"].flatMap { group in
            [
                RPCCommand(group + "/findprovs") { api, request in try api.findProviders(request) },
                RPCCommand(group + "/findpeer") { api, request in try api.findPeer(request) },
                RPCCommand(group + "/provide") { api, request in try await api.provide(request) },
                RPCCommand(group + "/get") { api, request in try api.getValue(request) },
                RPCCommand(group + "/put", takesBody: true) { api, request in try await api.putValue(request) },
            ]
        } + [
            RPCCommand("dht/query") { api, request in try api.closestPeers(request) },
            RPCCommand("routing/reprovide") { api, _ in
                try await api.node.reprovide()
                return .events { _ in }
            },
        ]

    private func findProviders(_ request: RPCRequest) throws -> RPCReply {
        let cid = try Self.cid(request.parameters.argument(0, "key"))
        let limit = try request.parameters.count("num-providers", "n") ?? 20
        guard limit > 0 else { throw RPCError.usage("number of providers must be greater than 0") }
        let hops = try request.parameters.flag("hops")
        // A provider comes again when more of its addresses are known; it counts once.
        var told: Set<PeerID> = []
        return try follow(try node.findProviders(of: cid, limit: limit), request) { event, sink in
            if case .provider(let peer) = event {
                guard told.count < limit, told.insert(peer.id).inserted else { return }
                try await sink.event(QueryEvent(kind: .provider, responses: [peer]).json)
            } else if let event = QueryEvent(onTheWay: event, hops: hops) {
                try await sink.event(event.json)
            }
        }
    }

    private func findPeer(_ request: RPCRequest) throws -> RPCReply {
        let peer = try Self.peer(request.parameters.argument(0, "peerID"))
        let hops = try request.parameters.flag("hops")
        var found = false
        return try follow(try node.findPeer(peer), request) { event, sink in
            if case .peer(let peer) = event {
                found = true
                try await sink.event(QueryEvent(kind: .finalPeer, responses: [peer]).json)
            } else if let event = QueryEvent(onTheWay: event, hops: hops) {
                try await sink.event(event.json)
            }
        } then: { sink in
            if !found { try await Self.notFound(sink) }
        }
    }

    /// The peers closest to another; only under its old name, as with Kubo.
    private func closestPeers(_ request: RPCRequest) throws -> RPCReply {
        let peer = try Self.peer(request.parameters.argument(0, "peerID"))
        let hops = try request.parameters.flag("hops")
        return try follow(try node.closestPeers(to: peer.bytes), request) { event, sink in
            if case .peer(let peer) = event {
                try await sink.event(QueryEvent(kind: .finalPeer, peer: peer.id).json)
            } else if let event = QueryEvent(onTheWay: event, hops: hops) {
                try await sink.event(event.json)
            }
        }
    }

    private func provide(_ request: RPCRequest) async throws -> RPCReply {
        _ = try request.parameters.argument(0, "key")
        let cids = try request.parameters.arguments.map { text throws(RPCError) in try Self.cid(text) }
        let recursive = try request.parameters.flag("recursive", "r")
        let hops = try request.parameters.flag("hops")
        let shows = try hops || request.parameters.flag("verbose", "v")
        guard node.isOnline else { throw NodeError.needsRunningNode("providing content") }
        var all: [CID] = []
        for cid in cids {
            guard try await node.plane.blocking({ [node] in try node.blocks.has(cid) }) else {
                throw RPCError(.notFound, "block \(cid) not found locally, cannot provide")
            }
            all += recursive ? try await localBlocks(below: cid) : [cid]
        }
        let (node, timeout, keys) = (node, try request.parameters.time("timeout"), all)
        return .events { sink in
            for cid in keys {
                var told = 0
                try await Self.read(try node.provideNow(cid), timeout: timeout) { event in
                    if case .stored(let count, let total) = event {
                        told = count
                        guard hops else { return }
                        try await sink.event(["Cid": JSON(cid), "Stored": .int(count), "Of": .int(total)])
                    } else if shows, let event = QueryEvent(onTheWay: event, hops: hops) {
                        try await sink.event(event.json)
                    }
                }
                guard told > 0 else { throw RPCError(.failure, "cannot provide \(cid): no peer took the record") }
            }
        }
    }

    /// The root and everything below it, each block once.
    private func localBlocks(below root: CID) async throws -> [CID] {
        let session = node.fetchSession()
        defer { session.close() }
        var cids: [CID] = []
        for try await block in DAGWalker(roots: [root], get: { try await session.get($0) }) { cids.append(block.cid) }
        return cids
    }

    private func getValue(_ request: RPCRequest) throws -> RPCReply {
        let key = try Self.recordKey(request.parameters.argument(0, "key"))
        let hops = try request.parameters.flag("hops")
        var best: [UInt8]?
        return try follow(try node.getValue(key), request) { event, sink in
            if case .value(let value, let peer) = event {
                // The last one is the best of all.
                best = value
                if hops, let peer {
                    try await sink.event(
                        QueryEvent(kind: .value, peer: peer, extra: Base64.encode(value)).json)
                }
            } else if let event = QueryEvent(onTheWay: event, hops: hops) {
                try await sink.event(event.json)
            }
        } then: { sink in
            guard let best else { return try await Self.notFound(sink) }
            try await sink.event(QueryEvent(kind: .value, extra: Base64.encode(best)).json)
        }
    }

    /// The longest value of a record, in bytes; `/ipns/` records may have 10 KiB.
    private static let maximumValue = 64 << 10

    private func putValue(_ request: RPCRequest) async throws -> RPCReply {
        let key = try Self.recordKey(request.parameters.argument(0, "key"))
        let value = [UInt8](try await request.file(limit: Self.maximumValue).readableBytesView)
        let hops = try request.parameters.flag("hops")
        let own = node.peerID
        var told = 0
        return try follow(try node.putValue(key, value), request) { event, sink in
            if case .stored(let count, let total) = event {
                told = count
                if hops { try await sink.event(["Stored": .int(count), "Of": .int(total)]) }
            } else if let event = QueryEvent(onTheWay: event, hops: hops) {
                try await sink.event(event.json)
            }
        } then: { sink in
            guard told > 0 else { throw RPCError(.failure, "no peer took the value") }
            try await sink.event(QueryEvent(kind: .value, peer: own).json)
        }
    }

    /// `/ipns/NAME` or `/pk/PEER` with the name as the bytes that stand in the DHT.
    private static func recordKey(_ text: String) throws(RPCError) -> [UInt8] {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].isEmpty, parts[1] == "ipns" || parts[1] == "pk" else {
            throw RPCError(.malformed, "invalid key '\(text)': write /ipns/NAME or /pk/PEER")
        }
        return Array("/\(parts[1])/".utf8) + (try peer(String(parts[2]))).bytes
    }
}

// MARK: Following a query

extension API {
    /// Gives every event of a query to `body`, and at its end calls `finish`.
    private func follow(
        _ events: RoutingEvents, _ request: RPCRequest,
        _ body: @escaping (RoutingEvent, any RPCSink) async throws -> Void,
        then finish: @escaping (any RPCSink) async throws -> Void = { _ in }
    ) throws -> RPCReply {
        let timeout = try request.parameters.time("timeout")
        return .events { sink in
            try await Self.read(events, timeout: timeout) { try await body($0, sink) }
            try await finish(sink)
        }
    }

    /// Reads a query to its end, or until `timeout` has passed, which ends the query.
    private static func read(
        _ events: RoutingEvents, timeout: Duration?, _ body: (RoutingEvent) async throws -> Void
    ) async throws {
        guard let timeout else {
            for try await event in events { try await body(event) }
            return
        }
        guard timeout > .zero else { throw NodeError.timedOut("The query") }
        let (bounded, continuation) = RoutingEvents.makeStream()
        async let _: Void = {
            do {
                for try await event in events { continuation.yield(event) }
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }()
        async let _: Void = {
            do {
                try await Task.sleep(for: timeout)
                continuation.finish(throwing: NodeError.timedOut("The query"))
            } catch {
                // The query ended first.
            }
        }()
        for try await event in bounded { try await body(event) }
    }

    /// What Kubo says, in the stream and as its end, of something that nobody has.
    private static func notFound(_ sink: any RPCSink) async throws {
        try await sink.event(QueryEvent(kind: .queryError, extra: "routing: not found").json)
        throw RPCError(.notFound, "routing: not found")
    }
}
