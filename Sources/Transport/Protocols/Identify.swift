package import Multiformats
package import NIOCore

/// What a peer says about itself on every new connection, and again when it changes.
///
/// Sent in messages of at most 4 KiB (rust-libp2p's limit), the signed record in one of its own; read as up
/// to ten messages of 8 KiB that are merged: single values last wins, lists are joined.
/// Source: https://github.com/libp2p/specs/tree/master/identify
package struct Identify: Sendable {
    package static let protocolID = "/ipfs/id/1.0.0"
    package static let pushProtocolID = "/ipfs/id/push/1.0.0"
    /// The longest message that is read, and how many.
    package static let maximumMessage = 8 << 10
    package static let maximumMessages = 10
    private static let mostSent = 4 << 10
    private static let mostProtocols = 128
    private static let mostAddresses = 32
    private static let longestText = 256

    /// The protobuf form of the sender's identity key.
    package var publicKey: [UInt8]?
    package var listenAddresses: [Multiaddr] = []
    /// `nil` when no message named any.
    package var protocols: [String]?
    /// The sender's view of the receiver's socket.
    package var observedAddress: Multiaddr?
    package var protocolVersion: String?
    package var agentVersion: String?
    /// The sender's addresses again, as a signed envelope.
    package var signedPeerRecord: ByteBuffer?

    package init() {}

    /// Takes in one message. Addresses that cannot be read are left out; what exceeds the limits is too.
    package mutating func merge(_ message: ByteBuffer) throws(ProtobufError) {
        var reader = ProtobufReader(message, maximumFields: 2_048)
        while let field = try reader.next() {
            switch field.number {
            case 1: publicKey = try field.array()
            case 2:
                guard let address = try? Multiaddr(try field.array()) else { break }
                if listenAddresses.count < Self.mostAddresses { listenAddresses.append(address) }
            case 3:
                let name = try field.string()
                guard name.utf8.count <= Self.longestText else { break }
                if (protocols?.count ?? 0) < Self.mostProtocols { protocols = (protocols ?? []) + [name] }
            case 4: observedAddress = try? Multiaddr(try field.array())
            case 5: protocolVersion = String(try field.string().prefix(Self.longestText))
            case 6: agentVersion = String(try field.string().prefix(Self.longestText))
            case 8: signedPeerRecord = try field.bytes()
            default: break
            }
        }
    }

    /// The messages to send, each with its length in front. Addresses are dropped rather than a limit passed.
    package var encoded: [ByteBuffer] {
        var main = ProtobufWriter()
        if let publicKey { main.bytes(1, publicKey) }
        if let observedAddress { main.bytes(4, observedAddress.bytes) }
        if let protocolVersion { main.string(5, protocolVersion) }
        if let agentVersion { main.string(6, agentVersion) }
        for name in (protocols ?? []).prefix(Self.mostProtocols)
        where main.buffer.readableBytes + name.utf8.count < Self.mostSent * 3 / 4 { main.string(3, name) }
        for address in listenAddresses.prefix(Self.mostAddresses)
        where main.buffer.readableBytes + address.bytes.count + 8 < Self.mostSent { main.bytes(2, address.bytes) }
        var messages = [main.buffer]
        if let signedPeerRecord, signedPeerRecord.readableBytes < Self.mostSent {
            var second = ProtobufWriter()
            second.bytes(8, signedPeerRecord)
            messages.append(second.buffer)
        }
        return messages.map { message in
            var framed = ByteBuffer()
            framed.writeVarint(UInt64(message.readableBytes))
            framed.writeImmutableBuffer(message)
            return framed
        }
    }
}

/// Sends an identify message and closes, for whoever asked or is pushed to.
final class IdentifySender: StreamHandler {
    private let messages: [ByteBuffer]

    init(_ identify: Identify) { messages = identify.encoded }

    func opened(_ stream: PeerStream) {
        stream.setDeadline(.seconds(5))
        stream.write(messages)
        stream.closeWrite()
    }

    func received(_ bytes: ByteBuffer, on stream: PeerStream) {}
    func inputClosed(_ stream: PeerStream) {}
    func failed(_ error: StreamError, on stream: PeerStream) {}
}

/// Reads an identify message to its end and hands it over, or nothing when it breaks a limit.
final class IdentifyReceiver: StreamHandler {
    private let done: (Identify?) -> Void
    private var framer = MessageFramer(maximum: Identify.maximumMessage)
    private var identify = Identify()
    private var count = 0
    private var isDone = false

    /// `done` is called once, on the loop.
    init(_ done: @escaping (Identify?) -> Void) { self.done = done }

    func opened(_ stream: PeerStream) { stream.setDeadline(.seconds(5)) }

    func received(_ bytes: ByteBuffer, on stream: PeerStream) {
        var input = bytes
        do {
            while let message = try framer.next(&input) {
                count += 1
                guard count <= Identify.maximumMessages else { return fail(stream) }
                try identify.merge(message)
            }
        } catch {
            fail(stream)
        }
    }

    func inputClosed(_ stream: PeerStream) {
        finish(count > 0 && framer.isEmpty ? identify : nil)
        stream.closeWrite()
    }

    func failed(_ error: StreamError, on stream: PeerStream) { finish(nil) }

    private func fail(_ stream: PeerStream) {
        finish(nil)
        stream.reset()
    }

    private func finish(_ result: Identify?) {
        guard !isDone else { return }
        isDone = true
        done(result)
    }
}
