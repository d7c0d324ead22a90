import Multiformats
import NIOCore

extension FuzzTarget {
    /// Numbers, names and addresses.
    static let multiformats: [FuzzTarget] = [
        FuzzTarget("varint", maximumLength: 64) { input in
            var index = 0
            while index < input.count, let value = try? Varint.read(input, at: &index) {
                let bytes = Varint.bytes(value)
                agree(Array(input[(index - bytes.count)..<index]) == bytes, "a varint has one form")
            }
            var buffer = ByteBuffer(bytes: input)
            while let value = try? buffer.readVarint() { agree(value <= UInt64(Int64.max), "above 2^63 - 1") }
        },
        FuzzTarget("protobuf") { input in
            var reader = ProtobufReader(ByteBuffer(bytes: input), maximumFields: 256)
            while let field = try? reader.next() {
                _ = try? field.string()
                _ = try? field.int32()
                if let nested = try? field.bytes() {
                    var inner = ProtobufReader(nested, maximumFields: 64)
                    while (try? inner.next()) != nil {}
                }
            }
        },
        FuzzTarget("cid", maximumLength: 512) { input in
            if let cid = try? CID(input) {
                agree(cid.bytes == input, "a CID has one binary form")
                agree((try? CID(cid.description)) == cid, "text form")
                agree(cid.byteCount == input.count, "byte count")
                _ = cid.prefix
            }
            let text = String(decoding: input, as: UTF8.self)
            if let cid = try? CID(text) { agree((try? CID(cid.bytes)) == cid, "binary form") }
            if let peer = try? PeerID(text) { agree((try? PeerID(peer.description)) == peer, "peer id text") }
            if let (base, bytes) = try? Multibase.decode(text) {
                agree((try? Multibase.decode(Multibase.encode(bytes, as: base)).bytes) == bytes, "multibase")
            }
        },
        FuzzTarget("multiaddr", maximumLength: 512) { input in
            if let address = try? Multiaddr(input) {
                agree(address.bytes == input, "a multiaddr has one binary form")
                use(address)
            }
            if let address = try? Multiaddr(String(decoding: input, as: UTF8.self)) {
                agree((try? Multiaddr(address.bytes)) == address, "binary form")
                agree((try? Multiaddr(address.description)) == address, "text form")
                use(address)
            }
        },
        FuzzTarget("dag-cbor") { input in
            _ = try? DagCBOR.links(input)
            if let value = try? DagCBOR.decode(input), let bytes = try? DagCBOR.encode(value) {
                let again = try? DagCBOR.encode(DagCBOR.decode(bytes, mode: .strict))
                agree(again == bytes, "what is written is canonical")
                agree((try? DagCBOR.links(bytes))?.count == value.links.count, "the links are the value's")
            }
        },
        FuzzTarget("dag-json") { input in
            if let value = try? DagJSON.decode(input), let bytes = try? DagJSON.encode(value) {
                let again = try? DagJSON.encode(DagJSON.decode(bytes))
                agree(again == bytes, "what is written reads the same")
            }
        },
    ]

    /// Asks an address everything that the node asks of a stranger's address.
    private static func use(_ address: Multiaddr) {
        _ = (address.components, address.peerID, address.withoutPeerID, address.tcp, address.relay)
        _ = (address.isLoopback, address.isPrivate, address.isPublic, address.isRelayed, address.dnsName)
    }
}
