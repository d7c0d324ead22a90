import NIOCore
import PeerCrypto
import TestSupport
import Testing

@Suite struct PrivateNetworkTests {
    private let hexKey = (0..<32).map { UInt8($0) }.hexText

    private func key(_ text: String) throws -> PrivateNetworkKey { try PrivateNetworkKey(file: Array(text.utf8)) }

    @Test("a swarm.key reads in each of its forms, with any line ends")
    func forms() throws {
        let head = "/key/swarm/psk/1.0.0/\n"
        let expected = try key("\(head)/base16/\n\(hexKey)").fileText
        #expect(expected == "\(head)/base16/\n\(hexKey)\n")
        for text in [
            "\(head)/base16/\n\(hexKey)\n", "\(head)/base16/\n\(hexKey.uppercased())\n\n",
            "\(head)/base64/\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
            "/key/swarm/psk/1.0.0/\r\n/base16/\r\n\(hexKey)\r\n",
        ] {
            #expect(try key(text).fileText == expected)
        }
        let bytes = (0..<32).map { UInt8($0) }
        for end in ["", "\n", "\r\n"] {
            let file = Array("\(head)/bin/\n".utf8) + bytes + Array(end.utf8)
            #expect(try PrivateNetworkKey(file: file).fileText == expected)
        }
        #expect(try key(PrivateNetworkKey.generate().fileText).fileText.count == expected.count)
    }

    @Test("what is not a swarm key is refused by its reason")
    func refusals() throws {
        let head = "/key/swarm/psk/1.0.0/\n"
        #expect(throws: PrivateNetworkError.unknownHeader("")) { try key("") }
        #expect(throws: PrivateNetworkError.unknownHeader("/key/swarm/psk/2.0.0/")) {
            try key("/key/swarm/psk/2.0.0/\n")
        }
        #expect(throws: PrivateNetworkError.unknownForm("/base32/")) { try key("\(head)/base32/\n\(hexKey)") }
        #expect(throws: PrivateNetworkError.malformed) { try key("\(head)/base16/\nxyz") }
        #expect(throws: PrivateNetworkError.wrongLength(31)) { try key("\(head)/base16/\n\(hexKey.dropLast(2))") }
        #expect(throws: PrivateNetworkError.wrongLength(33)) { try key("\(head)/base16/\n\(hexKey)00") }
        #expect(throws: PrivateNetworkError.wrongLength(0)) { try key("\(head)/base64/\n") }
        #expect(throws: PrivateNetworkError.wrongLength(34)) {
            try PrivateNetworkKey(file: Array("\(head)/bin/\n".utf8) + [UInt8](repeating: 7, count: 34))
        }
        #expect(throws: PrivateNetworkError.malformed) { try key(String(repeating: " ", count: 5000)) }
    }

    @Test("the stream is XSalsa20 as NaCl published it")
    func stream() throws {
        // From NaCl's tests: the first bytes of the stream under firstkey and nonce.
        let secret = "1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389"
        let nonce = hex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37")
        let cipher = PrivateNetworkCipher(key: try key("/key/swarm/psk/1.0.0/\n/base16/\n\(secret)"), nonce: nonce)
        var zeros = ByteBuffer(repeating: 0, count: 32)
        cipher.apply(&zeros)
        #expect(
            Array(zeros.readableBytesView) == hex("eea6a7251c1e72916d11c2cb214d3c252539121d8e234e652d651fa4c8cff880"))
    }

    @Test("however the bytes are cut, the same stream comes out, in place and from buffer to buffer")
    func cuts() throws {
        let key = try key("/key/swarm/psk/1.0.0/\n/base16/\n\(hexKey)")
        let nonce = [UInt8](repeating: 3, count: 24)
        let plain = (0..<300).map { UInt8(truncatingIfNeeded: $0) }
        var whole = ByteBuffer(bytes: plain)
        PrivateNetworkCipher(key: key, nonce: nonce).apply(&whole)
        let expected = Array(whole.readableBytesView)
        #expect(expected != plain)
        for size in 1...130 {
            let inPlace = PrivateNetworkCipher(key: key, nonce: nonce)
            let across = PrivateNetworkCipher(key: key, nonce: nonce)
            var first: [UInt8] = []
            var second = ByteBuffer()
            for start in stride(from: 0, to: plain.count, by: size) {
                let piece = Array(plain[start..<min(start + size, plain.count)])
                var buffer = ByteBuffer(bytes: piece)
                inPlace.apply(&buffer)
                first += Array(buffer.readableBytesView)
                across.apply(ByteBuffer(bytes: piece), into: &second)
            }
            #expect(first == expected, "pieces of \(size)")
            #expect(Array(second.readableBytesView) == expected, "pieces of \(size)")
        }
        PrivateNetworkCipher(key: key, nonce: nonce).apply(&whole)
        #expect(Array(whole.readableBytesView) == plain)
        #expect(PrivateNetworkCipher.makeNonce() != PrivateNetworkCipher.makeNonce())
    }
}
