import Logging
import Multiformats
import NIOPosix
import PeerCrypto
import Synchronization
import Testing
import Transport

@Suite("Names that stand for addresses") struct AddressNamesTests {
    @Test("A peer is reached by a name that leads to a name that leads to its address, and by no other's")
    func dial() async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let server = Host(configuration: HostConfiguration(identity: .generate()), group: group)
        _ = try await server.listen(on: [try Multiaddr("/ip4/127.0.0.1/tcp/0")])
        let address = server.addresses[0]
        let peer = server.peerID
        let other = KeyPair.generate().peerID
        let asked = Mutex<[String]>([])
        var configuration = HostConfiguration(identity: .generate())
        configuration.names = AddressNames { name in
            asked.withLock { $0.append(name) }
            let texts: [String] =
                switch name {
                case "_dnsaddr.boot.example":
                    [
                        "x", "dnsaddr=", "dnsaddr=/dnsaddr/boot.example/p2p/\(peer)",
                        "dnsaddr=/ip4/127.0.0.1/tcp/1/p2p/\(other)", "dnsaddr=/dnsaddr/a.boot.example/p2p/\(peer)",
                        "dnsaddr=/dnsaddr/b.boot.example/p2p/\(other)",
                    ]
                case "_dnsaddr.a.boot.example": ["dnsaddr=\(address.withoutPeerID)/p2p/\(peer)"]
                default: []
                }
            return texts.map { Array($0.utf8) } + [[0xff, 0xfe]]
        }
        let client = Host(configuration: configuration, group: group)
        let connection = try await client.connect(try Multiaddr("/dnsaddr/boot.example/p2p/\(peer)"))
        #expect(connection.remotePeer == peer)
        #expect(asked.withLock { $0 } == ["_dnsaddr.boot.example", "_dnsaddr.a.boot.example"])
        await #expect(throws: ConnectionError.self) {
            try await client.connect(try Multiaddr("/dnsaddr/boot.example/p2p/\(KeyPair.generate().peerID)"))
        }
        await client.shutdown()
        await server.shutdown()
    }

    @Test("Names without end cost a few look-ups")
    func endless() async throws {
        let asked = Mutex(0)
        var configuration = HostConfiguration(identity: .generate())
        let peer = KeyPair.generate().peerID
        configuration.names = AddressNames { _ in
            let count = asked.withLock { count in
                count += 1
                return count
            }
            return (0..<50).map { Array("dnsaddr=/dnsaddr/n\(count)-\($0).example/p2p/\(peer)".utf8) }
        }
        let client = Host(configuration: configuration, group: MultiThreadedEventLoopGroup.singleton)
        await #expect(throws: ConnectionError.self) {
            try await client.connect(try Multiaddr("/dnsaddr/start.example/p2p/\(peer)"))
        }
        #expect(asked.withLock { $0 } == 8)
        await client.shutdown()
    }
}
