package import Multiformats
package import NIOCore

/// Why bytes are not a Kademlia message. Scope: the stream, which is to be reset, or the datagram.
package enum KadMessageError: Error, Hashable, Sendable {
    case messageTooLong(Int)
    case keyTooLong(Int)
    case recordTooLong(Int)
    case unknownKind(UInt64)
    case malformed(ProtobufError)
}

extension KadMessage {
    /// What is accepted from a peer.
    package enum Limits {
        /// The longest message, without its length prefix, in bytes.
        package static let messageBytes = 4 << 20
        /// Peers in one list; more are left out.
        package static let peers = 200
        /// The addresses of one peer; those beyond are left out.
        package static let peerBytes = 8 << 10
        /// Addresses of one peer; the shortest that mean anything fill `peerBytes` with a thousand.
        package static let addresses = 128
        package static let keyBytes = 1024
        /// Keys of contents, in bytes.
        package static let providerKeyBytes = 1...80
        package static let valueBytes = 64 << 10
        static let fields = 4096
    }

    /// Decodes a message without its length prefix.
    ///
    /// Peers and addresses that cannot be read are left out, and so is what exceeds `Limits`: one odd peer in a
    /// list must not cost the rest. Fields of the future are skipped.
    package init(decoding payload: ByteBuffer) throws(KadMessageError) {
        guard payload.readableBytes <= Limits.messageBytes else { throw .messageTooLong(payload.readableBytes) }
        self.init(.putValue)
        var number: UInt64 = 0
        var recordBytes: ByteBuffer?
        do {
            var reader = ProtobufReader(payload, maximumFields: Limits.fields)
            while let field = try reader.next() {
                switch field.number {
                case 1: number = try field.uint64()
                case 2: key = try field.array(limit: Limits.keyBytes + 1)
                case 3: recordBytes = try field.bytes()
                case 8 where closerPeers.count < Limits.peers:
                    if let peer = try KadPeer(decoding: try field.bytes()) { closerPeers.append(peer) }
                case 9 where providerPeers.count < Limits.peers:
                    if let peer = try KadPeer(decoding: try field.bytes()) { providerPeers.append(peer) }
                default: break
                }
            }
            if let recordBytes { record = try KadRecord(decoding: recordBytes) }
        } catch {
            throw .malformed(error)
        }
        guard let byte = UInt8(exactly: number), let kind = Kind(rawValue: byte) else { throw .unknownKind(number) }
        self.kind = kind
        guard key.count <= Limits.keyBytes, record?.key.count ?? 0 <= Limits.keyBytes else {
            throw .keyTooLong(max(key.count, record?.key.count ?? 0))
        }
        if let record, record.value.count > Limits.valueBytes { throw .recordTooLong(record.value.count) }
    }

    /// The message without a length prefix.
    package func encode() -> ByteBuffer {
        var writer = ProtobufWriter(capacity: 64 + 80 * (closerPeers.count + providerPeers.count))
        writeHead(to: &writer)
        for peer in closerPeers.prefix(Limits.peers) { writer.message(8, peer.encode) }
        for peer in providerPeers.prefix(Limits.peers) { writer.message(9, peer.encode) }
        return writer.buffer
    }

    func writeHead(to writer: inout ProtobufWriter, withRecord: Bool = true) {
        if kind != .putValue { writer.varint(1, UInt64(kind.rawValue)) }
        if !key.isEmpty { writer.bytes(2, key) }
        if withRecord, let record {
            writer.message(3) { inner in
                if !record.key.isEmpty { inner.bytes(1, record.key) }
                if !record.value.isEmpty { inner.bytes(2, record.value) }
                if !record.timeReceived.isEmpty { inner.string(5, record.timeReceived) }
            }
        }
    }
}

extension KadPeer {
    /// Nil when its id is none that a peer can have.
    init?(decoding payload: ByteBuffer) throws(ProtobufError) {
        var reader = ProtobufReader(payload, maximumFields: 2 * KadMessage.Limits.addresses)
        var bytes: [UInt8] = []
        var raw: [ByteBuffer] = []
        var room = KadMessage.Limits.peerBytes
        var connection = Connection.notConnected
        do {
            while let field = try reader.next() {
                switch field.number {
                case 1: bytes = try field.array(limit: 128)
                case 2:
                    let address = try field.bytes()
                    room -= address.readableBytes + 3
                    if room >= 0, raw.count < KadMessage.Limits.addresses { raw.append(address) }
                case 3: connection = Connection(number: try field.uint64())
                default: break
                }
            }
        } catch .tooManyFields {
            // What was read so far is as much as anybody needs.
        }
        guard let id = try? PeerID(bytes) else { return nil }
        self.init(id, raw.compactMap { KadPeer.address(Array($0.readableBytesView), of: id) }, connection: connection)
    }

    /// The address without the peer's own `/p2p` at its end; nil when it is unreadable or leads to another peer.
    private static func address(_ bytes: [UInt8], of id: PeerID) -> Multiaddr? {
        guard let address = try? Multiaddr(bytes) else { return nil }
        // The code of /p2p; most addresses do not have it anywhere and need not be taken apart.
        guard zip(bytes, bytes.dropFirst()).contains(where: { $0 == 0xa5 && $1 == 0x03 }) else { return address }
        guard let named = address.peerID else { return address }
        // Behind a relay's circuit the last name is the peer; a name alone is no way to it.
        return named == id ? address.transportPart : nil
    }

    func encode(to writer: inout ProtobufWriter) {
        encode(addresses[...], connection: connection, to: &writer)
    }

    func encode(_ addresses: ArraySlice<Multiaddr>, connection: Connection, to writer: inout ProtobufWriter) {
        writer.bytes(1, id.bytes)
        var room = KadMessage.Limits.peerBytes
        for address in addresses {
            room -= address.bytes.count + 3
            guard room >= 0 else { break }
            writer.bytes(2, address.bytes)
        }
        if connection != .notConnected { writer.varint(3, UInt64(connection.rawValue)) }
    }
}

extension KadPeer.Connection {
    init(number: UInt64) {
        self = UInt8(exactly: number).flatMap(KadPeer.Connection.init) ?? .notConnected
    }
}

extension KadRecord {
    init(decoding payload: ByteBuffer) throws(ProtobufError) {
        self.init(key: [], value: [])
        var reader = ProtobufReader(payload, maximumFields: 64)
        while let field = try reader.next() {
            switch field.number {
            case 1: key = try field.array(limit: KadMessage.Limits.keyBytes + 1)
            case 2: value = try field.array(limit: KadMessage.Limits.valueBytes + 1)
            // Some write a number or other bytes here; nobody reads it.
            case 5:
                if let bytes = try? field.array(limit: 64) {
                    timeReceived = String(validating: bytes, as: UTF8.self) ?? ""
                }
            default: break
            }
        }
    }
}

extension ProtobufField {
    /// A copy of at most `limit` bytes, so that a caller sees that there were too many and copies no more.
    func array(limit: Int) throws(ProtobufError) -> [UInt8] { Array(try bytes().readableBytesView.prefix(limit)) }
}
