import Multiformats
import NIOCore
import PeerCrypto
import TestSupport
import Testing
import Transport

/// The way from a socket's first byte to a multiplexed connection, as a pure machine.
@Suite struct UpgradeTests {
    static let dialer = KeyPair(seed: [UInt8](repeating: 1, count: 32))
    static let listener = KeyPair(seed: [UInt8](repeating: 2, count: 32))

    /// Runs both sides against each other, one byte or `chunk` bytes at a time.
    static func run(
        _ dialer: inout ConnectionUpgrade, _ listener: inout ConnectionUpgrade, chunk: Int = .max,
        behindDialer: String = "", behindListener: String = ""
    ) throws -> (dialer: ConnectionUpgrade.Result, listener: ConnectionUpgrade.Result, rest: [ByteBuffer]) {
        var toListener = ByteBuffer()
        var toDialer = ByteBuffer()
        dialer.start(into: &toListener)
        var inputs = [ByteBuffer(), ByteBuffer()]
        var results: [ConnectionUpgrade.Result?] = [nil, nil]
        var rounds = 0
        while results[0] == nil || results[1] == nil || toListener.readableBytes + toDialer.readableBytes > 0 {
            rounds += 1
            try #require(rounds < 10_000, "no progress")
            if let piece = toDialer.readSlice(length: min(chunk, toDialer.readableBytes)) {
                inputs[0].writeImmutableBuffer(piece)
            }
            if let piece = toListener.readSlice(length: min(chunk, toListener.readableBytes)) {
                inputs[1].writeImmutableBuffer(piece)
            }
            if results[0] == nil, let result = try dialer.receive(&inputs[0], into: &toListener) {
                results[0] = result
                if !behindDialer.isEmpty { try result.send.seal(ByteBuffer(string: behindDialer), into: &toListener) }
            }
            if results[1] == nil, let result = try listener.receive(&inputs[1], into: &toDialer) {
                results[1] = result
                if !behindListener.isEmpty { try result.send.seal(ByteBuffer(string: behindListener), into: &toDialer) }
            }
        }
        return (try #require(results[0]), try #require(results[1]), inputs)
    }

    static func pair(
        expecting peer: PeerID? = listener.peerID, dialerInline: Bool = true, listenerInline: Bool = true
    ) -> (ConnectionUpgrade, ConnectionUpgrade) {
        (
            ConnectionUpgrade(isDialer: true, identity: dialer, expecting: peer, offersInlineMuxer: dialerInline),
            ConnectionUpgrade(isDialer: false, identity: listener, expecting: nil, offersInlineMuxer: listenerInline)
        )
    }

    /// Reads the one frame that was sent behind the upgrade.
    static func open(_ result: ConnectionUpgrade.Result, _ input: ByteBuffer) throws -> String {
        var input = input
        var plaintext = result.plaintext
        let length = Int(input.readInteger(as: UInt16.self) ?? 0)
        let frame = input.readSlice(length: length) ?? ByteBuffer()
        try result.receive.open(frame: frame, into: &plaintext)
        return String(buffer: plaintext)
    }

    @Test(
        "Both sides meet however the bytes are cut, with the muxer inline or by multistream, and keep what follows",
        arguments: [true, false], [1, 2, 3, 5, 7, 16, 33, 64, 100, 1_000, .max])
    func chunks(inline: Bool, chunk: Int) throws {
        var (dialer, listener) = Self.pair(dialerInline: inline)
        let (first, second, rest) = try Self.run(
            &dialer, &listener, chunk: chunk, behindDialer: "from the dialer", behindListener: "from the listener")
        #expect(first.peer == Self.listener.peerID)
        #expect(second.peer == Self.dialer.peerID)
        #expect(first.hadInlineMuxer == inline && second.hadInlineMuxer == inline)
        #expect(try Self.open(first, rest[0]) == "from the listener")
        #expect(try Self.open(second, rest[1]) == "from the dialer")
    }

    @Test("A listener's stream cut once, at every offset")
    func everyOffset() throws {
        // The dialer's words depend on fresh keys, so each cut is a run of its own.
        for cut in 1..<64 {
            var (dialer, listener) = Self.pair()
            var words = ByteBuffer()
            dialer.start(into: &words)
            var input = words.readSlice(length: min(cut, words.readableBytes))!
            var answer = ByteBuffer()
            #expect(try listener.receive(&input, into: &answer) == nil)
            input.writeImmutableBuffer(words)
            #expect(try listener.receive(&input, into: &answer) == nil)
            #expect(input.readableBytes == 0)
            #expect(listener.phase == .handshake)
            #expect(answer.readableBytes > 100)
        }
    }

    @Test("A dialer says header, proposal and first handshake message in one write")
    func firstWords() {
        var (dialer, _) = Self.pair()
        var words = ByteBuffer()
        dialer.start(into: &words)
        #expect(
            words.readableBytesView.prefix(28).hexText == "132f6d756c746973747265616d2f312e302e300a072f6e6f6973650a")
        #expect(words.readableBytes == 28 + 2 + 32)
    }

    @Test("Another peer than the one that was dialled is refused")
    func wrongPeer() throws {
        var (dialer, listener) = Self.pair(expecting: Self.dialer.peerID)
        #expect(throws: ConnectionError.wrongPeer(expected: Self.dialer.peerID, found: Self.listener.peerID)) {
            _ = try Self.run(&dialer, &listener)
        }
    }

    @Test("Nothing weaker than Noise is taken: a listener says na, a dialer gives up")
    func downgrade() throws {
        var (dialer, listener) = Self.pair()
        var input = ByteBuffer(bytes: hex("132f6d756c746973747265616d2f312e302e300a"))
        for name in ["/plaintext/2.0.0", "/tls/1.0.0", "/secio/1.0.0"] {
            input.writeInteger(UInt8(name.utf8.count + 1))
            input.writeString(name + "\n")
        }
        var output = ByteBuffer()
        #expect(try listener.receive(&input, into: &output) == nil)
        #expect(output.readableBytesView.hexText.hasSuffix("036e610a036e610a036e610a"))
        #expect(listener.phase == .security)
        input = ByteBuffer(bytes: hex("132f6d756c746973747265616d2f312e302e300a036e610a"))
        #expect(throws: ConnectionError.multistream(.noneAccepted)) { try dialer.receive(&input, into: &output) }
    }

    @Test("A flipped bit anywhere in the listener's answer ends the upgrade")
    func tampering() throws {
        var offset = 0
        while true {
            var (dialer, listener) = Self.pair()
            var words = ByteBuffer()
            dialer.start(into: &words)
            var answer = ByteBuffer()
            #expect(try listener.receive(&words, into: &answer) == nil)
            guard offset < answer.readableBytes else { break }
            answer.setInteger(answer.getInteger(at: offset, as: UInt8.self)! ^ 0x10, at: offset)
            var output = ByteBuffer()
            // A changed length only makes it wait for more; nothing else may pass.
            let isLength = offset == 28 || offset == 29
            let result = Result { try dialer.receive(&answer, into: &output) }
            if case .success(let value) = result {
                #expect(isLength && value == nil, "offset \(offset)")
            }
            offset += 1
        }
    }
}
