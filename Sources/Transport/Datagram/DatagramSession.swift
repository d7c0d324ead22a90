import Multiformats
import NIOCore
import PeerCrypto
import SansIO

/// An encrypted path to one peer at one address: two keys, two counters.
///
/// A session never moves to another address: packets from elsewhere are dropped, and whoever moved begins a
/// new one. Its keys are overwritten when the last copy of the value goes.
struct DatagramSession: Sendable {
    /// How long keys are used.
    static let maximumAge: Duration = .seconds(600)
    /// Keys that send no longer still receive so long.
    static let afterlife: Duration = .seconds(10)
    static let idleTime: Duration = .seconds(180)
    /// The responder forgets an unconfirmed session after ten seconds; we stop using it a little earlier.
    static let unprovenTime: Duration = .seconds(8)
    /// Ids of the peer's last requests, each of which is answered once.
    private static let rememberedRequests = 64

    let index: UInt32
    let remoteIndex: UInt32
    let peer: PeerID
    /// Whether we began it under a throwaway identity.
    let isPrivate: Bool
    let remote: DatagramAddress
    /// Where the peer's last packet came to.
    var local: DatagramLocal
    private let keys: DatagramKeys
    /// How many packets a key may see.
    private let maximumPackets: UInt64
    let created: Instant
    private(set) var lastReceived: Instant
    /// Whether a transport packet of the peer came in. Our own side of a session that we initiated may send
    /// before that, but not for long.
    private(set) var isProven: Bool
    private var sendCounter: UInt64 = 0
    private var highestReceived: UInt64 = 0
    private var window = ReplayWindow()
    /// When the keys had seen enough packets.
    private var exhausted: Instant?
    private var requestIDs: [UInt32] = []
    private var oldestRequestID = 0

    /// A session whose keys were agreed on at `created`. `isProven` for the responder's side, which comes into
    /// being with the first transport packet.
    init(
        index: UInt32, remoteIndex: UInt32, peer: PeerID, remote: DatagramAddress, local: DatagramLocal,
        keys: DatagramKeys, maximumPackets: UInt64, created: Instant, now: Instant, isProven: Bool,
        isPrivate: Bool = false
    ) {
        self.index = index
        self.remoteIndex = remoteIndex
        self.peer = peer
        self.remote = remote
        self.local = local
        self.keys = keys
        self.maximumPackets = maximumPackets
        self.created = created
        self.isProven = isProven
        self.isPrivate = isPrivate
        lastReceived = now
    }

    /// Whether a new request may be sent on it; if not, a new session is begun.
    func maySend(now: Instant) -> Bool {
        guard exhausted == nil, now - created < Self.maximumAge, now - lastReceived < Self.idleTime else {
            return false
        }
        return isProven || now - created < Self.unprovenTime
    }

    /// When it is to be forgotten, unless something comes in before.
    var end: Instant {
        let keysEnd = (exhausted ?? created + Self.maximumAge) + Self.afterlife
        let idleEnd = isProven ? lastReceived + Self.idleTime : created + Self.unprovenTime + Self.afterlife
        return min(keysEnd, idleEnd)
    }

    /// A transport packet that carries `body`; `nil` when the counter is far beyond its end.
    mutating func seal(_ body: DatagramBody, now: Instant) -> ByteBuffer? {
        guard sendCounter < maximumPackets * 2, body.message.readableBytes <= DatagramPacket.maximumMessage
        else { return nil }
        let counter = sendCounter
        sendCounter += 1
        noteUse(now: now)
        let length = DatagramBody.header + body.message.readableBytes
        var packet = ByteBufferAllocator().buffer(
            capacity: DatagramPacket.transportHeader + length + AEAD.tagLength)
        DatagramPacket.writeHead(4, index: remoteIndex, into: &packet)
        packet.writeInteger(counter, endianness: .little)
        body.write(into: &packet)
        AEAD.sealInPlace(
            &packet, at: DatagramPacket.transportHeader, length: length, key: keys.send,
            nonce: AEAD.Nonce(counter: counter), header: 0..<DatagramPacket.transportHeader)
        return packet
    }

    /// Opens a transport packet from `source`, which becomes part of the session only when its tag is right.
    mutating func open(
        _ packet: ByteBuffer, counter: UInt64, from source: DatagramAddress, at local: DatagramLocal, now: Instant
    ) throws(DatagramDrop) -> DatagramBody {
        guard source == remote else { throw .wrongAddress }
        guard now < end else { throw .unknownIndex }
        guard window.accepts(counter) else { throw .replayed }
        var plaintext = ByteBufferAllocator().buffer(
            capacity: packet.readableBytes - DatagramPacket.transportHeader - AEAD.tagLength)
        guard
            AEAD.open(
                packet: packet, header: DatagramPacket.transportHeader, into: &plaintext, key: keys.receive,
                nonce: AEAD.Nonce(counter: counter))
        else { throw .notAuthentic }
        window.mark(counter)
        highestReceived = max(highestReceived, counter)
        lastReceived = now
        isProven = true
        self.local = local
        noteUse(now: now)
        return try DatagramBody(reading: &plaintext, padded: false)
    }

    private mutating func noteUse(now: Instant) {
        guard exhausted == nil, sendCounter >= maximumPackets || highestReceived + 1 >= maximumPackets
        else { return }
        exhausted = now
    }

    /// Whether the peer's request of this id is the first one; notes it.
    mutating func isNewRequest(_ id: UInt32) -> Bool {
        if requestIDs.contains(id) { return false }
        if requestIDs.count < Self.rememberedRequests {
            requestIDs.append(id)
        } else {
            requestIDs[oldestRequestID] = id
            oldestRequestID = (oldestRequestID + 1) % Self.rememberedRequests
        }
        return true
    }
}
