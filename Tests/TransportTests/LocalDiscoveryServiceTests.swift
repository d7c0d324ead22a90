import Logging
import Multiformats
import NIOCore
import NIOPosix
import PeerCrypto
import Synchronization
import Testing
import Transport

/// A network in memory: who opens the same link hears what is sent on it, the sender too, as multicast does.
final class MemoryNetwork: Sendable {
    struct State {
        var receivers: [Int: [Int: @Sendable ([UInt8]) -> Void]] = [:]
        var opened = 0
        var next = 0
    }
    let state = Mutex(State())

    var opened: Int { state.withLock { $0.opened } }
    var open: Int { state.withLock { $0.receivers.values.reduce(0) { $0 + $1.count } } }
}

/// A machine's place on it.
struct MemoryMedium: DiscoveryMedium {
    let network: MemoryNetwork
    let ip: [UInt8]

    func links() -> [LocalDiscovery.Link] { [.init(id: 7, addresses: [IPAddress(ip)])] }

    func open(
        _ link: LocalDiscovery.Link, on loop: any EventLoop,
        receive: @escaping @Sendable (_ packet: [UInt8], _ from: IPAddress) -> Void
    ) async throws -> any DiscoverySocket {
        let source = IPAddress(ip)
        return network.state.withLock { state in
            state.opened += 1
            state.next += 1
            state.receivers[link.id, default: [:]][state.next] = { packet in loop.execute { receive(packet, source) } }
            return Socket(network: network, link: link.id, number: state.next)
        }
    }

    struct Socket: DiscoverySocket {
        let network: MemoryNetwork
        let link: Int
        let number: Int

        func send(_ packet: [UInt8]) {
            for receive in network.state.withLock({ Array($0.receivers[link, default: [:]].values) }) {
                receive(packet)
            }
        }

        func close() async { network.state.withLock { $0.receivers[link]?[number] = nil } }
    }
}

@Suite struct LocalDiscoveryServiceTests {
    let group = MultiThreadedEventLoopGroup.singleton

    func service(
        _ peer: PeerID, _ medium: any DiscoveryMedium, at address: String,
        found: @escaping @Sendable (PeerID, [Multiaddr]) -> Void
    ) throws -> LocalDiscoveryService {
        let address = try Multiaddr(address)
        return LocalDiscoveryService(
            peer: peer, group: group, medium: medium, logger: quiet().logger, addresses: { [address] }, found: found)
    }

    /// Two services that know nothing of each other meet, each within its first second.
    @Test func twoNodesMeet() async throws {
        let network = MemoryNetwork()
        let peers = [KeyPair.generate().peerID, KeyPair.generate().peerID]
        let promises = peers.map { _ in group.any().makePromise(of: (PeerID, [Multiaddr]).self) }
        let services = try peers.indices.map { index in
            try service(
                peers[index], MemoryMedium(network: network, ip: [10, 0, 0, UInt8(index)]),
                at: "/ip4/10.0.0.\(index)/tcp/400\(index)"
            ) { promises[index].succeed(($0, $1)) }
        }
        let timeout = group.any().scheduleTask(in: .seconds(10)) { () -> Void in
            for promise in promises { promise.fail(StreamError.timeout) }
        }
        defer { timeout.cancel() }
        for service in services { try await service.start() }
        for index in peers.indices {
            let (peer, addresses) = try await promises[index].futureResult.get()
            #expect(peer == peers[1 - index])
            #expect(addresses == [try Multiaddr("/ip4/10.0.0.\(1 - index)/tcp/400\(1 - index)")])
        }
        for service in services { await service.stop() }
        #expect(network.open == 0)
    }

    /// A node that listens on loopback only opens no socket, so that it sends no multicast.
    @Test func loopbackOnlyOpensNoSocket() async throws {
        let network = MemoryNetwork()
        for address in ["/ip4/127.0.0.1/tcp/4001", "/ip6/::1/tcp/4001", "/ip4/10.0.0.9/tcp/4001"] {
            let medium = MemoryMedium(network: network, ip: [10, 0, 0, 1])
            let quiet = try service(KeyPair.generate().peerID, medium, at: address) { _, _ in }
            try await quiet.start()
            await quiet.refresh()
            await quiet.stop()
        }
        #expect(network.opened == 0)
        // The real thing as well: with loopback addresses it has nothing to open.
        let ours = [try Multiaddr("/ip4/127.0.0.1/tcp/4001"), try Multiaddr("/ip6/::1/tcp/4001")]
        #expect(MulticastMedium().links().allSatisfy { LocalDiscovery.announced(ours, on: $0).isEmpty })
    }

    /// The real sockets, on the loopback interface and a port of this test's own: what one sends to the group, both
    /// get; what is sent to the port itself, nobody.
    @Test func multicastOnLoopback() async throws {
        let probe = try await DatagramBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(probe.localAddress?.port)
        try await probe.close()
        let medium = MulticastMedium(port: port, onLoopback: true)
        let link = try #require(medium.links().first)
        #expect(link.addresses.contains(IPAddress([127, 0, 0, 1])))
        let loop = group.next()
        let promises = (0..<2).map { _ in loop.makePromise(of: [UInt8].self) }
        var sockets: [any DiscoverySocket] = []
        for promise in promises {
            sockets.append(try await medium.open(link, on: loop) { packet, _ in promise.succeed(packet) })
        }
        let timeout = loop.scheduleTask(in: .seconds(10)) { () -> Void in
            for promise in promises { promise.fail(StreamError.timeout) }
        }
        defer { timeout.cancel() }
        let direct = try await DatagramBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get()
        let target = try SocketAddress(ipAddress: "127.0.0.1", port: port)
        try await direct.writeAndFlush(AddressedEnvelope(remoteAddress: target, data: ByteBuffer(bytes: [6, 6, 6])))
        sockets[0].send([1, 2, 3])
        for promise in promises { #expect(try await promise.futureResult.get() == [1, 2, 3]) }
        for socket in sockets { await socket.close() }
        try await direct.close()
    }
}
