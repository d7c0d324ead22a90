import Multiformats
import NIOCore
import PeerCrypto
import SansIO
import Testing
import Transport

/// Two hosts over real sockets on loopback.
@Suite struct HostTests {
    @Test("Bytes come back as they were, several buffers in one write")
    func echo() async throws {
        try await withHosts([quiet(), quiet()]) { hosts in
            let connection = try await hosts[0].connect(hosts[1].dialAddress)
            #expect(connection.remotePeer == hosts[1].peerID)
            #expect(connection.hadInlineMuxer)
            let stream = try await hosts[0].openStream(to: hosts[1].peerID, protocols: [Echo.protocolID])
            stream.write(ByteBuffer(string: "hello "), ByteBuffer(string: "world"))
            stream.closeWrite()
            let answer = try await stream.readToEnd(maximum: 100)
            #expect(String(buffer: answer) == "hello world")
        }
    }

    @Test("Three megabytes echo through windows of 256 KiB, both directions at once")
    func bulk() async throws {
        try await withHosts([quiet(), quiet()]) { hosts in
            _ = try await hosts[0].connect(hosts[1].dialAddress)
            let stream = try await hosts[0].openStream(to: hosts[1].peerID, protocols: [Echo.protocolID])
            let data = ByteBuffer(bytes: (0..<3 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) })
            async let sent: Void = {
                var rest = data
                while let piece = rest.readSlice(length: min(100_000, rest.readableBytes)), piece.readableBytes > 0 {
                    try await stream.send(piece)
                }
                stream.closeWrite()
            }()
            let answer = try await stream.readToEnd(maximum: 4 << 20)
            try await sent
            #expect(answer == data)
        }
    }

    @Test("Both sides learn who the other is, with its protocols and addresses")
    func identify() async throws {
        try await withHosts([quiet(), quiet()]) { hosts in
            let protocols = try await hosts[0].next({ event -> [String]? in
                if case .identified(_, let protocols) = event { protocols } else { nil }
            }) { _ = try await hosts[0].connect(hosts[1].dialAddress) }
            #expect(protocols == [Echo.protocolID, "/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0", "/ipfs/ping/1.0.0"])
            let info = try #require(hosts[0].peerStore.info(of: hosts[1].peerID, now: .zero))
            #expect(info.agentVersion == "peernode/0.1.0")
            #expect(info.addresses == hosts[1].addresses)
            #expect(hosts[0].peerStore.record(of: hosts[1].peerID) != nil)
        }
    }

    @Test("A ping takes some time, and not much")
    func ping() async throws {
        try await withHosts([quiet(), quiet()]) { hosts in
            _ = try await hosts[0].connect(hosts[1].dialAddress)
            let pinger = try await hosts[0].pinger(to: hosts[1].peerID)
            for _ in 0..<3 {
                let time = try await pinger.ping()
                #expect(time > .zero && time < .seconds(5))
            }
            pinger.close()
        }
    }
}

