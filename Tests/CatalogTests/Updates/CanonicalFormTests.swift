import Catalog
import Multiformats
import PeerCrypto
import Testing

@Suite("The one canonical form of an update") struct CanonicalFormTests {
    static let key = UpdateTests.key
    static func valid() -> HandMadeUpdate { HandMadeUpdate(key: key) }

    @Test("The bytes of the specification, put together by hand, are read, and written the same") func handMade() throws
    {
        let made = Self.valid()
        let read = try Update(verifying: made.block)
        var body = ProfileBody()
        body.name = .set("x")
        #expect(read.body == .profile(body))
        #expect(read.time == 1_001)
        #expect(read.header.key == Self.key.publicKey.data)
        #expect(read.cid == CID(codec: .dagCBOR, multihash: ContentHash.sha256(made.header)))
        let ones = Digest32(
            words: (0x0101_0101_0101_0101, 0x0101_0101_0101_0101, 0x0101_0101_0101_0101, 0x0101_0101_0101_0101))
        let written = try Update.sign(
            .profile(body), author: AuthorID(ones), prev: [ones], seq: 1, time: 1_001, with: Self.key)
        #expect(written.block == made.block)
    }

    /// A name, what is done to a valid update, and what is then wrong.
    static let headers: [(String, @Sendable (inout HandMadeUpdate) -> Void, UpdateError)] = [
        ("a longer form of a number", { $0.set("seq", [0x18, 0x01]) }, .encoding(.notCanonical)),
        (
            "a longer form of a length", { $0.set("key", [0x59, 0, 0x20] + key.publicKey.data) },
            .encoding(.notCanonical)
        ),
        ("a negative number", { $0.set("seq", [0x20]) }, .badField("seq")),
        ("a float for a number", { $0.set("time", [0xfb, 0x40, 0x8f, 0x48, 0, 0, 0, 0, 0]) }, .badField("time")),
        ("a time beyond 2^53", { $0.set("time", [0x1b, 0, 0x20, 0, 0, 0, 0, 0, 0]) }, .badField("time")),
        ("keys in another order", { $0.fields.swapAt(0, 1) }, .encoding(.notCanonical)),
        ("a key twice", { $0.insert("v", [1], at: 1) }, .encoding(.duplicateKey("v"))),
        ("an unknown field", { $0.insert("x", [1], at: 1) }, .unknownField("x")),
        ("another version", { $0.set("v", [2]) }, .badField("v")),
        ("no version", { $0.remove("v") }, .missingField("v")),
        ("no key", { $0.remove("key") }, .missingField("key")),
        ("no time", { $0.remove("time") }, .missingField("time")),
        ("no author", { $0.remove("author") }, .badBeginning),
        ("a short key", { $0.set("key", [0x58, 0x1f] + key.publicKey.data.dropLast()) }, .badField("key")),
        ("no ancestors", { $0.set("prev", [0x80]) }, .badBeginning),
        ("sequence number 0", { $0.set("seq", [0x00]) }, .badBeginning),
        ("an empty kind", { $0.set("kind", [0x60]) }, .badField("kind")),
        ("a kind that is not UTF-8", { $0.set("kind", [0x61, 0xff]) }, .badField("kind")),
        (
            "a link to another kind of block",
            { $0.set("body", [0xd8, 0x2a, 0x58, 0x25, 0, 1, 0x55, 0x12, 0x20] + $0.body.digest) }, .badField("body")
        ),
        (
            "a link with another tag",
            { $0.set("body", [0xd8, 0x2b, 0x58, 0x25, 0, 1, 0x71, 0x12, 0x20] + $0.body.digest) }, .badField("body")
        ),
        ("another body", { $0.body = [0xa0] }, .otherBody),
        ("a byte behind the body", { $0.body += [0] }, .otherBody),
        ("a map without end", { $0.map = [0xbf] }, .encoding(.unsupportedItem(0xbf))),
        ("a list as header", { $0.map = [0x89] }, .notAMap),
        ("a short signature", { $0.set("sig", [0x58, 0x3f] + $0.signature.dropLast()) }, .badField("sig")),
        ("acting for oneself", { $0.insert("for", acting(HandMadeUpdate.text("owner")), at: 1) }, .badField("for")),
        (
            "acting by a misspelt right", { $0.insert("for", acting(HandMadeUpdate.text("owned")), at: 1) },
            .badField("for")
        ),
    ]

    static func acting(_ owner: [UInt8]) -> [UInt8] {
        [0xa2] + HandMadeUpdate.text("grant") + HandMadeUpdate.link([UInt8](repeating: 3, count: 32)) + owner
            + [0x58, 0x20] + [UInt8](repeating: 1, count: 32)
    }

    @Test("A header that breaks one rule is refused for that", arguments: headers.indices)
    func header(_ index: Int) throws {
        let (name, change, error) = Self.headers[index]
        var made = Self.valid()
        change(&made)
        #expect(throws: error, "\(name)") { try Update(verifying: made.block) }
    }

    @Test("Heads come in order, each once, and at most eight") func heads() throws {
        func prev(_ bytes: [UInt8]) -> [UInt8] {
            [0x80 + UInt8(bytes.count)] + bytes.flatMap { HandMadeUpdate.link([UInt8](repeating: $0, count: 32)) }
        }
        for (heads, isFine) in [
            ([1, 2, 9], true), (Array(1...8), true), ([2, 1], false), ([1, 1], false), (Array(1...9), false),
        ] {
            var made = Self.valid()
            made.set("prev", prev(heads.map { UInt8($0) }))
            if isFine {
                #expect(try Update(verifying: made.block).header.prev.count == heads.count)
            } else {
                #expect(throws: UpdateError.badField("prev")) { try Update(verifying: made.block) }
            }
        }
    }

