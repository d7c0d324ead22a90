package import NIOCore
package import PeerCrypto

/// The outside of a packet: what stands in clear before and around its encrypted part.
///
/// All numbers are little-endian. Every packet begins with a type, the version 1 and two zero bytes.
///
///     1 initiation   sender index u32, mac 16, token 16, Noise message
///     2 response     receiver index u32, Noise message
///     3 retry        receiver index u32, token 16
///     4 transport    receiver index u32, counter u64, ciphertext with its tag
package enum DatagramPacket: Hashable, Sendable {
    case initiation(sender: UInt32, mac: ShortMAC, token: ShortMAC)
    case response(receiver: UInt32)
    case retry(receiver: UInt32, token: ShortMAC)
    case transport(receiver: UInt32, counter: UInt64)

    /// The most bytes of a UDP payload: IPv6's smallest link leaves 1,232.
    package static let maximumLength = 1200
    /// A shorter initiation is dropped, so that its response can be as long as itself.
    package static let minimumInitiation = 512

    /// Bytes before the Noise message of an initiation, and of those the ones that its mac covers.
    static let initiationHeader = 40
    static let authenticatedHeader = 8
    /// Where an initiation's token is.
    static let tokenOffset = 24
    /// Bytes before the Noise message of a response.
    static let responseHeader = 8
    static let retryLength = 24
    /// Bytes before the ciphertext of a transport packet, all of them authenticated.
    static let transportHeader = 16

    /// Bytes that a packet of each kind has beyond the message that it carries.
    static let initiationOverhead = initiationHeader + 32 + 48 + InitiationPayload.header + AEAD.tagLength
    static let responseOverhead = responseHeader + 32 + ResponsePayload.header + AEAD.tagLength
    static let transportOverhead = transportHeader + DatagramBody.header + AEAD.tagLength

    /// The longest message of a first request, of a later request or answer. What a first answer may have
    /// depends on its request: `room(forResponseTo:)`.
    package static let maximumFirstRequest = maximumLength - initiationOverhead
    package static let maximumMessage = maximumLength - transportOverhead

    /// The most bytes of a first answer to an initiation of `length` bytes: the response is never longer.
    package static func room(forResponseTo length: Int) -> Int { max(0, length - responseOverhead) }

    /// Reads the clear part. Nothing of it is believed yet; lengths are those that the type allows.
    package init(_ packet: ByteBuffer) throws(DatagramDrop) {
        let length = packet.readableBytes
        let start = packet.readerIndex
        guard length <= Self.maximumLength else { throw .tooLong }
        guard length >= Self.retryLength,
            let head = packet.getInteger(at: start, endianness: .little, as: UInt32.self),
            let index = packet.getInteger(at: start + 4, endianness: .little, as: UInt32.self)
        else { throw .tooShort }
        // Type, version 1, two zero bytes.
        guard head >> 8 == 1 else { throw .malformed }
        switch head & 0xff {
        case 1:
            guard length >= Self.minimumInitiation, let mac = packet.shortMAC(at: start + 8),
                let token = packet.shortMAC(at: start + Self.tokenOffset)
            else { throw .tooShort }
            self = .initiation(sender: index, mac: mac, token: token)
        case 2:
            guard length >= Self.responseOverhead else { throw .tooShort }
            self = .response(receiver: index)
        case 3:
            guard length == Self.retryLength, let token = packet.shortMAC(at: start + 8) else { throw .malformed }
            self = .retry(receiver: index, token: token)
        case 4:
            guard length >= Self.transportOverhead,
                let counter = packet.getInteger(at: start + 8, endianness: .little, as: UInt64.self)
            else { throw .tooShort }
            self = .transport(receiver: index, counter: counter)
        default: throw .malformed
        }
    }

    /// The first bytes of a packet of type `type`.
    static func writeHead(_ type: UInt8, index: UInt32, into packet: inout ByteBuffer) {
        packet.writeInteger(UInt32(type) | 1 << 8, endianness: .little)
        packet.writeInteger(index, endianness: .little)
    }

    /// A whole retry packet.
    static func encodeRetry(receiver: UInt32, token: ShortMAC) -> ByteBuffer {
        var packet = ByteBufferAllocator().buffer(capacity: retryLength)
        writeHead(3, index: receiver, into: &packet)
        packet.writeShortMAC(token)
        return packet
    }

    /// The mac of an initiation: over its first eight bytes and its Noise message, not over the token.
    static func mac(ofInitiation packet: ByteBuffer, key: SecretBytes) -> ShortMAC {
        BLAKE2b.mac(
            of: packet, 0..<authenticatedHeader, initiationHeader..<packet.readableBytes, key: key)
    }
}

extension ByteBuffer {
    func shortMAC(at index: Int) -> ShortMAC? {
        guard let first = getInteger(at: index, endianness: .little, as: UInt64.self),
            let second = getInteger(at: index + 8, endianness: .little, as: UInt64.self)
        else { return nil }
        return ShortMAC(words: (first, second))
    }

    mutating func writeShortMAC(_ mac: ShortMAC) {
        writeInteger(mac.words.0, endianness: .little)
        writeInteger(mac.words.1, endianness: .little)
    }

    mutating func setShortMAC(_ mac: ShortMAC, at index: Int) {
        setInteger(mac.words.0, at: index, endianness: .little)
        setInteger(mac.words.1, at: index + 8, endianness: .little)
    }
}

/// Why a packet was dropped. Nothing is ever answered to one; the reasons are counted.
package enum DatagramDrop: Int, Error, Hashable, Sendable, CaseIterable {
    case tooShort, tooLong, malformed
    /// The mac is wrong: another network, another key, or noise.
    case wrongMAC
    /// An index that we gave to nobody, or no longer.
    case unknownIndex
    /// From another address than the one that the session or the handshake belongs to.
    case wrongAddress
    /// A tag does not fit.
    case notAuthentic
    /// A counter that was seen already, or is too old to tell.
    case replayed
    /// The identity in an initiation is not the one that its key proves, or is our own.
    case wrongIdentity
    /// A repeat of an initiation whose answer is still being made.
    case pending
    /// Too many initiations a second: a retry was sent instead.
    case overloaded
    /// More than a proven source may send, or more requests than we hold.
    case limited
    /// A second retry, an answer that nobody waits for, a request id used twice.
    case unexpected
}
