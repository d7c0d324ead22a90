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
            #expect(info.agentVersion == "coliving-peernode/0.1.0")
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
