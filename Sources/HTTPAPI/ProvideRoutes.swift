import DHT
import PeerNode
import Transport

extension API {
    static let provideCommands = [
        RPCCommand("provide/stat") { api, _ in
            .value(sweep(try await api.node.provideStatus(), every: api.node.configuration.provide.interval))
        },
        RPCCommand("stats/provide") { api, _ in
            .value(legacy(try await api.node.provideStatus(), every: api.node.configuration.provide.interval))
        },
        RPCCommand("stats/dht") { api, request in try await api.tables(request) },
    ]

    // MARK: Providing

    /// What Kubo's sweeping provider tells, as far as ours has it, and the same in words.
    private static func sweep(_ status: ProvideStatus, every interval: Duration) -> JSON {
        [
            "Sweep": [
                "closed": false,
                "connectivity": ["status": "online"],
                "queues": ["pending_key_provides": .int(status.queued)],
                "schedule": ["keys": .int(status.keys)],
                "timing": ["reprovides_interval": .int(nanoseconds(interval))],
                "operations": [
                    "past": [
                        "keys_provided": .int(Int(clamping: status.provided)),
                        "keys_failed": .int(Int(clamping: status.failures)),
                        "keys_provided_per_minute": .double(status.ratePerHour / 60),
                    ]
                ],
            ],
            "Strategy": .string(status.strategy), "RatePerHour": .double(status.ratePerHour),
            "LastCycle": status.lastCycle.map { .int(nanoseconds($0)) } ?? .null,
            "CycleEnds": status.cycleEnds.map { .int(nanoseconds($0)) } ?? .null,
            "Summary": .string(status.summary),
        ]
    }

    /// The answer of Kubo's older command.
    private static func legacy(_ status: ProvideStatus, every interval: Duration) -> JSON {
        let last = nanoseconds(status.lastCycle ?? .zero)
        return [
            "TotalReprovides": .int(Int(clamping: status.provided)),
            "AvgReprovideDuration": .int(status.provided > 0 ? last / max(1, status.keys) : 0),
            "LastReprovideDuration": .int(last), "LastRun": "0001-01-01T00:00:00Z",
            "ReprovideInterval": .int(nanoseconds(interval)),
        ]
    }

    // MARK: Tables

    /// The routing tables, one value each: Kubo's fields, then ours.
    private func tables(_ request: RPCRequest) async throws -> RPCReply {
        var tables = try await node.dhtStatus()
        let wanted = request.parameters.arguments
        for name in wanted where !tables.contains(where: { $0.name == name }) {
            throw RPCError.usage("unknown dht type: \(name)")
        }
        if !wanted.isEmpty { tables = wanted.compactMap { name in tables.first { $0.name == name } } }
        let host = try node.host(for: "the DHT's status")
        let values = tables.map { Self.table($0, host) }
        return .events { try await $0.events(values) }
    }

    private static func table(_ status: DHTStatus, _ host: Host) -> JSON {
        // A bucket for each number of shared bits, as Kubo has it; those in between may be empty.
        let last = status.buckets.map(\.commonPrefix).max() ?? -1
        var buckets = [[JSON]](repeating: [], count: last + 1)
        for bucket in status.buckets where buckets.indices.contains(bucket.commonPrefix) {
            buckets[bucket.commonPrefix] += bucket.peers.map { peer in
                // Nobody's silence is longer than the node has run.
                let heard = UTCTime(KadTime.now()).seconds - peer.silence.components.seconds
                let agent = host.peerStore.info(of: peer.id, now: ControlPlane.now)?.agentVersion ?? ""
                return [
                    "ID": JSON(peer.id), "Connected": .bool(peer.isConnected), "AgentVersion": .string(agent),
                    "LastUsefulAt": .string(CivilTime(secondsSince1970: heard).text + "Z"), "LastQueriedAt": "",
                    "Addrs": .array(peer.addresses.map { JSON($0) }),
                    "RoundTrip": peer.roundTrip.map { .int(nanoseconds($0)) } ?? .null,
                ]
            }
        }
        return [
            "Name": .string(status.name),
            "Buckets": .array(buckets.map { ["LastRefresh": "", "Peers": .array($0)] }),
            "Mode": status.mode == .server ? "server" : "client", "Protocol": .string(status.protocolID),
            "QueriesPerSecond": .double(status.queriesPerSecond),
            "Success": status.successShare.map { .double($0) } ?? .null,
            "Calls": [
                "Sent": .int(Int(clamping: status.calls.sent)), "Answered": .int(Int(clamping: status.calls.answered)),
                "Failed": .int(Int(clamping: status.calls.failed)),
            ],
            "Served": .object(
                status.requestsServed.map { .init($0.kind.words, .int(Int(clamping: $0.count))) }),
        ]
    }

    static func nanoseconds(_ time: Duration) -> Int { Int((time / .nanoseconds(1)).rounded()) }
}

extension KadMessage.Kind {
    /// As the specification writes it.
    fileprivate var words: String {
        switch self {
        case .putValue: "PUT_VALUE"
        case .getValue: "GET_VALUE"
        case .addProvider: "ADD_PROVIDER"
        case .getProviders: "GET_PROVIDERS"
        case .findNode: "FIND_NODE"
        case .ping: "PING"
        }
    }
}
