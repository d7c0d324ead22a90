import Multiformats
import NIOCore
import NIOPosix
import PeerCrypto
import Testing
import Transport

/// What a host does against peers that mean no good, over real sockets.
@Suite(.serialized) struct HostileTests {
    /// Whether an honest host gets in and gets its echo.
    static func serves(_ host: Host) async throws -> Bool {
        let honest = Host(configuration: quiet(), group: MultiThreadedEventLoopGroup.singleton)
        _ = try await honest.connect(host.dialAddress)
        let stream = try await honest.openStream(to: host.peerID, protocols: [Echo.protocolID])
        try await stream.send(ByteBuffer(string: "still here"))
        let answer = String(buffer: try await stream.readExactly(10))
        await honest.shutdown()
        return answer == "still here"
    }

    @Test(
        "A frame against the rules costs the peer its connection, with a go-away, and nobody else anything",
        arguments: [
            Offence("credit overflow", [YamuxFrame(.windowUpdate, .syn, stream: 1, length: 0xffff_0000)]),
            Offence("data beyond the window", [YamuxFrame(.data, .syn, stream: 1, length: 262_145)]),
            Offence("a stream opened twice", [.syn(1), .syn(1)]),
            Offence("a stream of ours opened", [.syn(2)]),
            Offence("ping flood", (0..<1_000).map { YamuxFrame(.ping, .syn, stream: 0, length: $0) }),
            Offence("open flood", (0..<10_000).map { .syn($0 * 2 + 1) }),
            Offence(
                "open and reset flood",
                (0..<1_000).flatMap {
                    [.syn($0 * 2 + 1), YamuxFrame(.windowUpdate, .rst, stream: $0 * 2 + 1, length: 0)]
                }),
        ])
    func violations(_ offence: Offence) async throws {
        try await withHosts([quiet()]) { hosts in
            let peer = try await RawPeer.connect(to: hosts[0].dialAddress)
            try? await peer.send(offence.frames.map { ($0, []) })
            try await peer.channel.closeFuture.get()
            #expect(try await peer.received.contains(YamuxFrame(.goAway, stream: 0, length: 1)))
            #expect(try await Self.serves(hosts[0]))
        }
    }

    @Test("Half-open strangers from many addresses make room, the oldest first; an honest newcomer gets in")
    func halfOpenFlood() async throws {
        let configuration = quiet {
            $0.limits.exempt = []
            $0.limits.transientInbound = 8
        }
        try await withHosts([configuration]) { hosts in
            var strangers: [any Channel] = []
            for index in 0..<24 {
                strangers.append(try await RawPeer.dial(hosts[0].dialAddress, from: "127.0.0.\(index + 2)"))
            }
            let channels = strangers
            // Sixteen of them had to go, the first sixteen.
            #expect(try await eventually { channels.prefix(16).allSatisfy { !$0.isActive } })
            #expect(channels.suffix(7).allSatisfy { $0.isActive })
            let honest = try await RawPeer.connect(to: hosts[0].dialAddress, from: "127.0.0.1")
            #expect(honest.channel.isActive)
            for channel in channels + [honest.channel] { channel.close(promise: nil) }
        }
    }

    @Test("One address gets eight connections and a burst of sixteen, unless it is exempt")
    func perAddress() async throws {
        for exempt in [[], IPRange.loopback] {
            let configuration = quiet { $0.limits.exempt = exempt }
            try await withHosts([configuration]) { hosts in
                var peers: [RawPeer] = []
                for _ in 0..<20 {
                    if let peer = try? await RawPeer.connect(to: hosts[0].dialAddress) { peers.append(peer) }
                }
                #expect(peers.count == (exempt.isEmpty ? 8 : 20))
                for peer in peers { peer.channel.close(promise: nil) }
            }
        }
    }

