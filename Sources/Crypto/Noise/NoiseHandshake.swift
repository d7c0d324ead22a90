/// Any Noise handshake, run by its pattern; pure.
///
/// `write` and `read` take turns, the initiator writes first; after the last message `split` gives the two
/// ciphers. What the payloads mean is the caller's affair, as is framing. After an error nothing more is
/// written or read.
///
///     initiator   write -> read -> write -> split
///     responder   read -> write -> read -> split
package struct NoiseHandshake: Sendable {
    /// The longest message that Noise allows, in bytes.
    package static let maximumMessage = 65_535

    private let pattern: NoisePattern
    private let role: NoiseRole
    private var state: SymmetricState
    private let localStatic: NoiseKeyPair?
    private var localEphemeral: NoiseKeyPair?
    private var remoteEphemeral: [UInt8]?
    private let psk: SecretBytes?
    private var nextMessage = 0
    private var failed = false

    /// The peer's static key: given, or learnt from a message.
    package private(set) var remoteStatic: [UInt8]?

    /// A handshake before its first message. `localStatic`, `remoteStatic` and `psk` (32 bytes) are needed where
    /// the pattern says so; `ephemeral` is given by tests alone.
    package init(
        pattern: NoisePattern, role: NoiseRole, prologue: [UInt8] = [], localStatic: NoiseKeyPair? = nil,
        remoteStatic: [UInt8]? = nil, psk: SecretBytes? = nil, ephemeral: NoiseKeyPair? = nil
    ) {
        precondition(!pattern.hasPSK || psk?.count == 32, "this pattern needs a pre-shared key of 32 bytes")
        self.pattern = pattern
        self.role = role
        self.localStatic = localStatic
        self.psk = psk
        localEphemeral = ephemeral
        state = SymmetricState(protocolName: pattern.protocolName)
        state.mixHash(prologue)
        guard pattern.responderKnown else { return }
        let known = role == .initiator ? remoteStatic : localStatic?.publicKey
        guard let known, known.count == 32 else { preconditionFailure("this pattern needs the responder's key") }
        if role == .initiator { self.remoteStatic = known }
        state.mixHash(known)
    }

    /// Sets the ephemeral key of a handshake that has drawn none yet, for those whose luck is injected.
    package mutating func setEphemeral(_ key: NoiseKeyPair) {
        precondition(localEphemeral == nil, "an ephemeral key is drawn once")
        localEphemeral = key
    }

    /// Whether every message has gone through.
    package var isComplete: Bool { !failed && nextMessage == pattern.messages.count }

    /// Whether no message has gone through yet.
    var isFresh: Bool { nextMessage == 0 }

    /// Whether it is this side's turn to write.
    package var isWriting: Bool {
        nextMessage < pattern.messages.count && (nextMessage % 2 == 0) == (role == .initiator)
    }

    /// The hash of the whole transcript, the same on both sides and unique to this session.
    package var handshakeHash: [UInt8] { state.hash }

    /// The next message, with `payload` encrypted if there is a key by then.
    package mutating func write(payload: [UInt8] = []) throws(NoiseError) -> [UInt8] {
        guard !failed else { throw .failedBefore }
        precondition(isWriting, "it is the peer's turn")
        // Stays set when a step throws; cleared at the end.
        failed = true
        var message: [UInt8] = []
        for token in pattern.messages[nextMessage] {
            switch token {
            case .e:
                let ephemeral = localEphemeral ?? .generate()
                localEphemeral = ephemeral
                message += ephemeral.publicKey
                mixEphemeral(ephemeral.publicKey)
            case .s:
                guard let localStatic else { preconditionFailure("this pattern needs a static key") }
                message += state.encryptAndHash(localStatic.publicKey)
            case .psk, .ee, .es, .se, .ss: try mix(token)
            }
        }
        message += state.encryptAndHash(payload)
        precondition(message.count <= Self.maximumMessage, "payload too long")
        nextMessage += 1
        failed = false
        return message
    }

    /// Takes the peer's next message and returns its payload.
    package mutating func read(_ message: [UInt8]) throws(NoiseError) -> [UInt8] {
        guard !failed else { throw .failedBefore }
        precondition(!isWriting && !isComplete, "it is our turn")
        failed = true
        guard message.count <= Self.maximumMessage else { throw .messageTooLong(message.count) }
        var rest = message[...]
        func take(_ count: Int) throws(NoiseError) -> [UInt8] {
            guard rest.count >= count else { throw .malformedMessage }
            defer { rest = rest.dropFirst(count) }
            return Array(rest.prefix(count))
        }
        for token in pattern.messages[nextMessage] {
            switch token {
            case .e:
                let key = try take(32)
                remoteEphemeral = key
                mixEphemeral(key)
            case .s:
                remoteStatic = try state.decryptAndHash(try take(state.hasKey ? 32 + AEAD.tagLength : 32))
            case .psk, .ee, .es, .se, .ss: try mix(token)
            }
        }
        let payload = try state.decryptAndHash(Array(rest))
        nextMessage += 1
        failed = false
        return payload
    }

    /// The ciphers for what follows. In a one-way pattern only the initiator's `send` and the responder's
    /// `receive` may be used.
    package func split() -> (send: NoiseCipher, receive: NoiseCipher) {
        precondition(isComplete, "the handshake is not over")
        let (first, second) = state.split()
        return role == .initiator
            ? (NoiseCipher(key: first), NoiseCipher(key: second))
            : (NoiseCipher(key: second), NoiseCipher(key: first))
    }

    /// The bare keys of the two directions, for a transport whose packets carry their own counter.
    package func splitKeys() -> (send: SecretBytes, receive: SecretBytes) {
        precondition(isComplete, "the handshake is not over")
        let (first, second) = state.split()
        return role == .initiator ? (first, second) : (second, first)
    }

    private mutating func mixEphemeral(_ key: [UInt8]) {
        state.mixHash(key)
        if pattern.hasPSK { state.mixKey(SecretBytes(key)) }
    }

    private mutating func mix(_ token: NoisePattern.Token) throws(NoiseError) {
        let initiator = role == .initiator
        switch token {
        case .ee: try mixShared(localEphemeral, remoteEphemeral)
        // The first letter is the initiator's key, the second the responder's.
        case .es: try initiator ? mixShared(localEphemeral, remoteStatic) : mixShared(localStatic, remoteEphemeral)
        case .se: try initiator ? mixShared(localStatic, remoteEphemeral) : mixShared(localEphemeral, remoteStatic)
        case .ss: try mixShared(localStatic, remoteStatic)
        case .psk:
            guard let psk else { preconditionFailure("this pattern needs a pre-shared key") }
            state.mixKeyAndHash(psk)
        case .e, .s: break
        }
    }

    private mutating func mixShared(_ local: NoiseKeyPair?, _ remote: [UInt8]?) throws(NoiseError) {
        guard let local, let remote else { preconditionFailure("this pattern needs a key that was not given") }
        guard let shared = Sodium.x25519(secret: local.secret, publicKey: remote) else { throw .weakKey }
        state.mixKey(shared)
    }
}