/// Dialling, private networks, ends.
@Suite struct HostDialTests {
    @Test("The peer that answers must be the one that was wanted")
    func wrongPeer() async throws {
        try await withHosts([quiet(), quiet()]) { hosts in
            let other = KeyPair.generate().peerID
            await #expect(throws: ConnectionError.wrongPeer(expected: other, found: hosts[1].peerID)) {
                try await hosts[0].connect(hosts[1].dialAddress.appending(other))
            }
            #expect(hosts[0].connections.isEmpty)
        }
    }

    @Test("Ten callers at once share one connection")
    func sharedDial() async throws {
        try await withHosts([quiet(), quiet()]) { hosts in
            let (from, to) = (hosts[0], hosts[1].dialAddress)
            let ids = try await withThrowingTaskGroup(of: UInt64.self) { group in
                for _ in 0..<10 { group.addTask { try await from.connect(to).id } }
                return try await group.reduce(into: Set<UInt64>()) { $0.insert($1) }
            }
            #expect(ids.count == 1)
            #expect(hosts[0].connections.count == 1)
        }
    }

    @Test("When both dial at once both end up connected", arguments: 0..<8)
    func simultaneous(_ round: Int) async throws {
        try await withHosts([quiet(), quiet()]) { hosts in
            let (one, two) = (hosts[0], hosts[1])
            async let first = one.connect(two.dialAddress)
            async let second = two.connect(one.dialAddress)
            _ = try await (first, second)
            #expect(try await eventually { one.isConnected(to: two.peerID) && two.isConnected(to: one.peerID) })
            #expect(try await one.ping(two.peerID) > .zero)
            #expect(try await two.ping(one.peerID) > .zero)
        }
    }

    @Test("Nobody there, nothing to dial, oneself: each says so")
    func failures() async throws {
        try await withHosts([quiet(), quiet()]) { hosts in
            let address = hosts[1].dialAddress
            await hosts[1].shutdown()
            await #expect(throws: ConnectionError.refused) { try await hosts[0].connect(address) }
            await #expect(throws: ConnectionError.backoff) { try await hosts[0].connect(address, isForced: false) }
            await #expect(throws: ConnectionError.noAddress) {
                try await hosts[0].connect(to: KeyPair.generate().peerID)
            }
            await #expect(throws: ConnectionError.isSelf) { try await hosts[0].connect(hosts[0].dialAddress) }
            let relayed = try Multiaddr("/ip4/127.0.0.1/udp/4001/quic-v1").appending(KeyPair.generate().peerID)
            await #expect(throws: ConnectionError.noAddress) { try await hosts[0].connect(relayed) }
        }
    }

    @Test("A private network admits its members and nobody else")
    func privateNetwork() async throws {
        let key = PrivateNetworkKey.generate()
        let foreign = PrivateNetworkKey.generate()
        for (first, second, isOpen) in [(key, key, true), (key, foreign, false), (key, nil, false), (nil, key, false)]
            as [(PrivateNetworkKey?, PrivateNetworkKey?, Bool)]
        {
            let configurations = [first, second].map { key in
                quiet {
                    $0.privateNetwork = key
                    $0.limits.negotiationTimeout = .milliseconds(500)
                }
            }
            try await withHosts(configurations) { hosts in
                if isOpen {
                    for (from, to) in [(hosts[0], hosts[1]), (hosts[1], hosts[0])] {
                        _ = try await from.connect(to.dialAddress)
                        let stream = try await from.openStream(to: to.peerID, protocols: [Echo.protocolID])
                        try await stream.send(ByteBuffer(repeating: 9, count: 300_000))
                        #expect(try await stream.readExactly(300_000) == ByteBuffer(repeating: 9, count: 300_000))
                    }
                } else {
                    await #expect(throws: ConnectionError.self) { try await hosts[0].connect(hosts[1].dialAddress) }
                    #expect(hosts[0].connections.isEmpty && hosts[1].connections.isEmpty)
                }
            }
        }
    }

    @Test("A protocol that the other side does not speak is refused, and the next of the list tried")
    func protocols() async throws {
        try await withHosts([quiet(), quiet()]) { hosts in
            _ = try await hosts[0].connect(hosts[1].dialAddress)
            await #expect(throws: StreamError.protocolNotSupported) {
                try await hosts[0].openStream(to: hosts[1].peerID, protocols: ["/none/1.0.0"])
            }
            let stream = try await hosts[0].openStream(
                to: hosts[1].peerID, protocols: ["/none/1.0.0", Echo.protocolID])
            try await stream.send(ByteBuffer(string: "z"))
            #expect(String(buffer: try await stream.readExactly(1)) == "z")
            let lazy = hosts[0].connection(to: hosts[1].peerID)!.openStream(["/none/1.0.0"], lazily: true)
            lazy.write(ByteBuffer(string: "too early"))
            await #expect(throws: StreamError.protocolNotSupported) { try await lazy.read() }
        }
    }

    @Test("A new protocol is pushed to connected peers")
    func push() async throws {
        try await withHosts([quiet(), quiet()]) { hosts in
            let identified: @Sendable (HostEvent) -> Bool? = { if case .identified = $0 { true } else { nil } }
            _ = try await hosts[1].next(identified) {
                _ = try await hosts[0].next(identified) { _ = try await hosts[0].connect(hosts[1].dialAddress) }
            }
            let protocols = try await hosts[0].next({ event -> [String]? in
                if case .protocolsChanged(_, let protocols) = event { protocols } else { nil }
            }) { hosts[1].handle("/new/1.0.0") { _ in Echo() } }
            #expect(protocols.contains("/new/1.0.0"))
        }
    }

    @Test("After shutdown nothing is left: no connection, no listener, no byte of any budget")
    func shutdown() async throws {
        try await withHosts([quiet(), quiet()]) { hosts in
            let connection = try await hosts[0].connect(hosts[1].dialAddress)
            let stream = try await hosts[0].openStream(to: hosts[1].peerID, protocols: [Echo.protocolID])
            try await stream.send(ByteBuffer(repeating: 1, count: 1 << 20))
            _ = try await stream.readExactly(1 << 19)
            let lost = try await hosts[0].next({ event -> Bool? in
                if case .disconnected(_, let isLast) = event { isLast } else { nil }
            }) { await hosts[1].shutdown() }
            #expect(lost)
            try await connection.closeFuture.get()
            await #expect(throws: ConnectionError.refused) { try await hosts[0].connect(hosts[1].dialAddress) }
            #expect(hosts[0].connections.isEmpty && hosts[1].connections.isEmpty)
            #expect(hosts[1].unreadBytes == 0 && hosts[1].windowBytes == 0)
            await #expect(throws: ConnectionError.shuttingDown) { try await hosts[1].connect(hosts[0].dialAddress) }
        }
    }

    @Test("A wildcard address stands for the interfaces' addresses, loopback only on loopback")
    func wildcard() async throws {
        try await withHosts([quiet()]) { hosts in
            let bound = try await hosts[0].listen(on: [Multiaddr("/ip4/0.0.0.0/tcp/0")])
            let port = try #require(bound[0].tcp?.port)
            #expect(port != 0)
            #expect(hosts[0].addresses.contains(try Multiaddr("/ip4/127.0.0.1/tcp/\(port)")))
            #expect(!hosts[0].addresses.contains { $0.isUnspecified })
            let elsewhere = try Multiaddr("/ip4/192.168.1.7/tcp/4001")
            #expect(!AddressPolicy.useful(hosts[0].addresses, to: elsewhere).contains { $0.isLoopback })
        }
    }

    @Test("Counters add up: what one side sent the other received, by protocol as well")
    func bandwidth() async throws {
        try await withHosts([quiet(), quiet()]) { hosts in
            _ = try await hosts[0].connect(hosts[1].dialAddress)
            let stream = try await hosts[0].openStream(to: hosts[1].peerID, protocols: [Echo.protocolID])
            try await stream.send(ByteBuffer(repeating: 1, count: 500_000))
            _ = try await stream.readExactly(500_000)
            let mine = try #require(hosts[0].bandwidth.byProtocol[Echo.protocolID])
            let theirs = try #require(hosts[1].bandwidth.byProtocol[Echo.protocolID])
            #expect(mine.sent == 500_000 && mine.received == 500_000 && theirs.sent == 500_000)
            #expect(hosts[0].bandwidth.total.sent > 500_000)
        }
    }
}
