import Crypto
import CryptoExtras
import Multiformats
import NIOCore
import PeerCrypto
import TestSupport
import Testing

/// libp2p's handshake: who is accepted, who is not, and what is left of the input.
@Suite struct NoiseSessionTests {
    @Test("both sides learn each other, agree on the hash, and can talk")
    func completes() throws {
        var pair = Handshake()
        let frames = try pair.run()
        #expect(frames[0].count == 2 + 32)
        #expect(frames.allSatisfy { $0.count < 1024 })
        #expect(pair.dialer.remotePeer == KeyPair(seed: seed(2)).peerID)
        #expect(pair.listener.remotePeer == KeyPair(seed: seed(1)).peerID)
        #expect(pair.listener.remoteKey == KeyPair(seed: seed(1)).publicKey)
        #expect(pair.dialer.handshakeHash == pair.listener.handshakeHash)
        let dialer = pair.dialer.split()
        let listener = pair.listener.split()
        #expect(try opened(sealed([1, 2, 3], by: dialer.send), by: listener.receive) == [1, 2, 3])
        #expect(try opened(sealed([], by: listener.send), by: dialer.receive) == [])
    }

    @Test("two sessions of one identity use different Noise keys")
    func freshKeys() throws {
        var first = Handshake()
        var second = Handshake()
        #expect(try first.run()[0] != second.run()[0])
        #expect(first.dialer.handshakeHash != second.dialer.handshakeHash)
    }

    @Test(
        "the inline muxer is the dialer's first that the listener has; otherwise there is none",
        arguments: [
            (["/yamux/1.0.0"], ["/yamux/1.0.0"], "/yamux/1.0.0" as String?),
            (["/a", "/b", "/c"], ["/c", "/b"], "/b"),
            ([], ["/yamux/1.0.0"], nil),
            (["/yamux/1.0.0"], [], nil),
            (["/a"], ["/b"], nil),
        ])
    func muxer(_ dialer: [String], _ listener: [String], _ expected: String?) throws {
        var pair = Handshake(dialerMuxers: dialer, listenerMuxers: listener)
        try pair.run()
        #expect(pair.dialer.muxer == expected)
        #expect(pair.listener.muxer == expected)
    }

