import Crypto
import CryptoExtras
import Foundation
import Multiformats
import NIOCore
import PeerCrypto
import TestSupport
import Testing

/// What of a key must never show up in text: seed and protobuf, in hex, base64 and as a list of numbers.
func secretForms(of key: KeyPair) -> [String] {
    let secret = Array(key.privateProtobuf.dropFirst(4).prefix(32))
    return [
        secret.hexText, Base.base64.encode(secret), secret.map(String.init).joined(separator: ", "),
        key.pem.split(separator: "\n").map(String.init)[1],
    ]
}

@Suite struct KeyTests {
    @Test(
        "a seed gives the published key and signature",
        arguments: [
            // RFC 8032, section 7.1, tests 1 and 2.
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
            ),
        ])
    func ed25519(_ seedText: String, _ publicText: String, _ message: String, _ signature: String) {
        let key = KeyPair(seed: hex(seedText))
        #expect(key.publicKey.data == hex(publicText))
        #expect(key.sign(hex(message)) == hex(signature))
        #expect(key.publicKey.verify(signature: hex(signature), message: hex(message)))
    }

    @Test("no signature with one bit changed verifies, for no kind of key")
    func mutations() throws {
        let message = Array("to be signed".utf8)
        let ed = KeyPair(seed: seed(1))
        let rsa = try _RSA.Signing.PrivateKey(keySize: .bits2048)
        let ec = P256.Signing.PrivateKey()
        let cases: [(PublicKey, [UInt8])] = [
            (ed.publicKey, ed.sign(message)),
            (
                try PublicKey(kind: .rsa, data: Array(rsa.publicKey.derRepresentation)),
                Array(try rsa.signature(for: message, padding: .insecurePKCS1v1_5).rawRepresentation)
            ),
            (
                try PublicKey(kind: .ecdsa, data: Array(ec.publicKey.derRepresentation)),
                Array(try ec.signature(for: message).derRepresentation)
            ),
        ]
        for (key, signature) in cases {
            #expect(key.verify(signature: signature, message: message))
            for position in signature.indices {
                var changed = signature
                changed[position] ^= 1 << UInt8(position % 8)
                #expect(!key.verify(signature: changed, message: message), "\(key.kind), byte \(position)")
            }
            for position in message.indices {
                var changed = message
                changed[position] ^= 1 << UInt8(position % 8)
                #expect(!key.verify(signature: signature, message: changed), "\(key.kind), byte \(position)")
            }
            #expect(!key.verify(signature: [], message: message))
            #expect(!key.verify(signature: Array(signature.dropLast()), message: message))
            #expect(!key.verify(signature: signature + [0], message: message))
        }
    }

    @Test("an RSA signature padded in another way is refused")
    func rsaPadding() throws {
        let rsa = try _RSA.Signing.PrivateKey(keySize: .bits2048)
        let key = try PublicKey(kind: .rsa, data: Array(rsa.publicKey.derRepresentation))
        let pss = try rsa.signature(for: [1, 2, 3] as [UInt8], padding: .PSS)
        #expect(!key.verify(signature: Array(pss.rawRepresentation), message: [1, 2, 3]))
    }

    @Test("public keys that are not keys are refused, and none of them traps")
    func badPublicKeys() throws {
        func refused(_ bytes: [UInt8], _ error: KeyError) {
            #expect(throws: error) { try PublicKey(protobuf: bytes) }
        }
        refused([], .malformed)
        refused([8, 1], .malformed)
        refused([18, 1, 1], .malformed)
        refused([8, 4, 18, 1, 1], .unknownType(4))
        refused([8, 1, 18, 1, 1], .wrongLength(.ed25519, bytes: 1))
        refused([8, 2, 18, 1, 1], .wrongLength(.secp256k1, bytes: 1))
        refused([8, 0, 18, 0], .wrongLength(.rsa, bytes: 0))
        refused([8, 1, 18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], .malformed)
        refused([UInt8](repeating: 0, count: 3000), .malformed)
        let nonsense = try PublicKey(kind: .rsa, data: [1, 2, 3])
        #expect(throws: KeyError.malformed) { try nonsense.checkSupported() }
        #expect(!nonsense.verify(signature: [1], message: [1]))
        let curve = try PublicKey(kind: .ecdsa, data: [1, 2, 3])
        #expect(throws: KeyError.unsupported(.ecdsa)) { try curve.checkSupported() }
        #expect(!curve.verify(signature: [1], message: [1]))
    }

    @Test("a PeerID that carries its key gives it back")
    func inlinedKey() throws {
        let key = KeyPair(seed: seed(1))
        #expect(key.peerID.publicKey == key.publicKey)
        let hashed = try PublicKey(kind: .ecdsa, data: Array(P256.Signing.PrivateKey().publicKey.derRepresentation))
        #expect(hashed.peerID.publicKey == nil)
    }

    @Test("the private protobuf reads back, in its old form of 96 bytes too; unequal halves are refused")
    func privateProtobuf() throws {
        let key = KeyPair(seed: seed(1))
        #expect(try KeyPair(privateProtobuf: key.privateProtobuf).peerID == key.peerID)
        let data = Array(key.privateProtobuf.dropFirst(4))
        func message(_ data: [UInt8], type: UInt8 = 1) -> [UInt8] { [8, type, 18, UInt8(data.count)] + data }
        #expect(try KeyPair(privateProtobuf: message(data + data[32...])).peerID == key.peerID)
        for position in 32..<96 {
            var changed = data + data[32...]
            changed[position] ^= 1
            #expect(throws: KeyError.mismatchedHalves) { try KeyPair(privateProtobuf: message(changed)) }
        }
        #expect(throws: KeyError.wrongLength(.ed25519, bytes: 32)) { try KeyPair(privateProtobuf: message(seed(1))) }
        #expect(throws: KeyError.unsupported(.secp256k1)) { try KeyPair(privateProtobuf: message(seed(1), type: 2)) }
    }

    @Test("no secret shows up in descriptions, dumps or errors")
    func secrets() throws {
        let key = KeyPair(seed: (0..<32).map { UInt8($0) + 100 })
        let network = try PrivateNetworkKey(
            file: Array("/key/swarm/psk/1.0.0/\n/base16/\n\(String(repeating: "a7", count: 32))".utf8))
        var text = "\(key) \(String(reflecting: key)) \(network) \(String(reflecting: network)) "
        dump(key, to: &text)
        dump(network, to: &text)
        let secret = SecretBytes(key.privateProtobuf)
        text += "\(secret) \(String(reflecting: secret))"
        dump(secret, to: &text)
        for form in secretForms(of: key) { #expect(!text.contains(form)) }
        #expect(!text.contains("a7a7") && !text.contains("167, 167"))
        #expect(text.contains(key.peerID.description))
    }
}

