import Multiformats
import TestSupport
import Testing

/// PeerIDs in all their spellings; deriving them from keys is PeerCrypto's part.
@Suite struct PeerIDTests {
    struct File: Decodable {
        struct ID: Decodable { let multihash_hex, base58btc, cidv1_base32, cidv1_base36: String }
        struct Key: Decodable {
            let type, public_key_protobuf_hex: String
            let peer_id: ID
        }
        let keys: [Key]
        let worked_example: ID
    }

    private func check(_ row: File.ID) throws {
        let peer = try PeerID(hex(row.multihash_hex))
        #expect(peer.description == row.base58btc)
        #expect(peer.bytes.hexText == row.multihash_hex)
        #expect(peer.cid.text(in: .base32) == row.cidv1_base32)
        #expect(peer.cid.description == row.cidv1_base36)
        for text in [row.base58btc, row.cidv1_base32, row.cidv1_base36] { #expect(try PeerID(text) == peer) }
        #expect(row.base58btc.hasSuffix(peer.short))
    }

    /// The fields that need SHA-256 (Kademlia ids, hashed keys) are tested in PeerCrypto.
    @Test(.enabled(if: Vectors.present, "\(Vectors.skipped)"))
    func vectors() throws {
        let file = try Vectors.json("peer-id/peer-id-vectors.json", as: File.self)
        #expect(file.keys.count == 4)
        try check(file.worked_example)
        for key in file.keys {
            try check(key.peer_id)
            // Short keys are in the PeerID itself.
            let protobuf = hex(key.public_key_protobuf_hex)
            guard protobuf.count <= 42 else { continue }
            #expect(try PeerID(multihash: .identity(protobuf)).description == key.peer_id.base58btc)
        }
    }

    @Test func example() throws {
        let text = "12D3KooWLU2znyJMtDiHArqAGbZn8CgUGp92kxDBtefftEEaHSZS"
        let peer = try PeerID(text)
        #expect(peer.bytes.hexText == "0024080112209e3b433cbd31c2b8a6ebbdca998bd0f4c2141c9c9af5422e976051b1e63af14d")
        #expect(peer.description == text)
        #expect(peer.short == "tEEaHSZS")
    }

    @Test func refusals() throws {
        for text in ["", "1", "Qm", "12D3Koo", "bafkqaaa", "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1", "hello"] {
            #expect(throws: MultiformatError.self, "\(text)") { try PeerID(text) }
        }
        // A dag-pb CID names content, not a peer.
        let content = try CID("bafybeihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku")
        #expect(throws: MultiformatError.notAPeerID) { try PeerID(content.description) }
        #expect(throws: MultiformatError.notAPeerID) {
            try PeerID(multihash: .identity([UInt8](repeating: 1, count: 43)))
        }
        #expect(throws: MultiformatError.notAPeerID) { try PeerID(multihash: .identity([])) }
        #expect(throws: MultiformatError.notAPeerID) {
            try PeerID(multihash: Multihash(code: .sha2_512, digest: [UInt8](repeating: 1, count: 64)))
        }
    }

    /// The order is that of the bytes, whichever way a hash is kept.
    @Test func order() throws {
        let hashes = (0..<40).map { index in
            let key = [8, 1, 0x12, 0x20] + [UInt8](repeating: UInt8(index * 37 & 0xff), count: 32)
            switch index % 4 {
            case 0: return Multihash.identity(key)
            case 1: return Multihash(code: .sha2_256, digest: Array(key[4...]))
            case 2: return Multihash.identity([UInt8(index), 3])
            default: return Multihash.identity(Array(key.reversed()))
            }
        }
        let peers = try hashes.map { try PeerID(multihash: $0) }
        #expect(peers.sorted().map(\.bytes) == peers.map(\.bytes).sorted { $0.lexicographicallyPrecedes($1) })
    }
}
