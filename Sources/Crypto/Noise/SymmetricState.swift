/// The chaining key, the transcript hash and the current key of a Noise handshake.
///
/// Source: https://noiseprotocol.org/noise.html section 5.2, with 25519, ChaChaPoly and SHA256.
struct SymmetricState: Sendable {
    /// The hash of everything that both sides have seen so far.
    private(set) var hash: [UInt8]
    private var chainingKey: SecretBytes
    private var key: SecretBytes?
    private var nonce: UInt64 = 0

    init(protocolName: String) {
        Sodium.initialize()
        let name = Array(protocolName.utf8)
        hash = name.count <= 32 ? name + [UInt8](repeating: 0, count: 32 - name.count) : Sodium.sha256(name, [])
        chainingKey = SecretBytes(hash)
    }

    var hasKey: Bool { key != nil }

    mutating func mixHash(_ data: [UInt8]) { hash = Sodium.sha256(hash, data) }

    mutating func mixKey(_ input: SecretBytes) {
        let outputs = expand(input, count: 2)
        chainingKey = outputs[0]
        setKey(outputs[1])
    }

    mutating func mixKeyAndHash(_ input: SecretBytes) {
        let outputs = expand(input, count: 3)
        chainingKey = outputs[0]
        mixHash(outputs[1].reveal())
        setKey(outputs[2])
    }

    private mutating func setKey(_ newKey: SecretBytes) {
        key = newKey
        nonce = 0
    }

    /// Encrypts, once there is a key; hashes what goes over the wire in either case.
    mutating func encryptAndHash(_ plaintext: [UInt8]) -> [UInt8] {
        guard let key else {
            mixHash(plaintext)
            return plaintext
        }
        let ciphertext = AEAD.seal(plaintext, key: key, nonce: AEAD.Nonce(counter: nonce), additional: hash)
        nonce += 1
        mixHash(ciphertext)
        return ciphertext
    }

    mutating func decryptAndHash(_ ciphertext: [UInt8]) throws(NoiseError) -> [UInt8] {
        guard let key else {
            mixHash(ciphertext)
            return ciphertext
        }
        guard let plaintext = AEAD.open(ciphertext, key: key, nonce: AEAD.Nonce(counter: nonce), additional: hash)
        else { throw .authenticationFailed }
        nonce += 1
        mixHash(ciphertext)
        return plaintext
    }

    /// The keys of the transport: the initiator's direction, then the responder's.
    func split() -> (SecretBytes, SecretBytes) {
        let outputs = expand(nil, count: 2)
        return (outputs[0], outputs[1])
    }

    /// Noise's HKDF, which has no info string.
    private func expand(_ input: SecretBytes?, count: Int) -> [SecretBytes] {
        let temporary = Sodium.hmac(key: chainingKey, message: input)
        var outputs: [SecretBytes] = []
        for number in 1...count {
            outputs.append(Sodium.hmac(key: temporary, message: outputs.last, suffix: UInt8(number)))
        }
        return outputs
    }
}
