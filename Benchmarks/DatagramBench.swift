import Foundation
import Logging
import Multiformats
import NIOCore
import NIOPosix
import PeerCrypto
import SansIO
import Swarm
import Transport

/// Datagrams: sessions over loopback, first answers of strangers beside TCP's, and a flood of feigned ones.
enum DatagramBench {
    private static let network = DatagramNetwork(name: "testnet")
    private static let pong = ByteBuffer(repeating: 7, count: 900)
    private static let question = ByteBuffer(repeating: 1, count: 40)

    static func run(into table: inout ResultTable) async throws {
        try handshakes(into: &table)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        do {
            let server = endpoint(KeyPair.generate(), on: group) { $0.answer(pong, isWhole: true) }
            try await calls(to: server, group, into: &table)
            await server.endpoint.close()
            try await strangers(group, into: &table)
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
        try? await group.shutdownGracefully()
    }

    private struct Served {
        let peer: PeerID
        let endpoint: DatagramEndpoint
    }

    /// An endpoint that takes any number of handshakes: the limits are not what is measured.
    private static func endpoint(
        _ identity: KeyPair, on group: any EventLoopGroup, serve: @escaping DatagramEndpoint.Serve
    ) -> Served {
        var configuration = DatagramConfiguration(identity: DatagramIdentity(identity, network: network))
        configuration.initiationRate = 1e9
        var logger = Logger(label: "bench")
        logger.logLevel = .error
        return Served(
            peer: identity.peerID,
            endpoint: DatagramEndpoint(configuration: configuration, group: group, logger: logger, serve: serve))
    }

    private static func call(_ caller: DatagramEndpoint, _ peer: PeerID, _ address: Multiaddr) async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            caller.call(peer, at: address, question, kind: .read, deadline: .seconds(5)) { result in
                continuation.resume(with: result.map { _ in }.mapError { $0 as any Error })
            }
        }
    }

    // MARK: Sessions

    private static func calls(
        to server: Served, _ group: any EventLoopGroup, into table: inout ResultTable
    ) async throws {
        let loopback = try Multiaddr("/ip4/127.0.0.1/udp/0")
        let address = try await server.endpoint.bind(to: [loopback])[0]
        let client = endpoint(KeyPair.generate(), on: group) { $0.refuse() }
        _ = try await client.endpoint.bind(to: [loopback])
        try await call(client.endpoint, server.peer, address)
        var times: [Double] = []
        for _ in 0..<2_000 {
            times.append(
                try await Scratch.seconds { try await call(client.endpoint, server.peer, address) } * 1e6)
        }
        table.note(
            "a question and its answer on a datagram session, median and p99",
            String(format: "%.0f, %.0f us", Scratch.median(times), Scratch.percentile(times, 0.99)))
        let count = 100_000
        let seconds = try await Scratch.seconds {
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for _ in 0..<64 {
                    tasks.addTask {
                        for _ in 0..<count / 64 { try await call(client.endpoint, server.peer, address) }
                    }
                }
                try await tasks.waitForAll()
            }
        }
        table.note(
            "datagram questions a second, 64 at once, both sides here",
            String(format: "%.0f", Double(count / 64 * 64) / seconds))
        await client.endpoint.close()
    }

    // MARK: Strangers

    /// The first answer of a peer that was never met, over datagrams and over TCP.
    private static func strangers(_ group: any EventLoopGroup, into table: inout ResultTable) async throws {
        var logger = Logger(label: "bench")
        logger.logLevel = .error
        let identity = KeyPair.generate()
        let server = endpoint(identity, on: group) { $0.answer(pong, isWhole: true) }
        let address = try await server.endpoint.bind(to: [try Multiaddr("/ip4/127.0.0.1/udp/0")])[0]
        let host = Host(configuration: HostConfiguration(identity: identity, logger: logger), group: group)
        host.handle("/bench/1.0.0") { stream in
            Answering(answer: pong)
        }
        _ = try await host.listen(on: [try Multiaddr("/ip4/127.0.0.1/tcp/0")])
        let dialled = host.addresses[0].appending(identity.peerID)
        var udp: [Double] = []
        var tcp: [Double] = []
        for _ in 0..<100 {
            let client = endpoint(KeyPair.generate(), on: group) { $0.refuse() }
            _ = try await client.endpoint.bind(to: [try Multiaddr("/ip4/127.0.0.1/udp/0")])
            udp.append(try await Scratch.seconds { try await call(client.endpoint, server.peer, address) } * 1e3)
            await client.endpoint.close()
            let other = Host(
                configuration: HostConfiguration(identity: KeyPair.generate(), logger: logger), group: group)
            tcp.append(
                try await Scratch.seconds {
                    _ = try await other.connect(dialled)
                    let stream = try await other.openStream(to: identity.peerID, protocols: ["/bench/1.0.0"])
                    try await stream.sendMessage(question)
                    _ = try await stream.readMessage(maximum: 4096)
                } * 1e3)
            await other.shutdown()
        }
        table.note("a stranger's first answer over TCP, median", String(format: "%.2f ms", Scratch.median(tcp)))
        table.atMost(
            "a stranger's first answer over UDP, median", Scratch.median(udp), Scratch.median(tcp) / 3, unit: "ms")
        await server.endpoint.close()
        await host.shutdown()
    }

    private final class Answering: StreamHandler {
        private let answer: ByteBuffer
        init(answer: ByteBuffer) { self.answer = answer }

        func received(_ bytes: ByteBuffer, on stream: PeerStream) {
            var prefix = ByteBuffer()
            prefix.writeVarint(UInt64(answer.readableBytes))
            stream.write(prefix, answer)
        }
        func inputClosed(_ stream: PeerStream) { stream.closeWrite() }
        func failed(_ error: StreamError, on stream: PeerStream) {}
    }

    // MARK: Handshakes

    /// What the answering side can do a second on one core: many strangers, each with a first question.
    private static func handshakes(into table: inout ResultTable) throws {
        let count = 2_000
        let identity = KeyPair.generate()
        let now = Instant(nanoseconds: 1_000_000_000)
        var configuration = DatagramConfiguration(identity: DatagramIdentity(identity, network: network))
        configuration.initiationRate = 1e9
        configuration.unconfirmed = count
        var server = DatagramCore(configuration, now: now)
        guard let here else { return }
        let initiations = initiations(count, to: identity.peerID)
        var answered = 0
        var effects: [DatagramCore.Effect] = []
        let seconds = Scratch.seconds {
            for (packet, source) in initiations {
                effects.removeAll(keepingCapacity: true)
                server.handle(
                    .packet(packet, from: source, at: DatagramLocal(socket: 0, address: here)), now: now, into: &effects
                )
                var asks: [UInt64] = []
                for case .request(let ask) in effects { asks.append(ask.serial) }
                for serial in asks {
                    server.handle(.answer(serial, pong, isWhole: true), now: now, into: &effects)
                    answered += 1
                }
            }
        }
        table.note(
            "strangers answered a second on one core", String(format: "%.0f", Double(answered) / seconds),
            "\(answered) of \(count)")
    }

    private static let here = DatagramAddress([127, 0, 0, 1], port: 4101)

    /// The first packets of as many strangers, each with a question and an address to come from.
    static func initiations(_ count: Int, to peer: PeerID) -> [(ByteBuffer, DatagramAddress)] {
        let now = Instant(nanoseconds: 1_000_000_000)
        var result: [(ByteBuffer, DatagramAddress)] = []
        guard let here else { return result }
        for index in 0..<count {
            var client = DatagramCore(
                DatagramConfiguration(identity: DatagramIdentity(KeyPair.generate(), network: network)), now: now)
            var effects: [DatagramCore.Effect] = []
            client.handle(
                .call(
                    DatagramCall(
                        id: DatagramCallID(1), peer: peer, address: here, message: question, kind: .read)),
                now: now, into: &effects)
            let source = DatagramAddress([127, 1, UInt8(index / 250), UInt8(index % 250 + 1)], port: 4101)
            for case .send(let packet, _, _) in effects { if let source { result.append((packet, source)) } }
        }
        return result
    }
}