    @Test("A handshake that drips is cut off at its time, however many bytes come")
    func slowHandshake() async throws {
        let configuration = quiet {
            $0.limits.upgradeTimeout = .milliseconds(600)
            $0.limits.negotiationTimeout = .milliseconds(400)
        }
        try await withHosts([configuration]) { hosts in
            let channel = try await RawPeer.dial(hosts[0].dialAddress)
            let dripping = channel.eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(20)) { _ in
                channel.writeAndFlush(ByteBuffer(string: "\u{13}"), promise: nil)
            }
            let start = ContinuousClock.now
            try await channel.closeFuture.get()
            dripping.cancel()
            #expect(ContinuousClock.now - start < .seconds(5))

            // The same behind a correct negotiation, in the middle of the Noise handshake.
            let second = try await RawPeer.dial(hosts[0].dialAddress)
            var words = ByteBuffer()
            Multistream(proposing: ["/noise"]).start(into: &words)
            words.writeBytes([0x10, 0x00])
            try await second.writeAndFlush(words)
            let more = second.eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(20)) { _ in
                second.writeAndFlush(ByteBuffer(integer: UInt8(0)), promise: nil)
            }
            try await second.closeFuture.get()
            more.cancel()
            #expect(ContinuousClock.now - start < .seconds(10))
        }
    }

    @Test("A reader that takes nothing holds up its own stream only, in bounded memory, and is cut off")
    func slowReader() async throws {
        let configurations = [quiet { $0.limits.writeTimeout = .seconds(1) }, quiet()]
        try await withHosts(configurations) { hosts in
            // Nobody reads these streams.
            hosts[1].handle("/hole/1.0.0") { _ in nil }
            _ = try await hosts[0].connect(hosts[1].dialAddress)
            let stream = try await hosts[0].openStream(to: hosts[1].peerID, protocols: ["/hole/1.0.0"])
            let block = ByteBuffer(repeating: 7, count: 1 << 20)
            stream.write(block, block)
            #expect(stream.bufferedBytes > 1 << 20)
            #expect(!stream.isWritable)
            // A window's worth, less the words of the negotiation.
            #expect(try await eventually { hosts[1].unreadBytes > 262_000 })
            #expect(hosts[1].unreadBytes <= 262_144)
            // Others go on meanwhile.
            #expect(try await hosts[0].ping(hosts[1].peerID) < .seconds(1))
            await #expect(throws: StreamError.writeTimeout) { try await stream.send(block) }
            #expect(stream.bufferedBytes == 0)
            #expect(try await eventually { hosts[1].unreadBytes == 0 })
            #expect(hosts[0].isConnected(to: hosts[1].peerID))
        }
    }

    @Test("Unread bytes of all streams together stay within a connection's budget")
    func unreadBudget() async throws {
        let configurations = [quiet(), quiet { $0.limits.unreadPerConnection = 1 << 20 }]
        try await withHosts(configurations) { hosts in
            hosts[1].handle("/hole/1.0.0") { _ in nil }
            _ = try await hosts[0].connect(hosts[1].dialAddress)
            let block = ByteBuffer(repeating: 7, count: 256 << 10)
            var streams: [PeerStream] = []
            for _ in 0..<12 {
                let stream = try await hosts[0].openStream(to: hosts[1].peerID, protocols: ["/hole/1.0.0"])
                stream.write(block)
                streams.append(stream)
            }
            // What does not fit is reset, so the whole stays below the limit.
            await #expect(throws: StreamError.reset(code: 0)) {
                for stream in streams.suffix(6) { _ = try await stream.read() }
            }
            #expect(hosts[1].unreadBytes <= 1 << 20)
        }
    }

    @Test("A peer has 32 streams of a protocol and no more, until one of them ends")
    func streamsPerProtocol() async throws {
        try await withHosts([quiet(), quiet()]) { hosts in
            _ = try await hosts[0].connect(hosts[1].dialAddress)
            var streams: [PeerStream] = []
            for _ in 0..<32 {
                let stream = try await hosts[0].openStream(to: hosts[1].peerID, protocols: [Echo.protocolID])
                try await stream.send(ByteBuffer(string: "x"))
                _ = try await stream.readExactly(1)
                streams.append(stream)
            }
            // The opening itself fails where it waits for the negotiation, as long as identify is under way.
            await #expect(throws: StreamError.reset(code: 0)) {
                let extra = try await hosts[0].openStream(to: hosts[1].peerID, protocols: [Echo.protocolID])
                return try await extra.readExactly(1)
            }
            streams[0].closeWrite()
            #expect(try await streams[0].read() == nil)
            let again = try await hosts[0].openStream(to: hosts[1].peerID, protocols: [Echo.protocolID])
            try await again.send(ByteBuffer(string: "y"))
            #expect(String(buffer: try await again.readExactly(1)) == "y")
        }
    }

    @Test("Identify takes ten messages and 128 protocols; what exceeds that is dropped, the connection stays")
    func identifyFlood() async throws {
        try await withHosts([quiet()]) { hosts in
            for (parts, isTaken) in [(10, true), (11, false)] {
                let identity = KeyPair.generate()
                let peer = try await RawPeer.connect(to: hosts[0].dialAddress, identity: identity)
                // The host asks; its stream is the first of the server's.
                try await peer.wait { $0.contains { $0.streamID == 2 && $0.kind == .data } }
                var answer = ByteBuffer()
                Multistream.answer(Identify.protocolID, into: &answer)
                for part in 0..<parts {
                    var message = ProtobufWriter()
                    for index in 0..<200 { message.string(3, "/p/\(part)/\(index)") }
                    answer.writeVarint(UInt64(message.buffer.readableBytes))
                    answer.writeImmutableBuffer(message.buffer)
                }
                let bytes = Array(answer.readableBytesView)
                try await peer.send([
                    (YamuxFrame(.windowUpdate, .ack, stream: 2, length: 0), []),
                    (YamuxFrame(.data, .fin, stream: 2, length: UInt32(bytes.count)), bytes),
                ])
                let expected = isTaken ? 128 : nil
                #expect(try await eventually { hosts[0].peerStore.protocols(of: identity.peerID)?.count == expected })
                #expect(peer.channel.isActive)
                try await peer.channel.close()
            }
        }
    }
}

extension Multistream {
    /// What a listener says that takes the first proposal.
    static func answer(_ protocolID: String, into output: inout ByteBuffer) {
        // The words are the same as the dialer's: header and name.
        Multistream(proposing: [protocolID]).start(into: &output)
    }
}

/// Frames that break a rule, and which.
struct Offence: CustomTestStringConvertible {
    let testDescription: String
    let frames: [YamuxFrame]

    init(_ description: String, _ frames: [YamuxFrame]) {
        testDescription = description
        self.frames = frames
    }
}

extension YamuxFrame {
    fileprivate static func syn(_ id: UInt32) -> YamuxFrame { YamuxFrame(.windowUpdate, .syn, stream: id, length: 0) }
}
