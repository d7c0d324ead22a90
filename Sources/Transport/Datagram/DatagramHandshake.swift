package import Multiformats
import NIOCore
package import PeerCrypto

/// The keys that all handshakes of one endpoint share.
///
/// The first packet is encrypted to the key inside the responder's PeerID. It lacks forward secrecy, can be
/// replayed and, to whoever has our own key, be forged: nothing is believed for its sake.
package struct DatagramIdentity: Sendable {
    package let peer: PeerID
    /// The 32 bytes of our Ed25519 key, as initiations carry them.
    let publicKey: [UInt8]
    let staticKey: NoiseKeyPair
    let network: DatagramNetwork
    /// What initiations to us are authenticated with before any costly step.
    let macKey: SecretBytes

    package init(_ identity: KeyPair, network: DatagramNetwork) {
        peer = identity.peerID
        publicKey = identity.publicKey.data
        staticKey = identity.datagramStatic
        self.network = network
        macKey = network.macKey(responder: publicKey)
    }
}

/// The network that a handshake is for: its name, and its pre-shared key if it has one.
package struct DatagramNetwork: Sendable {
    let name: String
    let psk: SecretBytes?

    package init(name: String, privateNetwork: PrivateNetworkKey? = nil) {
        self.name = name
        psk = privateNetwork?.secret
    }

    var pattern: NoisePattern { psk == nil ? .ik : .ikPSK2 }

    /// What both sides must agree on beforehand: protocol, network, the responder's Ed25519 key (X25519 alone
    /// would not tell a key from its negative) and the initiation's clear header.
    func prologue(responder: [UInt8], header: [UInt8]) -> [UInt8] {
        Self.joined([Array("coliving-datagram/1".utf8), Array(name.utf8), responder]) + header
    }

    /// The key of an initiation's mac. Without the network's key it can be computed by anybody; with it a
    /// stranger cannot even make us look at a packet.
    func macKey(responder: [UInt8]) -> SecretBytes {
        let known = Self.joined([Array("coliving-mac/1".utf8), Array(name.utf8), responder])
        let length = psk?.count ?? 0
        return BLAKE2b.hash(known + [UInt8(length & 255), UInt8(length >> 8)], secret: psk)
    }

    /// Each part behind its length, two bytes little-endian.
    private static func joined(_ parts: [[UInt8]]) -> [UInt8] {
        parts.flatMap { [UInt8($0.count & 255), UInt8($0.count >> 8 & 255)] + $0 }
    }
}

/// Our side of a handshake that we began: the packet, and what reads its response.
struct InitiatedHandshake: Sendable {
    /// The whole initiation. A repeat is these bytes again; only the token may differ, since a new payload
    /// under the same ephemeral key would encrypt twice with one nonce.
    private(set) var packet: ByteBuffer
    private let noise: NoiseHandshake

    /// Encrypts `body` to the peer with the Ed25519 key `responder`, padded to `length` bytes in all. `nil`
    /// when that key is unusable.
    init?(
        from identity: DatagramIdentity, to responder: PublicKey, index: UInt32, body: DatagramBody, length: Int,
        ephemeral: NoiseKeyPair
    ) {
        guard let remoteStatic = responder.x25519 else { return nil }
        var packet = ByteBufferAllocator().buffer(capacity: length)
        DatagramPacket.writeHead(1, index: index, into: &packet)
        let prologue = identity.network.prologue(
            responder: responder.data, header: Array(packet.readableBytesView))
        var noise = NoiseHandshake(
            pattern: identity.network.pattern, role: .initiator, prologue: prologue, localStatic: identity.staticKey,
            remoteStatic: remoteStatic, psk: identity.network.psk, ephemeral: ephemeral)
        let room = length - DatagramPacket.initiationOverhead + InitiationPayload.header
        let payload = InitiationPayload(identity: identity.publicKey, body: body).encode(length: room)
        guard payload.count == room, let message = try? noise.write(payload: payload) else { return nil }
        packet.writeRepeatingByte(0, count: DatagramPacket.initiationHeader - packet.readableBytes)
        packet.writeBytes(message)
        let macKey = identity.network.macKey(responder: responder.data)
        packet.setShortMAC(DatagramPacket.mac(ofInitiation: packet, key: macKey), at: 8)
        self.packet = packet
        self.noise = noise
    }

    /// Puts the token of a retry into the packet.
    mutating func setToken(_ token: ShortMAC) {
        packet.setShortMAC(token, at: packet.readerIndex + DatagramPacket.tokenOffset)
    }

    /// Reads a response. A forged one throws and changes nothing, so that the right one can still come.
    func open(_ response: ByteBuffer) throws(DatagramDrop) -> (payload: ResponsePayload, keys: DatagramKeys) {
        var attempt = noise
        let message = Array(response.readableBytesView.dropFirst(DatagramPacket.responseHeader))
        let payload: [UInt8]
        do { payload = try attempt.read(message) } catch { throw .notAuthentic }
        let keys = attempt.splitKeys()
        return (try ResponsePayload(payload), DatagramKeys(send: keys.send, receive: keys.receive))
    }
}

/// Our side of a handshake that a peer began: who it is and what it asks, as far as a first packet proves it.
struct ReceivedHandshake: Sendable {
    let peer: PeerID
    let body: DatagramBody
    private let senderIndex: UInt32
    private let noise: NoiseHandshake

    /// Opens an initiation whose mac was found right. Costs two or three scalar multiplications.
    init(_ packet: ByteBuffer, sender: UInt32, for identity: DatagramIdentity) throws(DatagramDrop) {
        let bytes = packet.readableBytesView
        let prologue = identity.network.prologue(
            responder: identity.publicKey, header: Array(bytes.prefix(DatagramPacket.authenticatedHeader)))
        var noise = NoiseHandshake(
            pattern: identity.network.pattern, role: .responder, prologue: prologue, localStatic: identity.staticKey,
            psk: identity.network.psk, ephemeral: nil)
        let message = Array(bytes.dropFirst(DatagramPacket.initiationHeader))
        let plaintext: [UInt8]
        do { plaintext = try noise.read(message) } catch { throw .notAuthentic }
        let payload = try InitiationPayload(plaintext)
        guard let key = try? PublicKey(kind: .ed25519, data: payload.identity), let proven = noise.remoteStatic,
            key.x25519 == proven, payload.identity != identity.publicKey
        else { throw .wrongIdentity }
        peer = key.peerID
        body = payload.body
        senderIndex = sender
        self.noise = noise
    }

    /// The response that carries `answer`, and the session's keys. Draws an ephemeral key: once a handshake.
    func respond(
        index: UInt32, answer: DatagramBody, ephemeral: NoiseKeyPair
    ) -> (packet: ByteBuffer, remoteIndex: UInt32, keys: DatagramKeys)? {
        var attempt = noise
        attempt.setEphemeral(ephemeral)
        let payload = ResponsePayload(index: index, body: answer).encoded
        guard let message = try? attempt.write(payload: payload) else { return nil }
        var packet = ByteBufferAllocator().buffer(capacity: DatagramPacket.responseHeader + message.count)
        DatagramPacket.writeHead(2, index: senderIndex, into: &packet)
        packet.writeBytes(message)
        let keys = attempt.splitKeys()
        return (packet, senderIndex, DatagramKeys(send: keys.send, receive: keys.receive))
    }
}

/// The keys of a session's two directions; overwritten when the session goes.
package struct DatagramKeys: Sendable {
    let send: SecretBytes
    let receive: SecretBytes
}
