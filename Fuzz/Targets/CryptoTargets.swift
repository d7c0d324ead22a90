import Multiformats
import NIOCore
import PeerCrypto

extension FuzzTarget {
    /// Keys, handshakes and frames.
    static let crypto: [FuzzTarget] = [
        FuzzTarget("noise", maximumLength: 2048) { input in
            let rest = ByteBuffer(bytes: input.dropFirst())
            switch (input.first ?? 0) % 4 {
            case 0: handshake(.responder, rest)
            case 1: handshake(.initiator, rest)
            case 2: payload(Array(input.dropFirst()))
            default: frames(rest)
            }
        },
        FuzzTarget("key", maximumLength: 1024) { input in
            if let key = try? PublicKey(protobuf: input) {
                agree((try? PublicKey(protobuf: key.protobuf)) == key, "protobuf form")
                _ = (key.peerID, key.verify(signature: Array(input.prefix(64)), message: input))
            }
            if let pair = try? KeyPair(privateProtobuf: input) {
                agree((try? KeyPair(privateProtobuf: pair.privateProtobuf))?.peerID == pair.peerID, "private form")
            }
        },
    ]

    /// The same identity for every input, so that a run repeats as far as fresh Noise keys allow.
    private static let identity = KeyPair(seed: [UInt8](repeating: 7, count: 32))

    /// A stranger's bytes instead of a handshake: never established, never more than one answer.
    private static func handshake(_ role: NoiseSession.Role, _ input: ByteBuffer) {
        var input = input
        var output = ByteBuffer()
        var session = NoiseSession(role: role, identity: identity, muxers: ["/yamux/1.0.0"])
        _ = session.start()
        let established = try? session.receive(&input, into: &output)
        agree(established != true, "a stranger's bytes are no handshake")
        agree(output.readableBytes < 1024, "one answer at most")
    }

    private static func payload(_ input: [UInt8]) {
        guard let payload = try? NoisePayload(input) else { return }
        let found = try? payload.verify(staticKey: [UInt8](repeating: 9, count: 32), expecting: nil)
        agree(found == nil || found?.peer == found?.key.peerID, "the peer is its key")
    }

    /// A real session, then a stranger's frames: nothing opens that the other side has not sealed.
    private static func frames(_ input: ByteBuffer) {
        let key = SecretBytes([UInt8](repeating: 3, count: 32))
        let sender = NoiseCipher(key: key)
        let receiver = NoiseCipher(key: key)
        var sealed = ByteBuffer()
        var opened = ByteBuffer()
        guard (try? sender.seal(input, into: &sealed)) != nil else { return }
        sealed.moveReaderIndex(forwardBy: NoiseCipher.headerLength)
        agree((try? receiver.open(frame: sealed, into: &opened)) == input.readableBytes, "what is sealed opens")
        agree(opened == input, "and is the same")
        agree((try? receiver.open(frame: input, into: &opened)) == nil, "what a stranger made does not open")
        agree((try? receiver.open(frame: sealed, into: &opened)) == nil, "after which nothing opens")
    }
}
