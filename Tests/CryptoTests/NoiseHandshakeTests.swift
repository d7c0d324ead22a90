import PeerCrypto
import TestSupport
import Testing

/// Every pattern against an attacker in the middle, and against keys that do not belong together.
@Suite struct NoiseHandshakeTests {
    private let initiatorKey = NoiseKeyPair(secret: SecretBytes(seed(1)))
    private let responderKey = NoiseKeyPair(secret: SecretBytes(seed(2)))

    private func pair(
        _ pattern: NoisePattern, initiatorPSK: UInt8 = 7, responderPSK: UInt8 = 7, expected: NoiseKeyPair? = nil,
        responderPrologue: [UInt8] = [1]
    ) -> (NoiseHandshake, NoiseHandshake) {
        (
            NoiseHandshake(
                pattern: pattern, role: .initiator, prologue: [1], localStatic: initiatorKey,
                remoteStatic: (expected ?? responderKey).publicKey, psk: SecretBytes(seed(initiatorPSK))),
            NoiseHandshake(
                pattern: pattern, role: .responder, prologue: responderPrologue, localStatic: responderKey,
                psk: SecretBytes(seed(responderPSK)))
        )
    }

    /// Runs both sides, letting `change` touch each message; returns the lengths of the messages.
    @discardableResult
    private func run(
        _ pair: inout (NoiseHandshake, NoiseHandshake), _ change: (Int, inout [UInt8]) -> Void = { _, _ in }
    ) throws -> [Int] {
        var lengths: [Int] = []
        while !(pair.0.isComplete && pair.1.isComplete) {
            let initiatorWrites = pair.0.isWriting
            var message = initiatorWrites ? try pair.0.write(payload: [5, 6]) : try pair.1.write(payload: [5, 6])
            change(lengths.count, &message)
            lengths.append(message.count)
            let payload = initiatorWrites ? try pair.1.read(message) : try pair.0.read(message)
            #expect(payload == [5, 6] || lengths.count < 3)
        }
        return lengths
    }

    @Test("each pattern ends with the same hash and ciphers that fit", arguments: NoisePattern.all)
    func completes(_ pattern: NoisePattern) throws {
        var pair = pair(pattern)
        try run(&pair)
        #expect(pair.0.handshakeHash == pair.1.handshakeHash)
        let (initiator, responder) = (pair.0.split(), pair.1.split())
        #expect(try opened(sealed([1], by: initiator.send), by: responder.receive) == [1])
        if !pattern.isOneWay {
            #expect(try opened(sealed([2], by: responder.send), by: initiator.receive) == [2])
        }
    }

    @Test("no changed byte in any message lets both sides finish", arguments: NoisePattern.all)
    func tampering(_ pattern: NoisePattern) throws {
        var whole = pair(pattern)
        let lengths = try run(&whole)
        for (number, length) in lengths.enumerated() {
            for position in 0..<length {
                var pair = pair(pattern)
                #expect(throws: NoiseError.self, "\(pattern.name), message \(number), byte \(position)") {
                    try run(&pair) { index, message in
                        if index == number { message[position] ^= 1 << UInt8(position % 8) }
                    }
                }
            }
            for count in 0..<length {
                var pair = pair(pattern)
                #expect(throws: NoiseError.self, "\(pattern.name), message \(number), cut to \(count)") {
                    try run(&pair) { index, message in if index == number { message = Array(message.prefix(count)) } }
                }
            }
        }
    }

    @Test("another prologue, pre-shared key or responder ends every pattern that knows of it")
    func mismatches() throws {
        for pattern in NoisePattern.all {
            var other = pair(pattern, responderPrologue: [2])
            #expect(throws: NoiseError.authenticationFailed, "\(pattern.name)") { try run(&other) }
        }
        for pattern in [NoisePattern.x, .xk, .ik, .ikPSK2] {
            var wrong = pair(pattern, expected: initiatorKey)
            #expect(throws: NoiseError.authenticationFailed, "\(pattern.name)") { try run(&wrong) }
        }
        var psk = pair(.ikPSK2, responderPSK: 8)
        #expect(throws: NoiseError.authenticationFailed) { try run(&psk) }
    }

    @Test("a handshake that failed once does nothing more")
    func failedBefore() throws {
        var (initiator, responder) = pair(.xx)
        _ = try initiator.write()
        #expect(throws: NoiseError.malformedMessage) { try responder.read([1, 2, 3]) }
        #expect(throws: NoiseError.failedBefore) { try responder.read([UInt8](repeating: 9, count: 32)) }
        #expect(!responder.isComplete)
        #expect(throws: NoiseError.messageTooLong(65_536)) { try initiator.read([UInt8](repeating: 9, count: 65_536)) }
        #expect(throws: NoiseError.failedBefore) { try initiator.read([]) }
    }

    @Test("public keys of low order are refused wherever they appear", arguments: lowOrder)
    func lowOrderKeys(_ text: String) throws {
        var (_, responder) = pair(.xx)
        _ = try responder.read(hex(text))
        #expect(throws: NoiseError.weakKey) { try responder.write() }
        var ik = NoiseHandshake(pattern: .ik, role: .initiator, localStatic: initiatorKey, remoteStatic: hex(text))
        #expect(throws: NoiseError.weakKey) { try ik.write() }
    }

    /// The points of small order on the curve and its twist, from https://cr.yp.to/ecdh.html#validate.
    static let lowOrder = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ]
}
