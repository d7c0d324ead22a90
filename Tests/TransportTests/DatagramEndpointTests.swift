import Logging
import Multiformats
import NIOCore
import NIOPosix
import PeerCrypto
import SansIO
import Synchronization
import Testing
import Transport

/// Endpoints on real sockets of this machine.
@Suite("Datagram endpoints", .timeLimit(.minutes(1)))
struct DatagramEndpointTests {
    private struct Node {
        let key: KeyPair
        let endpoint: DatagramEndpoint
        let alive: Box<[PeerID]>
        let seen: Box<[DatagramRequest]>
    }

    private final class Box<T: Sendable>: Sendable {
        let value: Mutex<T>
        init(_ value: T) { self.value = Mutex(value) }
    }

    private func node(network: String = "test") -> Node {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let key = KeyPair.generate()
        let alive = Box<[PeerID]>([])
        let seen = Box<[DatagramRequest]>([])
        let endpoint = DatagramEndpoint(
            identity: key, network: network, privateNetwork: nil, group: MultiThreadedEventLoopGroup.singleton,
            logger: logger, onAlive: { peer, _ in alive.value.withLock { $0.append(peer) } }
        ) { request in
            seen.value.withLock { $0.append(request) }
            request.answer(ByteBuffer(string: "re: " + String(buffer: request.message)), isWhole: request.offset == 0)
        }
        return Node(key: key, endpoint: endpoint, alive: alive, seen: seen)
    }

    private func call(
        _ node: Node, _ peer: PeerID, at address: Multiaddr, _ text: String, kind: DatagramKind = .read,
        offset: UInt8 = 0, toldFrom: Multiaddr? = nil
    ) async throws -> DatagramAnswer {
        try await withCheckedThrowingContinuation { continuation in
            node.endpoint.call(
                peer, at: address, ByteBuffer(string: text), kind: kind, offset: offset, deadline: .seconds(5),
                toldFrom: toldFrom
            ) { continuation.resume(with: $0) }
        }
    }

    private func withNodes(_ count: Int, _ body: ([Node]) async throws -> Void) async throws {
        let nodes = (0..<count).map { _ in node() }
        do {
            try await body(nodes)
        } catch {
            for node in nodes { await node.endpoint.close() }
            throw error
        }
        for node in nodes { await node.endpoint.close() }
    }

    private let any4 = try! Multiaddr("/ip4/127.0.0.1/udp/0")

    @Test("two endpoints ask each other", arguments: ["/ip4/127.0.0.1/udp/0", "/ip6/::1/udp/0"])
    func exchange(place: String) async throws {
        try await withNodes(2) { nodes in
            let place = try Multiaddr(place)
            guard let first = try? await nodes[0].endpoint.bind(to: [place]) else { return }  // no IPv6 here
            let second = try await nodes[1].endpoint.bind(to: [place])
            let answer = try await call(nodes[0], nodes[1].key.peerID, at: second[0], "one")
            #expect(String(buffer: answer.message) == "re: one")
            #expect(answer.isWhole)
            #expect(answer.roundTrip > .zero && answer.roundTrip < .seconds(5))
            let write = try await call(nodes[0], nodes[1].key.peerID, at: second[0], "two", kind: .write, offset: 3)
            #expect(!write.isWhole)
            let back = try await call(nodes[1], nodes[0].key.peerID, at: first[0], "three")
            #expect(String(buffer: back.message) == "re: three")
            #expect(nodes[0].alive.value.withLock { $0 } == [nodes[1].key.peerID])
            let seen = nodes[1].seen.value.withLock { $0 }
            #expect(seen.map(\.isConfirmed) == [false, true])
            #expect(seen.map(\.address) == [first[0], first[0]])
            #expect(seen.map(\.peer) == [nodes[0].key.peerID, nodes[0].key.peerID])
            let statistics = await nodes[1].endpoint.statistics
            #expect(statistics.sessions == 1)
            #expect(statistics.callsAnswered == 1)
        }
    }

