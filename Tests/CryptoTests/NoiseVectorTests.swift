import PeerCrypto
import TestSupport
import Testing

/// Every row of the cacophony and snow vectors: both roles, every message, the handshake hash, the transport.
@Suite(.enabled(if: Vectors.present, Comment(rawValue: Vectors.skipped)))
struct NoiseVectorTests {
    struct File: Decodable {
        let vectors: [Row]
    }
    struct Row: Decodable, Sendable {
        struct Message: Decodable, Sendable {
            let payload: String
            let ciphertext: String
        }
        let protocol_name: String
        let init_prologue: String
        let init_static: String?
        let init_ephemeral: String?
        let init_remote_static: String?
        let init_psks: [String]?
        let resp_prologue: String
        let resp_static: String?
        let resp_ephemeral: String?
        let resp_psks: [String]?
        let handshake_hash: String?
        let messages: [Message]
    }

    static func rows(_ name: String) throws -> [Row] {
        try Vectors.json("noise/\(name)-25519_ChaChaPoly_SHA256.json", as: File.self).vectors
    }

    @Test("the files hold the rows that were counted when they were taken")
    func counts() throws {
        #expect(try Self.rows("cacophony").count == 7)
        #expect(try Self.rows("snow").count == 8)
    }

    @Test("every message, hash and transport frame is the published one", arguments: ["cacophony", "snow"])
    func replay(_ file: String) throws {
        for row in try Self.rows(file) { try check(row) }
    }

    private func check(_ row: Row) throws {
        let name = row.protocol_name
        let pattern = try #require(
            NoisePattern.all.first { "Noise_\($0.name)_25519_ChaChaPoly_SHA256" == name }, "no pattern \(name)")
        func key(_ text: String?) -> NoiseKeyPair? { text.map { NoiseKeyPair(secret: SecretBytes(hex($0))) } }
        func psk(_ texts: [String]?) -> SecretBytes? { texts?.first.map { SecretBytes(hex($0)) } }
        var initiator = NoiseHandshake(
            pattern: pattern, role: .initiator, prologue: hex(row.init_prologue), localStatic: key(row.init_static),
            remoteStatic: row.init_remote_static.map { hex($0) }, psk: psk(row.init_psks),
            ephemeral: key(row.init_ephemeral))
        var responder = NoiseHandshake(
            pattern: pattern, role: .responder, prologue: hex(row.resp_prologue), localStatic: key(row.resp_static),
            psk: psk(row.resp_psks), ephemeral: key(row.resp_ephemeral))
        var rows = row.messages[...]
        while !initiator.isComplete {
            let message = try unwrap(rows.popFirst())
            let writing = initiator.isWriting
            let sent =
                writing
                ? try initiator.write(payload: hex(message.payload))
                : try responder.write(payload: hex(message.payload))
            #expect(sent == hex(message.ciphertext), "\(name)")
            let payload = writing ? try responder.read(sent) : try initiator.read(sent)
            #expect(payload == hex(message.payload), "\(name)")
        }
        #expect(responder.isComplete)
        #expect(initiator.handshakeHash == responder.handshakeHash)
        if let expected = row.handshake_hash { #expect(initiator.handshakeHash == hex(expected), "\(name)") }
        if let known = row.init_static { #expect(responder.remoteStatic == key(known)?.publicKey) }
        let first = initiator.split()
        let second = responder.split()
        // The transport goes on in turn; in a one-way pattern only the initiator sends.
        var initiatorSends = pattern.isOneWay || row.messages.count - rows.count == 2
        for message in rows {
            let sender = initiatorSends ? first.send : second.send
            let receiver = initiatorSends ? second.receive : first.receive
            #expect(try sealed(hex(message.payload), by: sender) == hex(message.ciphertext), "\(name)")
            #expect(try opened(hex(message.ciphertext), by: receiver) == hex(message.payload), "\(name)")
            if !pattern.isOneWay { initiatorSends.toggle() }
        }
    }
}
