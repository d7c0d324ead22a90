import Catalog
import Multiformats
import PeerCrypto

/// An update put together byte by byte, without the code under test, so that every rule can be broken alone: the
/// signature is always right for the bytes that are there.
struct HandMadeUpdate {
    /// Keys and values as bytes, in the order in which they are written; `sig` is made and put in its place.
    var fields: [(key: [UInt8], value: [UInt8])]
    var body: [UInt8]
    /// The first byte of the header's map; `nil` for the right one.
    var map: [UInt8]?
    let key: KeyPair

    /// A valid `profile.set` whose author and ancestor are made up.
    init(key: KeyPair, body: [UInt8] = [0xa1, 0x64] + Array("name".utf8) + [0x61, 0x78], kind: String = "profile.set") {
        self.key = key
        self.body = body
        let digest = ContentHash.sha256(body).digest
        fields = [
            (Self.text("v"), [0x01]),
            (Self.text("key"), [0x58, 0x20] + key.publicKey.data),
            (Self.text("seq"), [0x01]),
            (Self.text("sig"), []),
            (Self.text("body"), Self.link(digest)),
            (Self.text("kind"), Self.text(kind)),
            (Self.text("prev"), [0x81] + Self.link([UInt8](repeating: 1, count: 32))),
            (Self.text("time"), [0x19, 0x03, 0xe9]),
            (Self.text("author"), [0x58, 0x20] + [UInt8](repeating: 1, count: 32)),
        ]
    }

    /// Text of at most 23 bytes.
    static func text(_ text: String) -> [UInt8] { [0x60 + UInt8(text.utf8.count)] + Array(text.utf8) }

    static func link(_ digest: [UInt8]) -> [UInt8] {
        [0xd8, 0x2a, 0x58, 0x25, 0x00, 0x01, 0x71, 0x12, 0x20] + digest
    }

    mutating func set(_ name: String, _ value: [UInt8]) {
        let key = Self.text(name)
        if let index = fields.firstIndex(where: { $0.key == key }) { fields[index].value = value }
    }

    mutating func remove(_ name: String) {
        let key = Self.text(name)
        fields.removeAll { $0.key == key }
    }

    mutating func insert(_ name: String, _ value: [UInt8], at index: Int) {
        fields.insert((Self.text(name), value), at: index)
    }

    var signature: [UInt8] {
        let signed = fields.filter { $0.key != Self.text("sig") }
        let message = [0xa0 + UInt8(signed.count)] + signed.flatMap { $0.key + $0.value }
        return key.sign(Array("coliving-update/1".utf8) + message)
    }

    var header: [UInt8] {
        let signature = signature
        return (map ?? [0xa0 + UInt8(fields.count)])
            + fields.flatMap { field in
                let isOwn = field.key == Self.text("sig") && field.value.isEmpty
                return field.key + (isOwn ? [0x58, 0x40] + signature : field.value)
            }
    }

    var block: [UInt8] { header + body }
}
