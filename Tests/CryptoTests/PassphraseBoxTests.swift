import PeerCrypto
import Testing

@Suite("Secrets locked with a passphrase") struct PassphraseBoxTests {
    let secret = SecretBytes([UInt8](0..<32))

    @Test("Only the same passphrase unlocks, and no two boxes are alike") func sealAndOpen() throws {
        let box = try PassphraseBox.seal(secret, passphrase: "open sesame", cost: .least)
        #expect(PassphraseBox.isBox(box))
        #expect(try PassphraseBox.open(box, passphrase: "open sesame") == secret)
        #expect(throws: PassphraseError.wrongPassphrase) { try PassphraseBox.open(box, passphrase: "open Sesame") }
        let other = try PassphraseBox.seal(secret, passphrase: "open sesame", cost: .least)
        #expect(box != other)
        let empty = try PassphraseBox.seal(secret, passphrase: "", cost: .least)
        #expect(try PassphraseBox.open(empty, passphrase: "") == secret)
    }

    @Test("A changed bit or a missing byte is refused, and no cost beyond reason is paid") func damaged() throws {
        let box = try PassphraseBox.seal(secret, passphrase: "x", cost: .least)
        for index in box.indices {
            var wrong = box
            wrong[index] ^= 1
            #expect(throws: PassphraseError.self) { try PassphraseBox.open(wrong, passphrase: "x") }
        }
        for length in 0..<box.count {
            #expect(throws: PassphraseError.self) { try PassphraseBox.open(Array(box[..<length]), passphrase: "x") }
        }
        var greedy = box
        greedy[18] = 0xff
        #expect(throws: PassphraseError.malformed) { try PassphraseBox.open(greedy, passphrase: "x") }
    }
}
