import Foundation
import Multiformats
import NIOCore
import NIOPosix
import PeerCrypto
import PeerNode
import Swarm

/// A hundred nodes in one process: what finding takes over UDP and over TCP, what a node weighs, and what a flood of
/// feigned initiations does to those who look something up meanwhile.
enum HundredBench {
    private static let count = 100

    static func run(_ folder: Folders, into table: inout ResultTable) async throws {
        for (name, listen) in BenchSwarm.transports {
            let before = try ProcessFigures(pid: getpid())
            try await BenchSwarm.with(count: count, listen: listen, asker: false, in: folder.memory + "/hundred") {
                swarm in
                try await swarm.waitForTables(atLeast: 20)
                let cids = try await provide(name, swarm)
                let times = try await find(cids, in: swarm, rounds: 300)
                let after = try ProcessFigures(pid: getpid())
                table.note(
                    "find a provider among \(count) nodes, \(name), median and p99",
                    String(format: "%.2f, %.2f ms", Scratch.median(times), Scratch.percentile(times, 0.99)))
                table.note(
                    "anonymous memory of one of \(count) nodes, \(name)",
                    String(format: "%.2f MB", Double(after.anonymous - before.anonymous) / Double(count) / 1e6))
                if name == "UDP" { try await flood(swarm, cids, quiet: times, into: &table) }
            }
        }
    }

    private static func provide(_ name: String, _ swarm: BenchSwarm) async throws -> [CID] {
        var cids: [CID] = []
        for index in 0..<count {
            let cid = CID(codec: .raw, multihash: ContentHash.sha256(Array("hundred \(name) \(index)".utf8)))
            for try await _ in try swarm.nodes[index].provideNow(cid) {}
            cids.append(cid)
        }
        return cids
    }

    /// Milliseconds of each of `rounds` searches, by a node that lies half the swarm away from the provider.
    private static func find(_ cids: [CID], in swarm: BenchSwarm, rounds: Int) async throws -> [Double] {
        var times: [Double] = []
        for round in 0..<rounds {
            let cid = cids[round * 37 % count]
            let asker = swarm.nodes[(round * 37 + 50 + round / count) % count]
            var isFound = false
            times.append(try await Scratch.seconds { isFound = try await BenchSwarm.find(cid, from: asker) } * 1e3)
            guard isFound else { throw Failure("A provider that was announced was not found.") }
        }
        return times
    }

    // MARK: The flood

    /// Initiations with invented keys from 200 loopback addresses at one node, 20,000 a second, while all look up.
    private static func flood(
        _ swarm: BenchSwarm, _ cids: [CID], quiet: [Double], into table: inout ResultTable
    ) async throws {
        guard let udp = swarm.firstAddresses.first(where: { $0.description.contains("/udp/") }),
            let port = udp.description.split(separator: "/").drop(while: { $0 != "udp" }).dropFirst().first,
            let peer = udp.peerID
        else { throw Failure("The first node has no UDP address.") }
        let target = try SocketAddress(ipAddress: "127.0.0.1", port: Int(port) ?? 0)
        let flood = try await Flood(
            DatagramBench.initiations(1000, to: peer).map(\.0), at: target, sources: 200, packetsPerSecond: 20_000)
        let before = try ProcessFigures(pid: getpid())
        flood.begin()
        let times = try await find(cids, in: swarm, rounds: 300)
        let after = try ProcessFigures(pid: getpid())
        let (sent, received) = try await flood.end()
        table.note("flood: feigned initiations sent", String(format: "%.0f MB", Double(sent) / 1e6))
        table.atMost("flood: bytes sent back for each byte", Double(received) / Double(max(1, sent)), 1, unit: "")
        table.atMost(
            "flood: memory of all nodes grows by", Double(after.anonymous - before.anonymous) / 1e6, 8, unit: "MB")
        table.atMost(
            "flood: find a provider, p99", Scratch.percentile(times, 0.99), 2 * Scratch.percentile(quiet, 0.99),
            unit: "ms")
    }
}

/// Sends packets from many addresses, and counts what comes back.
private final class Flood: Sendable {
    private final class Counter: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        private(set) var bytes = 0
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            bytes += unwrapInboundIn(data).data.readableBytes
        }
    }

    private struct State {
        var packets: [ByteBuffer]
        var next = 0
        var sent = 0
        var task: RepeatedTask?
    }

    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let channels: [any Channel]
    private let counters: NIOLoopBound<[Counter]>
    private let state: NIOLoopBoundBox<State>
    private let target: SocketAddress
    private let perTick: Int

    init(_ packets: [ByteBuffer], at target: SocketAddress, sources: Int, packetsPerSecond: Int) async throws {
        self.target = target
        perTick = packetsPerSecond / 100
        let loop = group.next()
        var channels: [any Channel] = []
        for index in 0..<sources {
            let channel = try await DatagramBootstrap(group: loop)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Counter()) }
                }
                .bind(host: "127.2.\(index / 250).\(index % 250 + 1)", port: 0).get()
            channels.append(channel)
        }
        self.channels = channels
        let (counters, state) = try await loop.submit {
            [channels] in
            let counters = try channels.map { try $0.pipeline.syncOperations.handler(type: Counter.self) }
            return (
                NIOLoopBound(counters, eventLoop: loop), NIOLoopBoundBox(State(packets: packets), eventLoop: loop)
            )
        }.get()
        self.counters = counters
        self.state = state
    }

    func begin() {
        let loop = group.next()
        loop.execute { [self] in
            state.value.task = loop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(10)) { _ in
                self.send()
            }
        }
    }

    private func send() {
        for _ in 0..<perTick {
            let index = state.value.next
            state.value.next += 1
            let packet = state.value.packets[index % state.value.packets.count]
            state.value.sent += packet.readableBytes
            let channel = channels[index % channels.count]
            channel.writeAndFlush(AddressedEnvelope(remoteAddress: target, data: packet), promise: nil)
        }
    }

    /// Bytes sent, and bytes that came back.
    func end() async throws -> (sent: Int, received: Int) {
        let result = try await group.next().submit { [self] in
            state.value.task?.cancel()
            return (state.value.sent, counters.value.reduce(0) { $0 + $1.bytes })
        }.get()
        for channel in channels { try await channel.close() }
        try await group.shutdownGracefully()
        return result
    }
}
