import Multiformats
import NIOCore
import PeerCrypto
import Transport

/// The initiating side of the protocol written a second time, from the specification alone, byte by byte; and
/// where a test wants it, wrong.
struct DatagramRawPeer {
    var key: KeyPair
    var network = "test"
    var psk: SecretBytes?
    /// The Ed25519 key that the payload claims; its own when nil.
    var claimed: [UInt8]?

    init(_ seed: UInt8) { key = KeyPair(seed: [UInt8](repeating: seed, count: 32)) }

    private func prefixed(_ bytes: [UInt8]) -> [UInt8] { [UInt8(bytes.count % 256), UInt8(bytes.count / 256)] + bytes }

    func macKey(_ responder: [UInt8]) -> SecretBytes {
        BLAKE2b.hash(
            prefixed(Array("coliving-mac/1".utf8)) + prefixed(Array(network.utf8)) + prefixed(responder)
                + prefixed(psk?.reveal() ?? []), secret: nil)
    }

    /// An initiation, and the handshake that reads its response. `named` is the Ed25519 key that the prologue
    /// and the mac name; `reach` the one whose X25519 half is used.
    func initiation(
        to named: [UInt8], reach: PublicKey? = nil, index: UInt32 = 0x0403_0201, body: [UInt8] = [8, 5],
        requestID: UInt32 = 7, flags: UInt16 = 0, length: Int = 1200, tail: UInt8 = 0
    ) throws -> (ByteBuffer, NoiseHandshake) {
        let head: [UInt8] = [1, 1, 0, 0] + Self.little(UInt64(index), 4)
        let responder = try reach ?? PublicKey(kind: .ed25519, data: named)
        guard let remote = responder.x25519 else { throw KeyError.malformed }
        var noise = NoiseHandshake(
            pattern: psk == nil ? .ik : .ikPSK2, role: .initiator,
            prologue: prefixed(Array("coliving-datagram/1".utf8)) + prefixed(Array(network.utf8)) + prefixed(named)
                + head,
            localStatic: key.datagramStatic, remoteStatic: remote, psk: psk)
        var payload = claimed ?? key.publicKey.data
        payload += Self.body(requestID, flags, body)
        payload += [UInt8](repeating: tail, count: max(0, length - 40 - 32 - 48 - 16 - payload.count))
        let message = try noise.write(payload: payload)
        let mac = BLAKE2b.mac(head + message, key: macKey(named))
        var packet = ByteBuffer(bytes: head)
        packet.writeInteger(mac.words.0, endianness: .little)
        packet.writeInteger(mac.words.1, endianness: .little)
        packet.writeRepeatingByte(0, count: 16)
        packet.writeBytes(message)
        return (packet, noise)
    }

    static func body(_ id: UInt32, _ flags: UInt16, _ message: [UInt8]) -> [UInt8] {
        little(UInt64(id), 4) + little(UInt64(flags), 2) + little(UInt64(message.count), 2) + message
    }

    /// The last `count` bytes of a number, the lowest first.
    static func little(_ number: UInt64, _ count: Int) -> [UInt8] {
        (0..<UInt64(count)).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }

    /// Reads a response: the responder's index, the id, flags and answer, and the keys of the session.
    static func read(
        _ response: ByteBuffer, _ noise: NoiseHandshake
    ) throws -> (index: [UInt8], id: UInt8, flags: UInt8, answer: [UInt8], send: SecretBytes, receive: SecretBytes) {
        var noise = noise
        let payload = try noise.read(Array(response.readableBytesView.dropFirst(8)))
        let keys = noise.splitKeys()
        return (Array(payload[..<4]), payload[4], payload[8], Array(payload[12...]), keys.send, keys.receive)
    }

    /// A transport packet.
    static func transport(to index: [UInt8], counter: UInt64, key: SecretBytes, _ body: [UInt8]) -> ByteBuffer {
        let start: [UInt8] = [4, 1, 0, 0]
        let head: [UInt8] = start + index + little(counter, 8)
        return ByteBuffer(
            bytes: head + AEAD.seal(body, key: key, nonce: AEAD.Nonce(counter: counter), additional: head))
    }
}
