import Multiformats
import NIOCore
import PeerCrypto
import Testing

/// `#require` for values that a mutating call gives, which the macro cannot take.
func unwrap<T>(_ value: T?) throws -> T { try #require(value) }

/// The ciphertext of one frame, without its length.
func sealed(_ plaintext: [UInt8], by cipher: NoiseCipher) throws -> [UInt8] {
    var output = ByteBuffer()
    try cipher.seal(ByteBuffer(bytes: plaintext), into: &output)
    let length = try unwrap(output.readInteger(as: UInt16.self))
    #expect(Int(length) == output.readableBytes)
    return Array(output.readableBytesView)
}

func opened(_ ciphertext: [UInt8], by cipher: NoiseCipher) throws -> [UInt8] {
    var output = ByteBuffer()
    let count = try cipher.open(frame: ByteBuffer(bytes: ciphertext), into: &output)
    #expect(count == output.readableBytes)
    return Array(output.readableBytesView)
}

/// A frame as it goes over the wire.
func frame(_ message: [UInt8]) -> [UInt8] { [UInt8(message.count >> 8), UInt8(message.count & 255)] + message }

func seed(_ byte: UInt8) -> [UInt8] { [UInt8](repeating: byte, count: 32) }

/// Two sessions and the bytes they exchange, step by step.
struct Handshake {
    var dialer: NoiseSession
    var listener: NoiseSession

    init(
        dialer: KeyPair = KeyPair(seed: seed(1)), listener: KeyPair = KeyPair(seed: seed(2)), expecting: PeerID? = nil,
        dialerMuxers: [String] = [], listenerMuxers: [String] = []
    ) {
        self.dialer = NoiseSession(
            role: .initiator, identity: dialer, expecting: expecting ?? listener.peerID, muxers: dialerMuxers)
        self.listener = NoiseSession(role: .responder, identity: listener, muxers: listenerMuxers)
    }

    /// Runs it to the end and returns the three frames.
    @discardableResult
    mutating func run() throws -> [[UInt8]] {
        let first = try unwrap(dialer.start())
        let second = try feed(&listener, first, established: false)
        let third = try feed(&dialer, second, established: true)
        _ = try feed(&listener, third, established: true)
        return [first, second, third]
    }

    func feed(_ session: inout NoiseSession, _ bytes: [UInt8], established: Bool) throws -> [UInt8] {
        var input = ByteBuffer(bytes: bytes)
        var output = ByteBuffer()
        #expect(try session.receive(&input, into: &output) == established)
        #expect(input.readableBytes == 0)
        return Array(output.readableBytesView)
    }
}
