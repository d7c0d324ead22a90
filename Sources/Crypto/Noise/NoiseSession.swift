package import Multiformats
package import NIOCore

/// libp2p's secure channel before it is one: the XX handshake with both peers' identities checked.
///
/// Pure: bytes from the socket go into `receive`, bytes for the socket come out of it. Every session has a
/// Noise key of its own, which dies with it.
///
///     dialer     start() ---- e ---->                          receive
///     receive         <---- e, s, payload ----                 listener
///     established     ---- s, payload ---->                    established
///
/// Once `receive` has returned true, the peer's values are known and `split` gives the ciphers; bytes behind
/// the last handshake frame stay in the input: they are the first transport frames.
/// Source: https://github.com/libp2p/specs/tree/master/noise
package struct NoiseSession: Sendable {
    package typealias Role = NoiseRole

    /// The longest handshake frame that is read, in bytes. An identity of RSA with 8192 bits takes 2,200.
    package static let maximumFrame = 8192
    /// The first message is a bare key.
    private static let firstMessageLength = 32

    private enum Phase { case fresh, running, established, failed }

    private struct Peer {
        let key: PublicKey
        let id: PeerID
        let muxer: String?
    }

    private let role: Role
    private let identity: KeyPair
    private let expected: PeerID?
    private let muxers: [String]
    private let staticKey: NoiseKeyPair
    private var handshake: NoiseHandshake
    private var phase: Phase
    private var peer: Peer?
    private var isSplit = false

    /// A session of `identity`. When `expecting` is given, no other peer is accepted. `muxers` are offered
    /// inline, the best first; none means that the muxer is negotiated afterwards.
    package init(role: Role, identity: KeyPair, expecting expected: PeerID? = nil, muxers: [String] = []) {
        self.role = role
        self.identity = identity
        self.expected = expected
        self.muxers = muxers
        staticKey = .generate()
        handshake = NoiseHandshake(pattern: .xx, role: role, localStatic: staticKey)
        phase = role == .initiator ? .fresh : .running
    }

    /// The dialer's first frame, once; `nil` for the listener, who waits.
    package mutating func start() -> [UInt8]? {
        guard phase == .fresh, let message = try? handshake.write() else { return nil }
        phase = .running
        return [0, UInt8(message.count)] + message
    }

    /// Takes whole handshake frames from `input`, appends the frames to send to `output`, and says whether the
    /// session is established. Frames that are not complete, and everything after the handshake, stay in `input`.
    package mutating func receive(
        _ input: inout ByteBuffer, into output: inout ByteBuffer
    ) throws(NoiseError) -> Bool {
        guard phase != .failed else { throw .failedBefore }
        precondition(phase != .fresh, "the dialer starts")
        while phase == .running {
            guard let length = input.getInteger(at: input.readerIndex, as: UInt16.self).map(Int.init) else {
                return false
            }
            guard length <= Self.maximumFrame else {
                phase = .failed
                throw .messageTooLong(length)
            }
            guard let message = input.getBytes(at: input.readerIndex + 2, length: length) else { return false }
            input.moveReaderIndex(forwardBy: 2 + length)
            do throws(NoiseError) {
                try handle(message, into: &output)
            } catch {
                phase = .failed
                throw error
            }
        }
        return true
    }

    private mutating func handle(_ message: [UInt8], into output: inout ByteBuffer) throws(NoiseError) {
        if role == .responder, handshake.isFresh {
            // Nothing in it is authenticated yet, so nothing may be in it.
            guard message.count == Self.firstMessageLength else { throw .malformedMessage }
            _ = try handshake.read(message)
            try reply(into: &output)
            return
        }
        let payload = try NoisePayload(try handshake.read(message))
        guard let remoteStatic = handshake.remoteStatic else { throw .malformedMessage }
        let found = try payload.verify(staticKey: remoteStatic, expecting: expected)
        let muxer =
            role == .initiator
            ? NoisePayload.agreedMuxer(initiator: muxers, responder: found.muxers)
            : NoisePayload.agreedMuxer(initiator: found.muxers, responder: muxers)
        peer = Peer(key: found.key, id: found.peer, muxer: muxer)
        if role == .initiator { try reply(into: &output) }
        phase = .established
    }

    private mutating func reply(into output: inout ByteBuffer) throws(NoiseError) {
        let payload = NoisePayload.encode(staticKey: staticKey.publicKey, identity: identity, muxers: muxers)
        let message = try handshake.write(payload: payload)
        output.writeInteger(UInt16(message.count))
        output.writeBytes(message)
    }

    // MARK: The established session

    package var isEstablished: Bool { phase == .established }

    private var established: Peer {
        guard phase == .established, let peer else { preconditionFailure("the session is not established") }
        return peer
    }

    /// Who is at the other end: proven by its signature.
    package var remotePeer: PeerID { established.id }

    /// The identity key of the other end.
    package var remoteKey: PublicKey { established.key }

    /// The muxer that was agreed on inside the handshake; `nil` when it is yet to be negotiated.
    package var muxer: String? { established.muxer }

    /// The same 32 bytes on both sides, and in no other session.
    package var handshakeHash: [UInt8] { handshake.handshakeHash }

    /// The ciphers of the two directions, taken once.
    package mutating func split() -> (send: NoiseCipher, receive: NoiseCipher) {
        precondition(phase == .established, "the session is not established")
        precondition(!isSplit, "a session is split once")
        isSplit = true
        return handshake.split()
    }
}
