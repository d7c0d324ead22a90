import CSodium

/// A secret locked with a passphrase: Argon2id makes the key, XChaCha20-Poly1305 locks.
///
/// The bytes hold everything but the passphrase: a name and version, what the key costs, the salt, the nonce and the
/// ciphertext with its tag. All that stands before the ciphertext is authenticated with it.
/// Sources: RFC 9106; https://datatracker.ietf.org/doc/html/draft-irtf-cfrg-xchacha
package enum PassphraseBox {
    /// What making the key costs whoever tries a passphrase.
    package struct Cost: Hashable, Sendable {
        /// Passes over the memory.
        package let passes: UInt32
        /// In KiB.
        package let memory: UInt32

        package init(passes: UInt32, memory: UInt32) {
            self.passes = passes
            self.memory = memory
        }

        /// About a fifth of a second and 64 MiB, which the smallest of computers has as well.
        package static let normal = Cost(passes: 4, memory: 64 * 1024)
        /// The least that there is, for tests.
        package static let least = Cost(passes: 1, memory: 8)
        /// The most that is read: a file from elsewhere must not take the machine down.
        static let most = Cost(passes: 32, memory: 1024 * 1024)
    }

    private static let magic = Array("coliving-box/1".utf8)
    private static let headerLength = magic.count + 8 + 16 + 24

    /// Whether these bytes are a locked secret of this format.
    package static func isBox(_ bytes: [UInt8]) -> Bool { bytes.starts(with: magic) }

    /// Locks `secret`; two boxes of one secret have nothing in common.
    package static func seal(
        _ secret: SecretBytes, passphrase: String, cost: Cost = .normal
    ) throws(PassphraseError) -> [UInt8] {
        let salt = RandomBytes.make(16)
        let header = magic + bytes(cost.passes) + bytes(cost.memory) + salt + RandomBytes.make(24)
        let key = try key(passphrase, salt: salt, cost)
        var plaintext = secret.reveal()
        defer { Sodium.zero(&plaintext) }
        var ciphertext = [UInt8](repeating: 0, count: plaintext.count + 16)
        let nonce = Array(header[(headerLength - 24)...])
        unsafe key.withPointer { key in
            _ = unsafe crypto_aead_xchacha20poly1305_ietf_encrypt(
                &ciphertext, nil, plaintext, UInt64(plaintext.count), header, UInt64(header.count), nil, nonce, key)
        }
        return header + ciphertext
    }

    /// Unlocks what `seal` has locked.
    package static func open(_ box: [UInt8], passphrase: String) throws(PassphraseError) -> SecretBytes {
        guard isBox(box), box.count >= headerLength + 16 else { throw .malformed }
        let cost = Cost(passes: number(box, at: magic.count), memory: number(box, at: magic.count + 4))
        guard cost.passes >= 1, cost.memory >= 8, cost.passes <= Cost.most.passes, cost.memory <= Cost.most.memory
        else { throw .malformed }
        let salt = Array(box[(magic.count + 8)..<(magic.count + 24)])
        let key = try key(passphrase, salt: salt, cost)
        let header = Array(box[..<headerLength])
        let nonce = Array(header[(headerLength - 24)...])
        let ciphertext = Array(box[headerLength...])
        var opened = false
        let secret = unsafe SecretBytes(count: ciphertext.count - 16) { output in
            unsafe key.withPointer { key in
                opened =
                    unsafe crypto_aead_xchacha20poly1305_ietf_decrypt(
                        output, nil, nil, ciphertext, UInt64(ciphertext.count), header, UInt64(header.count), nonce,
                        key) == 0
            }
        }
        guard opened else { throw .wrongPassphrase }
        return secret
    }

    private static func key(_ passphrase: String, salt: [UInt8], _ cost: Cost) throws(PassphraseError) -> SecretBytes {
        Sodium.initialize()
        var password = Array(passphrase.utf8)
        defer { Sodium.zero(&password) }
        var made = false
        let key = unsafe SecretBytes(count: 32) { output in
            unsafe password.withUnsafeBytes { bytes in
                let text = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
                var nothing: CChar = 0
                unsafe withUnsafePointer(to: &nothing) { empty in
                    made =
                        unsafe crypto_pwhash(
                            output, 32, text ?? empty, UInt64(bytes.count), salt, UInt64(cost.passes),
                            Int(cost.memory) * 1024, crypto_pwhash_ALG_ARGON2ID13) == 0
                }
            }
        }
        guard made else { throw .outOfMemory }
        return key
    }

    private static func bytes(_ number: UInt32) -> [UInt8] {
        stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: number >> UInt32($0)) }
    }

    private static func number(_ bytes: [UInt8], at start: Int) -> UInt32 {
        bytes[start..<start + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }
}

/// Why a locked secret cannot be had.
package enum PassphraseError: Error, Hashable, Sendable {
    /// Another passphrase locked it, or the bytes were changed.
    case wrongPassphrase
    /// No box, or one that costs more than is sensible.
    case malformed
    /// The system has not the memory that the key takes.
    case outOfMemory
}

extension PassphraseError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .wrongPassphrase: "the passphrase is wrong, or the file is damaged"
        case .malformed: "this is no locked key"
        case .outOfMemory: "there is not enough memory to make the key from the passphrase"
        }
    }
}
