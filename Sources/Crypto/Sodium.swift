import CSodium

/// Every call into libsodium, so that its pointers stay in this one file.
///
/// The rest of the room sees arrays, `SecretBytes` and yes-or-no answers. Callers check lengths that
/// come from a peer; what is checked here by `precondition` is our own doing.
package enum Sodium {
    private static let isReady: Bool = sodium_init() >= 0

    /// Lets libsodium pick its fastest code for this processor. Cheap and safe to call again.
    package static func initialize() {
        precondition(isReady, "libsodium could not start: the system gives no random numbers")
    }

    // MARK: Memory

    static func fillWithRandom(_ bytes: UnsafeMutableRawBufferPointer) {
        initialize()
        if let base = bytes.baseAddress { unsafe randombytes_buf(base, bytes.count) }
    }

    static func zero(_ bytes: UnsafeMutableRawBufferPointer) {
        if let base = bytes.baseAddress { unsafe sodium_memzero(base, bytes.count) }
    }

    /// Overwrites a temporary copy of a secret, where an array had to hold one.
    static func zero(_ bytes: inout [UInt8]) {
        unsafe bytes.withUnsafeMutableBytes { unsafe zero($0) }
    }

    /// Compares `count` bytes in a time that depends on their number alone.
    static func equal(_ left: UnsafeRawPointer, _ right: UnsafeRawPointer, count: Int) -> Bool {
        unsafe sodium_memcmp(left, right, count) == 0
    }

    // MARK: ChaCha20-Poly1305 (RFC 8439)

    /// Encrypts `length` bytes and writes them and a tag of 16 bytes; the two regions may be the same.
    @inline(__always)
    static func seal(
        _ plaintext: UnsafeRawPointer?, length: Int, to output: UnsafeMutableRawPointer, nonce: AEAD.Nonce,
        key: SecretBytes, additional: UnsafeRawBufferPointer
    ) {
        unsafe nonce.withPointer { nonce in
            unsafe key.withPointer { key in
                _ = unsafe crypto_aead_chacha20poly1305_ietf_encrypt(
                    output.assumingMemoryBound(to: UInt8.self), nil,
                    plaintext?.assumingMemoryBound(to: UInt8.self), UInt64(length),
                    additional.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt64(additional.count), nil,
                    nonce,
                    key)
            }
        }
    }

    /// Checks the tag at the end of `length` bytes, then writes the `length - 16` bytes before it decrypted;
    /// the two regions may be the same. `false`, and nothing readable written, when the tag is wrong.
    @inline(__always)
    static func open(
        _ ciphertext: UnsafeRawPointer, length: Int, to output: UnsafeMutableRawPointer?, nonce: AEAD.Nonce,
        key: SecretBytes, additional: UnsafeRawBufferPointer
    ) -> Bool {
        unsafe nonce.withPointer { nonce in
            unsafe key.withPointer { key in
                unsafe crypto_aead_chacha20poly1305_ietf_decrypt(
                    output?.assumingMemoryBound(to: UInt8.self), nil, nil,
                    ciphertext.assumingMemoryBound(to: UInt8.self), UInt64(length),
                    additional.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt64(additional.count),
                    nonce,
                    key) == 0
            }
        }
    }

    // MARK: XSalsa20

    /// XORs `length` bytes with the stream from 64-byte block `block` on; the two regions may be the same.
    static func xorXSalsa20(
        _ input: UnsafeRawPointer, to output: UnsafeMutableRawPointer, length: Int, nonce: [UInt8], block: UInt64,
        key: SecretBytes
    ) {
        precondition(nonce.count == 24 && key.count == 32)
        unsafe key.withPointer { key in
            _ = unsafe crypto_stream_xsalsa20_xor_ic(
                output.assumingMemoryBound(to: UInt8.self), input.assumingMemoryBound(to: UInt8.self), UInt64(length),
                nonce, block, key)
        }
    }

    // MARK: Ed25519

    /// The 64-byte secret key (seed, then public key) and the public key that belong to a 32-byte seed.
    static func ed25519(seed: SecretBytes) -> (secret: SecretBytes, public: [UInt8]) {
        precondition(seed.count == 32)
        initialize()
        var publicKey = [UInt8](repeating: 0, count: 32)
        let secret = unsafe SecretBytes(count: 64) { output in
            unsafe seed.withPointer { seed in
                _ = unsafe crypto_sign_ed25519_seed_keypair(
                    &publicKey, output,
                    seed)
            }
        }
        return (secret, publicKey)
    }

    static func ed25519Sign(_ message: [UInt8], secret: SecretBytes) -> [UInt8] {
        precondition(secret.count == 64)
        var signature = [UInt8](repeating: 0, count: 64)
        unsafe secret.withPointer { secret in
            _ = unsafe crypto_sign_ed25519_detached(
                &signature, nil, message, UInt64(message.count),
                secret)
        }
        return signature
    }

    static func ed25519Verify(_ signature: [UInt8], message: [UInt8], publicKey: [UInt8]) -> Bool {
        guard signature.count == 64, publicKey.count == 32 else { return false }
        return unsafe crypto_sign_ed25519_verify_detached(signature, message, UInt64(message.count), publicKey) == 0
    }

    // MARK: X25519

    static func x25519PublicKey(secret: SecretBytes) -> [UInt8] {
        precondition(secret.count == 32)
        initialize()
        var publicKey = [UInt8](repeating: 0, count: 32)
        unsafe secret.withPointer { secret in
            _ = unsafe crypto_scalarmult_curve25519_base(
                &publicKey, secret)
        }
        return publicKey
    }

    /// The shared secret; `nil` when it is all zero, which only a low-order public key brings about.
    static func x25519(secret: SecretBytes, publicKey: [UInt8]) -> SecretBytes? {
        precondition(secret.count == 32)
        guard publicKey.count == 32 else { return nil }
        var succeeded = false
        let shared = unsafe SecretBytes(count: 32) { output in
            succeeded = unsafe secret.withPointer { secret in
                unsafe crypto_scalarmult_curve25519(
                    output,
                    secret, publicKey) == 0
            }
        }
        return succeeded ? shared : nil
    }

    // MARK: Ed25519 to X25519

    /// The X25519 secret that belongs to an Ed25519 secret key of 64 bytes.
    static func x25519Secret(ed25519 secret: SecretBytes) -> SecretBytes {
        precondition(secret.count == 64)
        initialize()
        return unsafe SecretBytes(count: 32) { output in
            unsafe secret.withPointer { secret in
                _ = unsafe crypto_sign_ed25519_sk_to_curve25519(
                    output,
                    secret)
            }
        }
    }

    /// The X25519 key of an Ed25519 public key; `nil` for bytes that are no point of the main subgroup
    /// (small and mixed order included).
    static func x25519PublicKey(ed25519 key: [UInt8]) -> [UInt8]? {
        guard key.count == 32 else { return nil }
        initialize()
        var output = [UInt8](repeating: 0, count: 32)
        return unsafe crypto_sign_ed25519_pk_to_curve25519(&output, key) == 0 ? output : nil
    }

    // MARK: SHA-256, HMAC, BLAKE2b

    /// SHA-256 of two short arrays, one behind the other; content goes through `ContentHash`, which is faster.
    static func sha256(_ first: [UInt8], _ second: [UInt8]) -> [UInt8] {
        var state = crypto_hash_sha256_state()
        var digest = [UInt8](repeating: 0, count: 32)
        unsafe crypto_hash_sha256_init(&state)
        unsafe crypto_hash_sha256_update(&state, first, UInt64(first.count))
        unsafe crypto_hash_sha256_update(&state, second, UInt64(second.count))
        unsafe crypto_hash_sha256_final(&state, &digest)
        return digest
    }

    /// HMAC-SHA-256 of `message` (which may be absent) and, if given, one byte behind it.
    static func hmac(key: SecretBytes, message: SecretBytes?, suffix: UInt8? = nil) -> SecretBytes {
        unsafe SecretBytes(count: 32) { output in
            var state = crypto_auth_hmacsha256_state()
            unsafe key.withPointer { bytes in
                _ = unsafe crypto_auth_hmacsha256_init(
                    &state, bytes, key.count)
            }
            if let message {
                unsafe message.withPointer { bytes in
                    _ = unsafe crypto_auth_hmacsha256_update(
                        &state, bytes, UInt64(message.count))
                }
            }
            if var suffix { unsafe crypto_auth_hmacsha256_update(&state, &suffix, 1) }
            unsafe crypto_auth_hmacsha256_final(&state, output)
            unsafe withUnsafeMutableBytes(of: &state) { unsafe zero($0) }
        }
    }

    /// Unkeyed BLAKE2b with a digest of `length` bytes, 16 to 64 (libsodium makes no shorter ones).
    static func blake2b(_ bytes: UnsafeRawBufferPointer, length: Int) -> [UInt8] {
        precondition((16...64).contains(length))
        initialize()
        var digest = [UInt8](repeating: 0, count: length)
        unsafe crypto_generichash_blake2b(
            &digest, length, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt64(bytes.count), nil, 0)
        return digest
    }

    /// Keyed BLAKE2b of `bytes` into `output` of 16 to 64 bytes; `nil` as key makes it a plain hash.
    static func blake2b(_ bytes: UnsafeRawBufferPointer, key: SecretBytes?, to output: UnsafeMutableRawBufferPointer) {
        precondition((16...64).contains(output.count))
        initialize()
        guard let target = unsafe output.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
        let input = unsafe bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        guard let key else {
            _ = unsafe crypto_generichash_blake2b(target, output.count, input, UInt64(bytes.count), nil, 0)
            return
        }
        unsafe key.withPointer { bytesOfKey in
            _ = unsafe crypto_generichash_blake2b(
                target, output.count, input, UInt64(bytes.count), bytesOfKey, key.count)
        }
    }
}