@Suite(.enabled(if: Vectors.present, Comment(rawValue: Vectors.skipped)))
struct PeerIDVectorTests {
    struct Names: Decodable {
        let multihash_hex: String
        let base58btc: String?
        let cidv1_base32: String?
        let cidv1_base36: String?
        let kad_id_hex: String
    }
    struct Row: Decodable {
        let type: String
        let private_key_protobuf_hex: String
        let public_key_protobuf_hex: String
        let peer_id: Names
    }
    struct File: Decodable {
        let keys: [Row]
        let worked_example: Names
        let content_kad_example: Names
    }

    private func check(_ peer: PeerID, _ names: Names) throws {
        #expect(peer.bytes == hex(names.multihash_hex))
        #expect(peer.description == names.base58btc)
        #expect(peer.cid.text(in: .base32) == names.cidv1_base32)
        #expect(peer.cid.description == names.cidv1_base36)
        for text in [names.base58btc, names.cidv1_base32, names.cidv1_base36] {
            #expect(try PeerID(try #require(text)) == peer)
        }
        #expect(ContentHash.sha256(peer.bytes).digest == hex(names.kad_id_hex))
    }

    @Test("every key gives its PeerID in every form, and its protobuf back")
    func keys() throws {
        let rows = try Vectors.json("peer-id/peer-id-vectors.json", as: File.self).keys
        #expect(rows.map(\.type) == ["ECDSA", "ED25519", "secp256k1", "rsa"])
        for row in rows {
            let key = try PublicKey(protobuf: hex(row.public_key_protobuf_hex))
            #expect(key.protobuf == hex(row.public_key_protobuf_hex))
            #expect(key.kind.description.lowercased() == row.type.lowercased())
            try check(key.peerID, row.peer_id)
            if key.kind == .ed25519 {
                let pair = try KeyPair(privateProtobuf: hex(row.private_key_protobuf_hex))
                #expect(pair.publicKey == key)
                #expect(pair.privateProtobuf == hex(row.private_key_protobuf_hex))
            } else {
                // Such peers are verified; an identity of our own is Ed25519.
                #expect(throws: KeyError.unsupported(key.kind)) {
                    try KeyPair(privateProtobuf: hex(row.private_key_protobuf_hex))
                }
            }
            if key.kind == .secp256k1 {
                #expect(throws: KeyError.unsupported(.secp256k1)) { try key.checkSupported() }
            } else {
                try key.checkSupported()
            }
        }
    }

    @Test("the worked examples of the Kademlia specification")
    func examples() throws {
        let file = try Vectors.json("peer-id/peer-id-vectors.json", as: File.self)
        try check(try PeerID(hex(file.worked_example.multihash_hex)), file.worked_example)
        let content = file.content_kad_example
        #expect(ContentHash.sha256(hex(content.multihash_hex)).digest == hex(content.kad_id_hex))
    }

    @Test("the private keys of the table sign what their public keys verify")
    func signatures() throws {
        let message = Array("message".utf8)
        for row in try Vectors.json("peer-id/peer-id-vectors.json", as: File.self).keys {
            let key = try PublicKey(protobuf: hex(row.public_key_protobuf_hex))
            let (kind, secret) = try privateData(hex(row.private_key_protobuf_hex))
            #expect(kind == key.kind.rawValue)
            switch key.kind {
            case .rsa:
                let signer = try _RSA.Signing.PrivateKey(derRepresentation: secret)
                let signature = try signer.signature(for: message, padding: .insecurePKCS1v1_5)
                #expect(key.verify(signature: Array(signature.rawRepresentation), message: message))
            case .ecdsa:
                // SEC1: the 32 bytes of the scalar stand behind a fixed header.
                let signer = try P256.Signing.PrivateKey(rawRepresentation: secret[7..<39])
                #expect(Array(signer.publicKey.derRepresentation) == key.data)
                let signature = try signer.signature(for: message).derRepresentation
                #expect(key.verify(signature: Array(signature), message: message))
            case .ed25519:
                let pair = try KeyPair(privateProtobuf: hex(row.private_key_protobuf_hex))
                #expect(key.verify(signature: pair.sign(message), message: message))
            case .secp256k1:
                #expect(!key.verify(signature: [UInt8](repeating: 1, count: 70), message: message))
            }
        }
    }

    private func privateData(_ message: [UInt8]) throws -> (UInt64, [UInt8]) {
        var reader = ProtobufReader(ByteBuffer(bytes: message))
        let type = try unwrap(try reader.next()).uint64()
        return (type, try unwrap(try reader.next()).array())
    }
}
