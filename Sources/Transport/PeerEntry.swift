import Multiformats
import NIOCore
import SansIO

/// One peer in the peer store.
struct PeerEntry: Sendable {
    var addresses: [(address: Multiaddr, expires: Instant)] = []
    var protocols: [String] = []
    var isIdentified = false
    var agentVersion = ""
    var protocolVersion = ""
    var publicKey: [UInt8] = []
    var record: [UInt8]?
    var recordSequence: UInt64 = 0
    /// Seconds since 1970.
    var lastConnected: UInt64?
    var isConnected = false

    private static let addressesWhenGone = 20
    private static let longestRecordWhenGone = 2_048

    init() {}

    func info(now: Instant) -> PeerStore.Info {
        PeerStore.Info(
            addresses: addresses.filter { $0.expires > now }.map(\.address), protocols: protocols,
            agentVersion: agentVersion, protocolVersion: protocolVersion, lastConnected: lastConnected,
            isConnected: isConnected)
    }

    /// Puts `new` in front; what is known already lives until the later of both times.
    mutating func add(_ new: [Multiaddr], until expires: Instant, most: Int) {
        var seen: Set<Multiaddr> = []
        let fresh = new.map(\.withoutPeerID).filter { seen.insert($0).inserted }.map { address in
            (address: address, expires: max(expires, addresses.first { $0.address == address }?.expires ?? expires))
        }
        addresses = Array((fresh + addresses.filter { !seen.contains($0.address) }).prefix(most))
    }

    /// Keeps what is of use for a peer that is not connected, in little space: there can be thousands.
    mutating func shrink(until expires: Instant) {
        addresses = Array(addresses.prefix(Self.addressesWhenGone))
        for index in addresses.indices { addresses[index].expires = max(addresses[index].expires, expires) }
        protocols = []
        isIdentified = false
        if let record, record.count > Self.longestRecordWhenGone { self.record = nil }
    }

    // MARK: The saved form (fields: 1 addresses, 3 agent, 4 key, 5 record, 6 last connected, 7 sequence)

    var encoded: [UInt8] {
        var writer = ProtobufWriter()
        for (address, _) in addresses { writer.bytes(1, address.bytes) }
        if !agentVersion.isEmpty { writer.string(3, agentVersion) }
        if !publicKey.isEmpty { writer.bytes(4, publicKey) }
        if let record { writer.bytes(5, record) }
        if let lastConnected { writer.varint(6, lastConnected) }
        if recordSequence > 0 { writer.varint(7, recordSequence) }
        return writer.bytes
    }

    init(saved: [UInt8], expires: Instant, limits: TransportLimits) throws(ProtobufError) {
        var reader = ProtobufReader(ByteBuffer(bytes: saved), maximumFields: 1_024)
        while let field = try reader.next() {
            switch field.number {
            case 1:
                guard addresses.count < limits.addressesPerPeer, let address = try? Multiaddr(field.array()) else {
                    break
                }
                addresses.append((address, expires))
            case 3: agentVersion = try field.string()
            case 4: publicKey = try field.array()
            case 5: record = try field.array()
            case 6: lastConnected = try field.uint64()
            case 7: recordSequence = try field.uint64()
            default: break
            }
        }
    }
}