    @Test(
        "A body is judged on its bytes as well",
        arguments: [
            ("a float", [0xa1, 0x61, 0x78, 0xfb, 0, 0, 0, 0, 0, 0, 0, 0], UpdateError.hasFloat),
            ("a short float", [0xa1, 0x61, 0x78, 0xf9, 0, 0], .hasFloat),
            ("undefined", [0xa1, 0x61, 0x78, 0xf7], .encoding(.unsupportedItem(0xf7))),
            ("keys in another order", [0xa2, 0x61, 0x79, 0, 0x61, 0x78, 0], .encoding(.notCanonical)),
            ("a key twice", [0xa2, 0x61, 0x78, 0, 0x61, 0x78, 0], .encoding(.duplicateKey("x"))),
            ("a key that is no text", [0xa1, 0x01, 0], .encoding(.keyIsNotText)),
            ("a list", [0x80], .notAMap),
            ("nothing but a number", [0x01], .notAMap),
            ("a longer form", [0xa1, 0x61, 0x78, 0x18, 0x01], .encoding(.notCanonical)),
            ("text that is not UTF-8", [0xa1, 0x61, 0x78, 0x61, 0xff], .encoding(.invalidUTF8)),
            ("another tag", [0xa1, 0x61, 0x78, 0xc1, 0], .encoding(.unsupportedTag(1))),
            ("a count beyond the end", [0xa1, 0x61, 0x78, 0x9a, 0xff, 0xff, 0xff, 0xff], .encoding(.truncated)),
            ("nine deep", [0xa1, 0x61, 0x78] + [UInt8](repeating: 0x81, count: 8) + [0], .encoding(.tooDeep)),
            ("a byte too many", [0xa0, 0x00], .encoding(.trailingBytes)),
        ] as [(String, [UInt8], UpdateError)])
    func body(_ example: (name: String, bytes: [UInt8], error: UpdateError)) throws {
        let made = HandMadeUpdate(key: Self.key, body: example.bytes, kind: "later.kind")
        #expect(throws: example.error, "\(example.name)") { try Update(verifying: made.block) }
    }

    @Test("Unknown kinds and fields are kept as they came") func unknown() throws {
        // {"x": [[[[[[[0]]]]]]]}: eight deep, the most.
        let deep: [UInt8] = [0xa1, 0x61, 0x78] + [UInt8](repeating: 0x81, count: 7) + [0]
        let later = HandMadeUpdate(key: Self.key, body: deep, kind: "later.kind")
        let update = try Update(verifying: later.block)
        #expect(update.kind.rawValue == "later.kind")
        #expect(try update.body?.encoded() == deep)
        let body: [UInt8] = [0xa2, 0x64] + Array("name".utf8) + [0xf6, 0x65] + Array("shoes".utf8) + [0x18, 0x2a]
        let profile = HandMadeUpdate(key: Self.key, body: body)
        guard case .profile(let read) = try Update(verifying: profile.block).body else {
            Issue.record("no profile")
            return
        }
        #expect(read.name == .cleared)
        #expect(read.extra == [DAGEntry("shoes", .integer(42))])
        #expect(try UpdateBody.profile(read).encoded() == body)
    }

    @Test("Signatures have one form only: S below the order of the group, and no key of small order") func strict()
        throws
    {
        // The order of the group, little-endian: 2^252 + 27742317777372353535851937790883648493.
        let order: [UInt8] =
            [
                0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
            ] + [UInt8](repeating: 0, count: 15) + [0x10]
        var made = Self.valid()
        var signature = made.signature
        var carry = 0
        for index in 0..<32 {
            let sum = Int(signature[32 + index]) + Int(order[index]) + carry
            signature[32 + index] = UInt8(sum & 0xff)
            carry = sum >> 8
        }
        made.set("sig", [0x58, 0x40] + signature)
        #expect(throws: UpdateError.badSignature) { try Update(verifying: made.block) }
        // With the neutral element as key and as R, S = 0 satisfies the equation for every message.
        let neutral = [1] + [UInt8](repeating: 0, count: 31)
        var forged = Self.valid()
        forged.set("key", [0x58, 0x20] + neutral)
        forged.set("sig", [0x58, 0x40] + neutral + [UInt8](repeating: 0, count: 32))
        #expect(throws: UpdateError.badSignature) { try Update(verifying: forged.block) }
    }

    @Test("Header and body together have at most 32 KiB") func length() throws {
        func body(_ count: Int) -> [UInt8] {
            [0xa1, 0x61, 0x78, 0x59, UInt8(count >> 8), UInt8(count & 0xff)] + [UInt8](repeating: 7, count: count)
        }
        let overhead = HandMadeUpdate(key: Self.key, body: body(1_000), kind: "later.kind").block.count - 1_000
        let longest = HandMadeUpdate(key: Self.key, body: body(32_768 - overhead), kind: "later.kind").block
        #expect(longest.count == 32_768)
        #expect(try Update(verifying: longest).block == longest)
        let longer = HandMadeUpdate(key: Self.key, body: body(32_769 - overhead), kind: "later.kind").block
        #expect(throws: UpdateError.tooLong(32_769)) { try Update(verifying: longer) }
    }

    @Test("Any bytes at all are read or refused, never more") func garbage() throws {
        var made = Self.valid().block
        // The header alone is an update whose body was erased.
        for end in 0..<made.count where end != Self.valid().header.count {
            #expect(throws: UpdateError.self) { try Update(verifying: Array(made[..<end])) }
        }
        made += [0]
        #expect(throws: UpdateError.self) { try Update(verifying: made) }
        #expect(throws: UpdateError.self) { try Update(verifying: []) }
    }
}

extension [UInt8] {
    fileprivate var digest: [UInt8] { ContentHash.sha256(self).digest }
}
