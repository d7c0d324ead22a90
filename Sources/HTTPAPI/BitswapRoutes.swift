import BlockExchange
import Multiformats
import PeerNode
import Transport

extension API {
    static let bitswapCommands = [
        RPCCommand("bitswap/stat") { api, _ in .value(try await api.exchangeStat()) },
        RPCCommand("stats/bitswap") { api, _ in .value(try await api.exchangeStat()) },
        RPCCommand("bitswap/wantlist") { api, request in
            let exchange = try api.node.exchange(for: "the wantlist")
            let wants: [CID]
            if let text = request.parameters.text("peer", "p"), !text.isEmpty {
                let peer = try peer(text)
                wants = peer == api.node.peerID ? await exchange.wantlist : await exchange.wantlist(of: peer)
            } else {
                wants = await exchange.wantlist
            }
            return .value(["Keys": .array(wants.map(link))])
        },
        RPCCommand("bitswap/ledger") { api, request in
            let peer = try peer(request.parameters.argument(0, "peer"))
            let ledger = try await api.node.exchange(for: "a ledger").ledger(of: peer)
            return .value([
                "Peer": JSON(peer), "Value": .double(ledger.debtRatio), "Sent": .int(Int(clamping: ledger.bytesSent)),
                "Recv": .int(Int(clamping: ledger.bytesReceived)), "Exchanged": .int(Int(clamping: ledger.exchanges)),
            ])
        },
    ]

    static let statsCommands = [
        RPCCommand("stats/bw") { api, request in try await api.bandwidth(request) }
    ]

    /// A CID as Go writes it in JSON.
    static func link(_ cid: CID) -> JSON { ["/": JSON(cid)] }

    private func exchangeStat() async throws -> JSON {
        let exchange = try node.exchange(for: "the exchange of blocks")
        let statistics = await exchange.statistics
        let wants = await exchange.wantlist
        let peers = await exchange.peers
        return [
            "Wantlist": .array(wants.map(Self.link)), "Peers": .array(peers.map { JSON($0) }),
            "BlocksReceived": .int(Int(clamping: statistics.blocksReceived)),
            "DataReceived": .int(Int(clamping: statistics.bytesReceived)),
            "DupBlksReceived": .int(Int(clamping: statistics.duplicateBlocks)),
            "DupDataReceived": .int(Int(clamping: statistics.duplicateBytes)),
            "MessagesReceived": .int(Int(clamping: statistics.messagesReceived)),
            "BlocksSent": .int(Int(clamping: statistics.blocksSent)),
            "DataSent": .int(Int(clamping: statistics.bytesSent)),
        ]
    }

    /// The shortest time between two figures of a polled stream.
    private static let shortestPoll = Duration.milliseconds(100)

    private func bandwidth(_ request: RPCRequest) async throws -> RPCReply {
        let host = try node.host(for: "bandwidth")
        let polls = try request.parameters.flag("poll")
        let interval = max(Self.shortestPoll, try request.parameters.time("interval", "i") ?? .seconds(1))
        let protocolID = request.parameters.text("proto", "t")
        return .events { sink in
            repeat {
                let total = protocolID.map { host.bandwidth.byProtocol[$0] } ?? host.bandwidth.total
                try await sink.event([
                    "TotalIn": .int(Int(clamping: total?.received ?? 0)),
                    "TotalOut": .int(Int(clamping: total?.sent ?? 0)),
                    "RateIn": .double(total?.receiveRate ?? 0), "RateOut": .double(total?.sendRate ?? 0),
                ])
                if polls { try await Task.sleep(for: interval) }
            } while polls
        }
    }
}
