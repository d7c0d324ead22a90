package import Multiformats
package import NIOCore
package import PeerCrypto

/// The order in which a TCP connection becomes a secured, multiplexed one, on one page:
///
/// ```
/// TCP -> [private network] -> multistream: /noise -> Noise XX -> muxer: /yamux/1.0.0 -> ConnectionHandler
///                                                               (inline in Noise, else by multistream)
/// ```
/// A pure machine. Whatever arrives behind the upgrade is kept: ciphertext stays in the input, plaintext
/// that came in the same Noise frame is handed over in the result.
package struct ConnectionUpgrade {
    package static let security = "/noise"
    package static let muxer = "/yamux/1.0.0"

    /// What the upgrade found out.
    package struct Result {
        package let peer: PeerID
        package let key: PublicKey
        package let send: NoiseCipher
        package let receive: NoiseCipher
        package let hadInlineMuxer: Bool
        /// Plaintext behind the muxer negotiation.
        package let plaintext: ByteBuffer
    }

    /// Where it is; each has a time limit of its own.
    package enum Phase: Sendable { case security, handshake, muxer, done }

    package private(set) var phase: Phase = .security
    private let isDialer: Bool
    private var negotiation: Multistream
    private var noise: NoiseSession
    private var ciphers: (send: NoiseCipher, receive: NoiseCipher)?
    private var plaintext = ByteBuffer()

    /// An upgrade on the dialer's or the listener's side. With `expecting`, no other peer is accepted.
    /// `offersInlineMuxer` is false only to meet peers of the older kind in tests.
    package init(isDialer: Bool, identity: KeyPair, expecting peer: PeerID?, offersInlineMuxer: Bool = true) {
        self.isDialer = isDialer
        noise = NoiseSession(
            role: isDialer ? .initiator : .responder, identity: identity, expecting: peer,
            muxers: offersInlineMuxer ? [Self.muxer] : [])
        negotiation = Self.negotiation(isDialer: isDialer, Self.security)
    }

    /// Appends the dialer's first words: the header, its only proposal, and the first message of the
    /// handshake that follows if it is taken. One write, and one round trip less.
    package mutating func start(into output: inout ByteBuffer) {
        negotiation.start(into: &output)
        if let first = noise.start() { output.writeBytes(first) }
    }

    /// Consumes what it understands of `input`, appends answers to `output`; gives the result once.
    package mutating func receive(
        _ input: inout ByteBuffer, into output: inout ByteBuffer
    ) throws(ConnectionError) -> Result? {
        if phase == .security {
            guard try Self.negotiate(&negotiation, &input, into: &output) else { return nil }
            phase = .handshake
        }
        if phase == .handshake {
            guard try shakeHands(&input, into: &output) else { return nil }
            ciphers = noise.split()
            if noise.muxer == Self.muxer { return finish(inline: true) }
            phase = .muxer
            negotiation = Self.negotiation(isDialer: isDialer, Self.muxer)
            var words = ByteBuffer()
            negotiation.start(into: &words)
            try seal(words, into: &output)
        }
        guard phase == .muxer else { return nil }
        repeat {
            var words = ByteBuffer()
            let isAgreed = try Self.negotiate(&negotiation, &plaintext, into: &words)
            try seal(words, into: &output)
            if isAgreed { return finish(inline: false) }
        } while try openFrame(&input)
        return nil
    }

    private static func negotiation(isDialer: Bool, _ name: String) -> Multistream {
        isDialer ? Multistream(proposing: [name]) : Multistream(offering: { $0 == name })
    }

    private static func negotiate(
        _ negotiation: inout Multistream, _ input: inout ByteBuffer, into output: inout ByteBuffer
    ) throws(ConnectionError) -> Bool {
        do { return try negotiation.receive(&input, into: &output) != nil } catch { throw .multistream(error) }
    }

    private mutating func shakeHands(
        _ input: inout ByteBuffer, into output: inout ByteBuffer
    ) throws(ConnectionError) -> Bool {
        do { return try noise.receive(&input, into: &output) } catch { throw ConnectionError(error) }
    }

    private mutating func seal(_ words: ByteBuffer, into output: inout ByteBuffer) throws(ConnectionError) {
        guard words.readableBytes > 0 else { return }
        do { try ciphers?.send.seal(words, into: &output) } catch { throw ConnectionError(error) }
    }

    /// Decrypts the next whole frame, if there is one.
    private mutating func openFrame(_ input: inout ByteBuffer) throws(ConnectionError) -> Bool {
        guard let length = input.getInteger(at: input.readerIndex, as: UInt16.self).map(Int.init),
            let frame = input.getSlice(at: input.readerIndex + NoiseCipher.headerLength, length: length)
        else { return false }
        input.moveReaderIndex(forwardBy: NoiseCipher.headerLength + length)
        do { try ciphers?.receive.open(frame: frame, into: &plaintext) } catch { throw ConnectionError(error) }
        return true
    }

    private mutating func finish(inline: Bool) -> Result? {
        guard let ciphers else { return nil }
        phase = .done
        return Result(
            peer: noise.remotePeer, key: noise.remoteKey, send: ciphers.send, receive: ciphers.receive,
            hadInlineMuxer: inline, plaintext: plaintext)
    }
}

extension ConnectionError {
    init(_ error: NoiseError) {
        if case .wrongPeer(let expected, let found) = error {
            self = .wrongPeer(expected: expected, found: found)
        } else {
            self = .security("\(error)")
        }
    }
}
