import Foundation
import Multiformats
import PeerCrypto
import TestSupport
import Testing

@Suite struct PEMTests {
    struct Row: Decodable { let pkcs8_der_base64: String }

    private func armour(_ base64: String, label: String = "PRIVATE KEY", width: Int = 64) -> String {
        var lines = ["-----BEGIN \(label)-----"]
        var rest = base64[...]
        while !rest.isEmpty {
            lines.append(String(rest.prefix(width)))
            rest = rest.dropFirst(width)
        }
        return (lines + ["-----END \(label)-----", ""]).joined(separator: "\n")
    }

    @Test(
        "Ed25519 keys from OpenSSL import; RSA and secp384r1 are refused by name",
        .enabled(if: Vectors.present, Comment(rawValue: Vectors.skipped)))
    func vectors() throws {
        // RSA imports into Kubo; here an identity is Ed25519 alone, so that row is a refusal too.
        struct File: Decodable {
            let openssl_ed25519: Row
            let openssl_rsa: Row
            let openssl_secp384r1: Row
        }
        let file = try Vectors.json("peer-id/pkcs8-import.json", as: File.self)
        for width in [64, 76, 1000] {
            let key = try KeyPair(pem: armour(file.openssl_ed25519.pkcs8_der_base64, width: width))
            #expect(Base.base64pad.encode(key.pkcs8) == file.openssl_ed25519.pkcs8_der_base64)
            #expect(try KeyPair(pem: key.pem).peerID == key.peerID)
            #expect(throws: KeyError.unsupportedAlgorithm("RSA")) {
                try KeyPair(pem: armour(file.openssl_rsa.pkcs8_der_base64, width: width))
            }
            #expect(throws: KeyError.unsupportedAlgorithm("ECDSA")) {
                try KeyPair(pem: armour(file.openssl_secp384r1.pkcs8_der_base64, width: width))
            }
        }
    }

    @Test("a key with its public half beside it (RFC 8410, section 10.3) imports, and only if they fit")
    func publicHalf() throws {
        let base64 =
            "MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhCoB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
        let key = try KeyPair(pem: armour(base64))
        #expect(key.publicKey.data == hex("19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"))
        var bytes = try Base.base64pad.decode(base64)
        bytes[bytes.count - 1] ^= 1
        #expect(throws: KeyError.mismatchedHalves) { try KeyPair(pkcs8: bytes) }
    }

    @Test("line ends of other systems, text around the key and indentation do not matter")
    func tolerance() throws {
        let key = KeyPair(seed: seed(4))
        #expect(try KeyPair(pem: key.pem.replacing("\n", with: "\r\n")).peerID == key.peerID)
        #expect(try KeyPair(pem: "comment\n\n  " + key.pem + "more\n").peerID == key.peerID)
    }

    @Test("what is not an unencrypted key is refused, every cut and every changed bit of one included")
    func refusals() throws {
        let pem = KeyPair(seed: seed(4)).pem
        #expect(throws: KeyError.notAPrivateKey("ENCRYPTED PRIVATE KEY")) {
            try KeyPair(pem: armour("AAAA", label: "ENCRYPTED PRIVATE KEY"))
        }
        #expect(throws: KeyError.notAPrivateKey("OPENSSH PRIVATE KEY")) {
            try KeyPair(pem: armour("AAAA", label: "OPENSSH PRIVATE KEY"))
        }
        for bad in ["", "hello", armour("AAAA"), armour("!!!!"), armour(""), String(repeating: "x", count: 20_000)] {
            #expect(throws: KeyError.malformed) { try KeyPair(pem: bad) }
        }
        // The line's end behind the last dash may go missing.
        for count in 0..<pem.utf8.count - 1 {
            #expect(throws: KeyError.malformed) { try KeyPair(pem: String(pem.prefix(count))) }
        }
        let der = KeyPair(seed: seed(4)).pkcs8
        for position in 0..<16 {
            for bit in 0..<8 {
                var changed = der
                changed[position] ^= 1 << UInt8(bit)
                // Version 1 differs from version 0 in one bit and is legal.
                if position == 4 && bit == 0 { continue }
                #expect(throws: KeyError.self, "byte \(position), bit \(bit)") { try KeyPair(pkcs8: changed) }
            }
        }
        for count in 0..<der.count { #expect(throws: KeyError.malformed) { try KeyPair(pkcs8: Array(der[..<count])) } }
        #expect(throws: KeyError.malformed) { try KeyPair(pkcs8: der + [0]) }
    }
}

@Suite struct KeyFileTests {
    private func mode(_ path: String) throws -> Int {
        try #require(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    @Test("a saved key has mode 0600, loads again, and leaves nothing else behind")
    func roundTrip() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("key").path
            let key = KeyPair.generate()
            try key.save(to: path)
            #expect(try mode(path) == 0o600)
            #expect(try KeyPair.load(from: path).peerID == key.peerID)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["key"])
        }
    }

    @Test("an existing key is never replaced by accident, and is when asked for")
    func noOverwrite() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("key").path
            let (old, new) = (KeyPair.generate(), KeyPair.generate())
            try old.save(to: path)
            #expect(throws: KeyFileError.alreadyExists(path)) { try new.save(to: path) }
            #expect(try KeyPair.load(from: path).peerID == old.peerID)
            try new.save(to: path, replacing: true)
            #expect(try KeyPair.load(from: path).peerID == new.peerID)
            #expect(try mode(path) == 0o600)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["key"])
        }
    }

    @Test(
        "a key that others can read or write is refused, with the command that mends it",
        arguments: [
            0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666,
        ])
    func permissions(_ bits: Int) async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("key").path
            try KeyPair.generate().save(to: path)
            try FileManager.default.setAttributes([.posixPermissions: bits], ofItemAtPath: path)
            let error = #expect(throws: KeyFileError.permissions(path, mode: UInt32(bits))) {
                try KeyPair.load(from: path)
            }
            #expect("\(try #require(error))".contains("chmod 600 \(path)"))
        }
    }

    @Test("a libp2p protobuf file loads; folders, huge files and other content are refused")
    func otherFiles() async throws {
        try await withTemporaryFolder { folder in
            func store(_ bytes: [UInt8], _ name: String) throws -> String {
                let path = folder.appendingPathComponent(name).path
                try PrivateFile.store(bytes, at: path, replacing: false)
                return path
            }
            let key = KeyPair.generate()
            #expect(try KeyPair.load(from: try store(key.privateProtobuf, "pb")).peerID == key.peerID)
            let empty = try store([], "empty")
            #expect(throws: KeyFileError.notAKey(empty, .malformed)) { try KeyPair.load(from: empty) }
            let huge = try store([UInt8](repeating: 1, count: 20_000), "huge")
            #expect(throws: KeyFileError.notAFile(huge)) { try KeyPair.load(from: huge) }
            #expect(throws: KeyFileError.notAFile(folder.path)) { try KeyPair.load(from: folder.path) }
            let missing = folder.appendingPathComponent("missing").path
            #expect(throws: KeyFileError.notFound(missing)) { try KeyPair.load(from: missing) }
            #expect(throws: KeyFileError.self) { try key.save(to: missing + "/deeper") }
        }
    }
}
