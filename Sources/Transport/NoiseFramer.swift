package import NIOCore
package import PeerCrypto

/// The sending half of the data plane: gathers yamux frames into Noise frames and seals them where they
/// lie, four to a pooled buffer, so that a batch costs one copy and one system call.
///
/// ```
/// buffer   | len | plaintext <= 65,518 | tag | len | plaintext | tag | ...     256 KiB = 4 x 64 KiB
///                ^frameStart          ^writerIndex of the open frame
/// ```
struct NoiseWriter {
    /// One byte less than Noise allows, so that exactly four frames fill a buffer.
    static let frameCapacity = BufferPool.capacity / 4 - NoiseCipher.overhead

    private let cipher: NoiseCipher
    private let pool: BufferPool
    private var buffer: ByteBuffer?
    /// Where the plaintext of the open frame starts; meaningful while a buffer is there.
    private var frameStart = 0

    init(cipher: NoiseCipher, pool: BufferPool) {
        self.cipher = cipher
        self.pool = pool
    }

    /// What still fits into the open frame, in bytes; a whole frame when none is open.
    var room: Int {
        guard let buffer else { return Self.frameCapacity }
        return Self.frameCapacity - (buffer.writerIndex - frameStart)
    }

    /// Lets `write` append up to `room` bytes of plaintext to the open frame.
    mutating func append(_ write: (inout ByteBuffer) -> Void) {
        // Taken out while it is written to, so that it is never shared.
        var current = buffer.take() ?? emptyBuffer()
        write(&current)
        buffer = current
    }

    private mutating func emptyBuffer() -> ByteBuffer {
        var fresh = pool.take()
        fresh.moveWriterIndex(to: NoiseCipher.headerLength)
        frameStart = NoiseCipher.headerLength
        return fresh
    }

    /// Seals the open frame; gives the buffer when it has no room for another.
    mutating func finishFrame() throws(NoiseError) -> ByteBuffer? {
        guard var current = buffer.take() else { return nil }
        let length = current.writerIndex - frameStart
        guard length > 0 else {
            // Nothing in the open frame yet; sealed ones may lie in front of it.
            buffer = current
            return nil
        }
        try cipher.sealInPlace(&current, plaintextAt: frameStart, length: length)
        let next = current.writerIndex + NoiseCipher.headerLength
        guard next + Self.frameCapacity + AEAD.tagLength <= BufferPool.capacity else {
            pool.keep(current)
            return current
        }
        current.moveWriterIndex(to: next)
        frameStart = next
        buffer = current
        return nil
    }

    /// Seals what is there and gives it; `nil` when there is nothing.
    mutating func finish() throws(NoiseError) -> ByteBuffer? {
        if let full = try finishFrame() { return full }
        guard var current = buffer.take() else { return nil }
        // The gap that was kept for the next frame's length.
        current.moveWriterIndex(to: frameStart - NoiseCipher.headerLength)
        guard current.readableBytes > 0 else { return nil }
        pool.keep(current)
        return current
    }
}

/// The receiving half: takes whole Noise frames out of what the socket gave and decrypts them from there
/// into a plaintext buffer. Only a frame that is cut by the end of the input is copied.
package struct NoiseReader {
    private let cipher: NoiseCipher
    /// A frame's beginning, with its length, whose rest has not arrived.
    private var partial = ByteBuffer()

    package init(cipher: NoiseCipher) { self.cipher = cipher }

    /// Bytes of an incomplete frame that are kept here.
    var pendingBytes: Int { partial.readableBytes }

    /// Decrypts frames of `input` into `plaintext` as long as they fit its capacity.
    ///
    /// Returns true when `input` is used up, false when `plaintext` has to be emptied first; an empty one with
    /// room for as many bytes as came in is always enough to get on.
    package mutating func receive(_ input: inout ByteBuffer, into plaintext: inout ByteBuffer) throws(NoiseError)
        -> Bool
    {
        if partial.readableBytes > 0 {
            guard try completePartial(&input, into: &plaintext) else { return input.readableBytes == 0 }
        }
        while let length = input.getInteger(at: input.readerIndex, as: UInt16.self).map(Int.init) {
            // Only a whole frame asks for room: a length whose frame is still to come means nothing yet.
            guard let frame = input.getSlice(at: input.readerIndex + NoiseCipher.headerLength, length: length) else {
                break
            }
            guard plaintext.writableBytes >= length else { return false }
            input.moveReaderIndex(forwardBy: NoiseCipher.headerLength + length)
            try cipher.open(frame: frame, into: &plaintext)
        }
        if input.readableBytes > 0 {
            partial.writeImmutableBuffer(input)
            input.moveReaderIndex(to: input.writerIndex)
        }
        return true
    }

    /// Whether the frame that was cut is whole and decrypted now.
    private mutating func completePartial(
        _ input: inout ByteBuffer, into plaintext: inout ByteBuffer
    ) throws(NoiseError) -> Bool {
        while partial.readableBytes < NoiseCipher.headerLength {
            guard let byte: UInt8 = input.readInteger() else { return false }
            partial.writeInteger(byte)
        }
        let length = Int(partial.getInteger(at: partial.readerIndex, as: UInt16.self) ?? 0)
        let missing = NoiseCipher.headerLength + length - partial.readableBytes
        if let rest = input.readSlice(length: min(missing, input.readableBytes)) { partial.writeImmutableBuffer(rest) }
        guard partial.readableBytes == NoiseCipher.headerLength + length else { return false }
        plaintext.reserveCapacity(minimumWritableBytes: length)
        partial.moveReaderIndex(forwardBy: NoiseCipher.headerLength)
        try cipher.open(frame: partial, into: &plaintext)
        partial.clear()
        return true
    }
}