    @Test("a thousand calls at once are all answered")
    func many() async throws {
        try await withNodes(2) { nodes in
            _ = try await nodes[0].endpoint.bind(to: [any4])
            let place = try await nodes[1].endpoint.bind(to: [any4])[0]
            let peer = nodes[1].key.peerID
            let asker = nodes[0]
            let answers = try await withThrowingTaskGroup(of: String.self) { group in
                for number in 0..<1000 {
                    group.addTask {
                        String(buffer: try await call(asker, peer, at: place, "\(number)").message)
                    }
                }
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            #expect(answers == Set((0..<1000).map { "re: \($0)" }))
        }
    }

    @Test("a socket on every address answers from the one that was asked")
    func wildcard() async throws {
        try await withNodes(2) { nodes in
            _ = try await nodes[0].endpoint.bind(to: [any4])
            let bound = try await nodes[1].endpoint.bind(to: [try Multiaddr("/ip4/0.0.0.0/udp/0")])[0]
            #expect(bound.isUnspecified)
            let port = try #require(DatagramAddress(bound)).port
            // Linux owns all of 127/8; a system that does not cannot run this.
            for last in [1, 7, 200] {
                let place = try Multiaddr("/ip4/127.0.0.\(last)/udp/\(port)")
                #if os(Linux)
                let answer = try await call(nodes[0], nodes[1].key.peerID, at: place, "x")
                #expect(String(buffer: answer.message) == "re: x")
                await nodes[0].endpoint.disconnectAndWait(nodes[1].key.peerID)
                #endif
            }
            let statistics = await nodes[0].endpoint.statistics
            #expect(statistics.count(of: .wrongAddress) == 0)
            // Out of the wildcard socket as well.
            #expect(nodes[1].seen.value.withLock { $0.count } == 3)
            let back = nodes[1].seen.value.withLock { $0[0].address }
            let answer = try await call(nodes[1], nodes[0].key.peerID, at: back, "y")
            #expect(String(buffer: answer.message) == "re: y")
        }
    }

    @Test("what cannot be called fails at once, and says why")
    func refusals() async throws {
        try await withNodes(2) { nodes in
            _ = try await nodes[0].endpoint.bind(to: [any4])
            let place = try await nodes[1].endpoint.bind(to: [any4])[0]
            let peer = nodes[1].key.peerID
            let outside = try Multiaddr("/ip4/8.8.8.8/tcp/1")
            let cases: [(String, Multiaddr?)] = [
                ("/ip4/127.0.0.1/tcp/1", nil), ("/ip4/127.0.0.1/udp/1/quic-v1", nil), ("/dns4/example.org/udp/1", nil),
                // Told by somebody who is not on this machine.
                (place.description, outside),
                // A node on loopback sends nothing to anywhere else.
                ("/ip4/192.0.2.1/udp/9", nil), ("/ip6/::1/udp/9", nil),
            ]
            for (text, source) in cases {
                let address = try Multiaddr(text)
                await #expect(throws: DatagramError.badAddress, "\(text)") {
                    _ = try await call(nodes[0], peer, at: address, "x", toldFrom: source)
                }
            }
            await nodes[0].endpoint.close()
            await #expect(throws: DatagramError.closed) { _ = try await call(nodes[0], peer, at: place, "x") }
            await nodes[0].endpoint.close()
        }
    }

    @Test("closing fails the calls that are under way")
    func closing() async throws {
        let asker = node()
        let silent = node(network: "another")
        _ = try await asker.endpoint.bind(to: [any4])
        let place = try await silent.endpoint.bind(to: [any4])[0]
        let result = Task { try await call(asker, silent.key.peerID, at: place, "x") }
        #expect(try await eventually { await asker.endpoint.statistics.packetsOut > 0 })
        await asker.endpoint.close()
        await #expect(throws: DatagramError.closed) { _ = try await result.value }
        await silent.endpoint.close()
    }

    @Test("either all addresses are bound or none")
    func allOrNone() async throws {
        try await withNodes(2) { nodes in
            let taken = try await nodes[0].endpoint.bind(to: [any4])[0]
            await #expect(throws: DatagramError.self) { _ = try await nodes[1].endpoint.bind(to: [any4, taken]) }
            await #expect(throws: DatagramError.badAddress) {
                _ = try await nodes[1].endpoint.bind(to: [try Multiaddr("/ip4/127.0.0.1/tcp/0")])
            }
        }
    }
}

extension DatagramEndpoint {
    /// Ends the sessions with `peer` before it returns.
    fileprivate func disconnectAndWait(_ peer: PeerID) async {
        disconnect(peer)
        _ = await statistics
    }
}
