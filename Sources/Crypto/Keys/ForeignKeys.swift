import Crypto
import CryptoExtras

/// RSA peers: PKCS#1 v1.5 over SHA-256, as the older half of the network signs.
enum RSAKey {
    /// Bits that are accepted: below is weak, above costs the verifier too much.
    static let bits = 2048...8192

    static func verify(_ signature: [UInt8], message: [UInt8], key: [UInt8]) -> Bool {
        guard let key = try? parse(key) else { return false }
        return key.isValidSignature(
            _RSA.Signing.RSASignature(rawRepresentation: signature), for: message, padding: .insecurePKCS1v1_5)
    }

    static func check(_ key: [UInt8]) throws(KeyError) { _ = try parse(key) }

    private static func parse(_ bytes: [UInt8]) throws(KeyError) -> _RSA.Signing.PublicKey {
        let key: _RSA.Signing.PublicKey
        do { key = try _RSA.Signing.PublicKey(unsafeDERRepresentation: bytes) } catch { throw .malformed }
        guard bits.contains(key.keySizeInBits) else { throw .rsaLength(bits: key.keySizeInBits) }
        return key
    }
}

/// ECDSA peers on the curve P-256, with DER signatures over SHA-256.
enum ECDSAKey {
    static func verify(_ signature: [UInt8], message: [UInt8], key: [UInt8]) -> Bool {
        guard let key = try? P256.Signing.PublicKey(derRepresentation: key),
            let signature = try? P256.Signing.ECDSASignature(derRepresentation: signature)
        else { return false }
        return key.isValidSignature(signature, for: message)
    }

    static func check(_ key: [UInt8]) throws(KeyError) {
        // A key on another curve is a real key; that it is not P-256 is all that is known here.
        guard (try? P256.Signing.PublicKey(derRepresentation: key)) != nil else { throw .unsupported(.ecdsa) }
    }
}
