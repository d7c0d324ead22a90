import DHT
import Multiformats
import NIOCore
import NIOPosix
import Storage
import Synchronization

/// What one DHT keeps in the repo: the records that it holds for others, and the peers to begin with next time.
///
/// Changes are gathered and written together on the pool, in order. Trouble with the disk is not reported: a lost
/// record is one of twenty copies, and its owner tells it again.
final class RoutingStore: Sendable {
    /// What was there when the node was opened.
    struct Saved: Sendable {
        var records: [KadRecordChange] = []
        /// Anchors first.
        var peers: [KadPeer] = []
    }

    private struct State {
        var waiting: [KadRecordChange] = []
        var isScheduled = false
    }

    /// Longest a value record lives; the core looks at the exact time itself.
    private static let valueSeconds: UInt64 = 48 * 3600

    private let records: RecordStore
    private let plane: ControlPlane
    private let providers: String
    private let values: String
    private let peers: String
    private let state = Mutex(State())
    /// Held while changes are written, so that later ones do not overtake them.
    private let order = Mutex(())

    /// - Parameter name: the DHT's, so that the two of the public network keep theirs apart.
    init(_ records: RecordStore, name: String, plane: ControlPlane) {
        self.records = records
        self.plane = plane
        providers = "dht.\(name).providers"
        values = "dht.\(name).values"
        peers = "dht.\(name).peers"
    }

    // MARK: Reading

    /// Reads everything. May block.
    func load() -> Saved {
        var saved = Saved()
        for record in (try? records.all(in: providers)) ?? [] {
            if let change = try? Self.provider(record) { saved.records.append(change) }
        }
        for record in (try? records.all(in: values)) ?? [] {
            if let change = try? Self.value(record) { saved.records.append(change) }
        }
        for record in (try? records.all(in: peers)) ?? [] {
            if let peer = try? Self.peer(record) { saved.peers.append(peer) }
        }
        return saved
    }

    // MARK: Writing

    /// Takes in a change; it is written soon.
    func record(_ change: KadRecordChange) {
        let isFirst = state.withLock { state in
            state.waiting.append(change)
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        guard isFirst else { return }
        plane.controlLoop.scheduleTask(in: .milliseconds(200)) {
            self.plane.pool.submit { _ in self.flush() }
        }
    }

    /// Writes what waits. May block.
    func flush() { order.withLock { _ in writeWaiting() } }

    private func writeWaiting() {
        let changes = state.withLock { state in
            defer { state = State() }
            return state.waiting
        }
        // Runs of one kind go in one transaction; the order of changes of one key is kept.
        var puts: [String: [RecordStore.Record]] = [:]
        for change in changes {
            switch change {
            case .provider(let key, let peer, let addresses, let expires):
                puts[providers, default: []].append(
                    RecordStore.Record(
                        key: Self.key(key, peer), value: Self.encoded(addresses, time: expires),
                        expires: Self.seconds(expires)))
            case .value(let key, let record, let received):
                puts[values, default: []].append(
                    RecordStore.Record(
                        key: key, value: Self.encoded(record, time: received),
                        expires: UInt32(clamping: received.milliseconds / 1000 + Self.valueSeconds)))
            case .noProvider(let key, let peer):
                write(&puts)
                try? records.delete(Self.key(key, peer), in: providers)
            case .noValue(let key):
                write(&puts)
                try? records.delete(key, in: values)
            }
        }
        write(&puts)
    }

    private func write(_ puts: inout [String: [RecordStore.Record]]) {
        for (table, waiting) in puts { try? records.set(waiting, in: table) }
        puts.removeAll()
    }

    /// Replaces the saved peers by `list`, best first. May block.
    func save(peers list: [KadPeer]) {
        let new = list.prefix(Int(UInt8.max)).enumerated().map { index, peer in
            RecordStore.Record(key: [UInt8(truncatingIfNeeded: index)], value: Self.encoded(peer))
        }
        let old = (try? records.all(in: peers)) ?? []
        try? records.set(new, in: peers)
        for record in old where Int(record.key.first ?? 0) >= new.count { try? records.delete(record.key, in: peers) }
    }

    // MARK: Saved forms

    /// The key's length, the key, the peer: one entry for each pair.
    private static func key(_ key: [UInt8], _ peer: PeerID) -> [UInt8] {
        var bytes: [UInt8] = []
        Varint.append(UInt64(key.count), to: &bytes)
        return bytes + key + peer.bytes
    }

    private static func seconds(_ time: KadTime) -> UInt32 { UInt32(clamping: time.milliseconds / 1000 + 1) }

    /// Fields: 1 addresses, 2 milliseconds since 1970.
    private static func encoded(_ addresses: [Multiaddr], time: KadTime) -> [UInt8] {
        var writer = ProtobufWriter()
        for address in addresses { writer.bytes(1, address.bytes) }
        writer.varint(2, time.milliseconds)
        return writer.bytes
    }

    /// Fields: 1 the record, 2 milliseconds since 1970.
    private static func encoded(_ record: [UInt8], time: KadTime) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.bytes(1, record)
        writer.varint(2, time.milliseconds)
        return writer.bytes
    }

    /// Fields: 1 addresses, 3 the PeerID.
    private static func encoded(_ peer: KadPeer) -> [UInt8] {
        var writer = ProtobufWriter()
        for address in peer.addresses { writer.bytes(1, address.bytes) }
        writer.bytes(3, peer.id.bytes)
        return writer.bytes
    }

    private struct Fields {
        var first: [[UInt8]] = []
        var time: UInt64 = 0
        var peer: [UInt8] = []

        init(_ bytes: [UInt8]) throws(ProtobufError) {
            var reader = ProtobufReader(ByteBuffer(bytes: bytes), maximumFields: 1024)
            while let field = try reader.next() {
                switch field.number {
                case 1: first.append(try field.array())
                case 2: time = try field.uint64()
                case 3: peer = try field.array()
                default: break
                }
            }
        }

        var addresses: [Multiaddr] { first.compactMap { try? Multiaddr($0) } }
    }

    private static func provider(_ record: RecordStore.Record) throws -> KadRecordChange {
        var index = 0
        let length = try Varint.read(record.key, at: &index)
        guard length <= UInt64(record.key.count - index) else { throw MultiformatError.truncated }
        let end = index + Int(length)
        let fields = try Fields(record.value)
        return .provider(
            key: Array(record.key[index..<end]), peer: try PeerID(Array(record.key[end...])),
            addresses: fields.addresses, expires: KadTime(milliseconds: fields.time))
    }

    private static func value(_ record: RecordStore.Record) throws -> KadRecordChange {
        let fields = try Fields(record.value)
        guard let value = fields.first.first else { throw MultiformatError.truncated }
        return .value(key: record.key, record: value, received: KadTime(milliseconds: fields.time))
    }

    private static func peer(_ record: RecordStore.Record) throws -> KadPeer {
        let fields = try Fields(record.value)
        return KadPeer(try PeerID(fields.peer), fields.addresses)
    }
}