    @Test("a dialer that expected another peer refuses, and says whom it found")
    func wrongPeer() throws {
        let expected = KeyPair(seed: seed(9)).peerID
        var pair = Handshake(expecting: expected)
        let first = try unwrap(pair.dialer.start())
        var second = ByteBuffer(bytes: try pair.feed(&pair.listener, first, established: false))
        var output = ByteBuffer()
        #expect(throws: NoiseError.wrongPeer(expected: expected, found: KeyPair(seed: seed(2)).peerID)) {
            try pair.dialer.receive(&second, into: &output)
        }
        #expect(output.readableBytes == 0)
        #expect(throws: NoiseError.failedBefore) { try pair.dialer.receive(&second, into: &output) }
    }

    @Test("however the bytes are cut, the same session comes out, and what follows the handshake stays")
    func everySplit() throws {
        // The dialer's two frames and the first transport frame, cut at every offset.
        var reference = Handshake()
        let second = try reference.run()[1]
        for cut in 0...second.count {
            var pair = Handshake(dialerMuxers: ["/yamux/1.0.0"], listenerMuxers: ["/yamux/1.0.0"])
            let first = try unwrap(pair.dialer.start())
            let answer = try pair.feed(&pair.listener, first, established: false) + [0xaa]
            var input = ByteBuffer(bytes: answer[..<min(cut, answer.count)])
            var output = ByteBuffer()
            #expect(try pair.dialer.receive(&input, into: &output) == false)
            input.writeBytes(answer[min(cut, answer.count)...])
            #expect(try pair.dialer.receive(&input, into: &output) == true)
            #expect(Array(input.readableBytesView) == [0xaa])
            let cipher = pair.dialer.split().send
            let transport = frame(try sealed([7], by: cipher))
            let stream = Array(output.readableBytesView) + transport
            let third = output.readableBytes
            let place = cut * third / second.count
            var late = ByteBuffer(bytes: stream[..<place])
            var none = ByteBuffer()
            #expect(try pair.listener.receive(&late, into: &none) == (place >= third))
            late.writeBytes(stream[place...])
            #expect(try pair.listener.receive(&late, into: &none) == true)
            #expect(none.readableBytes == 0)
            #expect(Array(late.readableBytesView) == transport)
        }
    }

    @Test("a listener fed one byte at a time waits without consuming")
    func bytewise() throws {
        var pair = Handshake()
        let first = try unwrap(pair.dialer.start())
        var input = ByteBuffer()
        var output = ByteBuffer()
        for byte in first.dropLast() {
            input.writeInteger(byte)
            #expect(try pair.listener.receive(&input, into: &output) == false)
            #expect(output.readableBytes == 0)
        }
        #expect(input.readableBytes == first.count - 1)
        input.writeInteger(first[first.count - 1])
        #expect(try pair.listener.receive(&input, into: &output) == false)
        #expect(input.readableBytes == 0 && output.readableBytes > 0)
    }

    @Test("one changed bit anywhere in a message ends the handshake; none is ever accepted")
    func tampering() throws {
        var reference = Handshake()
        let lengths = try reference.run().map(\.count)
        for (number, length) in lengths.enumerated() {
            for position in 2..<length {
                var pair = Handshake()
                let first = try unwrap(pair.dialer.start())
                let error = #expect(throws: NoiseError.self, "message \(number), byte \(position)") {
                    try drive(&pair, first, tamperedMessage: number, at: position)
                }
                #expect(error != nil)
            }
        }
    }

    /// Runs `pair` with one bit of one message flipped, checking that neither side is established by it.
    private func drive(_ pair: inout Handshake, _ first: [UInt8], tamperedMessage: Int, at position: Int) throws {
        func changed(_ bytes: [UInt8], _ number: Int) -> ByteBuffer {
            var bytes = bytes
            if number == tamperedMessage { bytes[position] ^= UInt8(1) << UInt8(position % 8) }
            return ByteBuffer(bytes: bytes)
        }
        var output = ByteBuffer()
        var input = changed(first, 0)
        _ = try pair.listener.receive(&input, into: &output)
        input = changed(Array(output.readableBytesView), 1)
        output.clear()
        // The top bit of a public key means nothing to X25519, but it is hashed: the next message fails.
        _ = try pair.dialer.receive(&input, into: &output)
        #expect(tamperedMessage == 2, "the dialer accepted message \(tamperedMessage), byte \(position)")
        input = changed(Array(output.readableBytesView), 2)
        output.clear()
        _ = try pair.listener.receive(&input, into: &output)
        #expect(Bool(false), "the listener accepted message 2, byte \(position)")
    }

    @Test("a recorded session played back to the same peer is not accepted, from either side")
    func replay() throws {
        var recorded = Handshake()
        let frames = try recorded.run()
        var listener = Handshake().listener
        var input = ByteBuffer(bytes: frames[0] + frames[2])
        var output = ByteBuffer()
        #expect(throws: NoiseError.authenticationFailed) { try listener.receive(&input, into: &output) }
        var dialer = Handshake().dialer
        _ = dialer.start()
        input = ByteBuffer(bytes: frames[1])
        #expect(throws: NoiseError.authenticationFailed) { try dialer.receive(&input, into: &output) }
        #expect(!listener.isEstablished && !dialer.isEstablished)
    }

    @Test("messages of the wrong length are refused before they are collected")
    func lengths() throws {
        let key = KeyPair(seed: seed(3))
        for (bytes, error) in [
            (frame([UInt8](repeating: 9, count: 31)), NoiseError.malformedMessage),
            (frame([UInt8](repeating: 9, count: 33)), .malformedMessage),
            (frame([]), .malformedMessage),
            ([0x20, 0x01], .messageTooLong(0x2001)),
            ([0xff, 0xff], .messageTooLong(0xffff)),
        ] {
            var session = NoiseSession(role: .responder, identity: key)
            var input = ByteBuffer(bytes: bytes)
            var output = ByteBuffer()
            #expect(throws: error) { try session.receive(&input, into: &output) }
        }
        for length in [0, 31, 32, 95, 96] {
            var session = NoiseSession(role: .initiator, identity: key)
            _ = session.start()
            var input = ByteBuffer(bytes: frame([UInt8](repeating: 9, count: length)))
            var output = ByteBuffer()
            #expect(throws: NoiseError.self) { try session.receive(&input, into: &output) }
        }
    }

    @Test("a key of low order is refused: the secret would be known", arguments: [0, 1])
    func weakKeys(_ first: UInt8) throws {
        var session = NoiseSession(role: .responder, identity: KeyPair(seed: seed(3)))
        var input = ByteBuffer(bytes: frame([first] + [UInt8](repeating: 0, count: 31)))
        var output = ByteBuffer()
        #expect(throws: NoiseError.weakKey) { try session.receive(&input, into: &output) }
    }

    // MARK: Peers with other payloads

    /// A dialer of our own making, which sends any payload it likes.
    private func dial(_ payload: (_ staticKey: [UInt8]) throws -> [UInt8], muxers: [String] = []) throws -> NoiseSession
    {
        var session = NoiseSession(role: .responder, identity: KeyPair(seed: seed(3)), muxers: muxers)
        let key = NoiseKeyPair.generate()
        var handshake = NoiseHandshake(pattern: .xx, role: .initiator, localStatic: key)
        var input = ByteBuffer(bytes: frame(try handshake.write()))
        var output = ByteBuffer()
        #expect(try session.receive(&input, into: &output) == false)
        _ = try handshake.read(Array(output.readableBytesView.dropFirst(2)))
        input = ByteBuffer(bytes: frame(try handshake.write(payload: try payload(key.publicKey))))
        output.clear()
        #expect(try session.receive(&input, into: &output) == true)
        return session
    }

    private func message(key: [UInt8]?, signature: [UInt8]?, extensions: ((inout ProtobufWriter) -> Void)? = nil)
        -> [UInt8]
    {
        var writer = ProtobufWriter()
        if let key { writer.bytes(1, key) }
        if let signature { writer.bytes(2, signature) }
        writer.bytes(3, [1, 2, 3])
        if let extensions { writer.message(4, extensions) }
        return writer.bytes
    }

    private func signed(_ staticKey: [UInt8]) -> [UInt8] { Array("noise-libp2p-static-key:".utf8) + staticKey }

    @Test("an RSA peer, as most old ones are, is accepted by its signature", arguments: [2048, 3072])
    func rsa(_ bits: Int) throws {
        let key = try _RSA.Signing.PrivateKey(keySize: .init(bitCount: bits))
        let identity = try PublicKey(kind: .rsa, data: Array(key.publicKey.derRepresentation))
        let session = try dial { staticKey in
            let signature = try key.signature(for: signed(staticKey), padding: .insecurePKCS1v1_5)
            return message(key: identity.protobuf, signature: Array(signature.rawRepresentation))
        }
        #expect(session.remotePeer == identity.peerID)
        #expect(session.remotePeer.description.hasPrefix("Qm"))
    }

    @Test("an RSA key below 2048 bits is refused by its length")
    func shortRSA() throws {
        let key = try _RSA.Signing.PrivateKey(unsafeKeySize: .init(bitCount: 1024))
        let identity = try PublicKey(kind: .rsa, data: Array(key.publicKey.derRepresentation))
        #expect(throws: NoiseError.identityKey(.rsaLength(bits: 1024))) {
            try dial { staticKey in
                let signature = try key.signature(for: signed(staticKey), padding: .insecurePKCS1v1_5)
                return message(key: identity.protobuf, signature: Array(signature.rawRepresentation))
            }
        }
    }

    @Test("an ECDSA peer on P-256 is accepted; one on another curve is refused by name")
    func ecdsa() throws {
        let key = P256.Signing.PrivateKey()
        let identity = try PublicKey(kind: .ecdsa, data: Array(key.publicKey.derRepresentation))
        let session = try dial { staticKey in
            message(
                key: identity.protobuf,
                signature: Array(try key.signature(for: signed(staticKey)).derRepresentation))
        }
        #expect(session.remotePeer == identity.peerID)
        let other = P384.Signing.PrivateKey()
        let refused = try PublicKey(kind: .ecdsa, data: Array(other.publicKey.derRepresentation))
        #expect(throws: NoiseError.identityKey(.unsupported(.ecdsa))) {
            try dial { _ in message(key: refused.protobuf, signature: [1]) }
        }
    }

    @Test("a secp256k1 peer is refused in words that say so")
    func secp256k1() throws {
        let key = try PublicKey(kind: .secp256k1, data: [2] + seed(7))
        let error = #expect(throws: NoiseError.identityKey(.unsupported(.secp256k1))) {
            try dial { _ in message(key: key.protobuf, signature: seed(1)) }
        }
        #expect("\(try #require(error))".contains("secp256k1"))
    }

    @Test("payloads that prove nothing are refused")
    func badPayloads() throws {
        let key = KeyPair(seed: seed(5))
        let good = key.publicKey.protobuf
        func refused(_ error: NoiseError, _ payload: @escaping ([UInt8]) -> [UInt8]) {
            #expect(throws: error) { try dial(payload) }
        }
        refused(.malformedPayload) { _ in [] }
        refused(.malformedPayload) { _ in [0xff] }
        refused(.malformedPayload) { _ in message(key: good, signature: nil) }
        refused(.malformedPayload) { staticKey in message(key: nil, signature: key.sign(signed(staticKey))) }
        refused(.identityKey(.malformed)) { _ in message(key: [], signature: [1]) }
        refused(.identityKey(.unknownType(9))) { _ in message(key: [8, 9, 18, 1, 1], signature: [1]) }
        // Signed by another key, over another Noise key, and without the prefix.
        refused(.invalidSignature) { message(key: good, signature: KeyPair(seed: seed(6)).sign(signed($0))) }
        refused(.invalidSignature) { _ in message(key: good, signature: key.sign(signed(seed(1)))) }
        refused(.invalidSignature) { message(key: good, signature: key.sign($0)) }
    }

    @Test("extensions are read after the signature, and a list of more than 100 muxers counts as none")
    func extensions() throws {
        let key = KeyPair(seed: seed(5))
        func session(_ muxers: [String]) throws -> NoiseSession {
            try dial(
                { staticKey in
                    message(key: key.publicKey.protobuf, signature: key.sign(signed(staticKey))) { writer in
                        writer.bytes(1, [1, 2, 3])
                        for muxer in muxers { writer.string(2, muxer) }
                    }
                }, muxers: ["/yamux/1.0.0"])
        }
        #expect(try session(["/mplex/6.7.0", "/yamux/1.0.0"]).muxer == "/yamux/1.0.0")
        #expect(try session((0..<100).map { $0 == 99 ? "/yamux/1.0.0" : "/m\($0)" }).muxer == "/yamux/1.0.0")
        #expect(try session((0..<101).map { $0 == 100 ? "/yamux/1.0.0" : "/m\($0)" }).muxer == nil)
        #expect(throws: NoiseError.malformedPayload) {
            try dial { staticKey in
                message(key: key.publicKey.protobuf, signature: key.sign(signed(staticKey))) { $0.bytes(2, [0xff]) }
            }
        }
        // Broken extensions of an unproven peer are never looked at.
        #expect(throws: NoiseError.invalidSignature) {
            try dial { _ in message(key: key.publicKey.protobuf, signature: seed(1)) { $0.bytes(2, [0xff]) } }
        }
    }

    @Test("sessions do not show their keys")
    func description() throws {
        let key = KeyPair(seed: seed(5))
        var text = ""
        dump(NoiseSession(role: .initiator, identity: key), to: &text)
        for secret in secretForms(of: key) { #expect(!text.contains(secret)) }
    }
}
