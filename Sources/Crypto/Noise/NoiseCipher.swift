package import NIOCore

/// One direction of an established Noise session: frames are sealed, or opened, in order.
///
/// A frame is a 2-byte big-endian length and the ciphertext, whose last 16 bytes are its tag. The nonce
/// counts frames, so a frame that is changed, left out, repeated or swapped fails to open, and everything
/// after it is refused. A class, because two copies of the counter would encrypt twice under one nonce.
/// Used on one event loop at a time. Source: https://github.com/libp2p/specs/tree/master/noise
package final class NoiseCipher {
    /// The most plaintext that one frame carries, in bytes.
    package static let maximumPlaintext = 65_519
    /// Bytes of a frame's length.
    package static let headerLength = 2
    /// Bytes that a frame has beyond its plaintext, header included.
    package static let overhead = headerLength + AEAD.tagLength

    private let key: SecretBytes
    private var nonce: UInt64
    private var failed = false

    /// A cipher whose next frame has this nonce. Only tests start elsewhere than at 0.
    package init(key: SecretBytes, nonce: UInt64 = 0) {
        precondition(key.count == AEAD.keyLength)
        self.key = key
        self.nonce = nonce
    }

    /// The nonce of the next frame, counting up; the last number is never used.
    private func nextNonce() throws(NoiseError) -> AEAD.Nonce {
        guard nonce < .max else { throw .nonceExhausted }
        defer { nonce += 1 }
        return AEAD.Nonce(counter: nonce)
    }

    /// Appends a frame that holds the readable bytes of `plaintext`, at most `maximumPlaintext` of them.
    package func seal(_ plaintext: ByteBuffer, into output: inout ByteBuffer) throws(NoiseError) {
        let nonce = try nextNonce()
        unsafe plaintext.withUnsafeReadableBytes { unsafe seal($0, nonce, into: &output) }
    }

    /// Appends a frame that holds `plaintext`, at most `maximumPlaintext` bytes.
    package func seal(_ plaintext: RawSpan, into output: inout ByteBuffer) throws(NoiseError) {
        let nonce = try nextNonce()
        unsafe plaintext.withUnsafeBytes { unsafe seal($0, nonce, into: &output) }
    }

    private func seal(_ plaintext: UnsafeRawBufferPointer, _ nonce: AEAD.Nonce, into output: inout ByteBuffer) {
        precondition(plaintext.count <= Self.maximumPlaintext, "a frame holds at most 65,519 bytes")
        let sealed = plaintext.count + AEAD.tagLength
        unsafe output.writeWithUnsafeMutableBytes(minimumWritableBytes: sealed + Self.headerLength) { bytes in
            guard let base = bytes.baseAddress else { return 0 }
            unsafe bytes.storeBytes(of: UInt16(sealed).bigEndian, as: UInt16.self)
            unsafe Sodium.seal(
                plaintext.baseAddress, length: plaintext.count, to: base + Self.headerLength, nonce: nonce, key: key,
                additional: UnsafeRawBufferPointer(start: nil, count: 0))
            return sealed + Self.headerLength
        }
    }

    /// Turns `length` bytes of plaintext at `index` into a frame where they are: the length goes into the
    /// two bytes before them, the tag into the 16 bytes behind them.
    ///
    /// Several pieces thus become one frame without a copy: lay them out behind a gap of two bytes, seal once.
    /// The caller keeps nothing of its own in those 18 bytes. The writer index moves behind the tag, if it
    /// is not there already; the buffer grows if it has no room. A buffer that somebody else still holds is
    /// copied first, so seal before handing it on.
    package func sealInPlace(
        _ buffer: inout ByteBuffer, plaintextAt index: Int, length: Int
    ) throws(NoiseError) {
        precondition(index >= Self.headerLength && (0...Self.maximumPlaintext).contains(length))
        let nonce = try nextNonce()
        AEAD.sealInPlace(&buffer, at: index, length: length, key: key, nonce: nonce)
        buffer.setInteger(UInt16(length + AEAD.tagLength), at: index - Self.headerLength)
    }

    /// Decrypts one frame (its ciphertext, without the length) and appends the plaintext to `output`, in one
    /// pass from buffer to buffer. Returns the number of bytes appended; a frame may hold none.
    ///
    /// After an error the cipher opens nothing any more: the connection is to be closed.
    @discardableResult
    package func open(frame: ByteBuffer, into output: inout ByteBuffer) throws(NoiseError) -> Int {
        guard !failed else { throw .failedBefore }
        guard frame.readableBytes >= AEAD.tagLength else {
            failed = true
            throw .authenticationFailed
        }
        let nonce = try nextNonce()
        let length = frame.readableBytes - AEAD.tagLength
        var opened = false
        unsafe output.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { output in
            opened = unsafe frame.withUnsafeReadableBytes { frame in
                guard let base = frame.baseAddress else { return false }
                return unsafe Sodium.open(
                    base, length: frame.count, to: output.baseAddress, nonce: nonce, key: key,
                    additional: UnsafeRawBufferPointer(start: nil, count: 0))
            }
            return opened ? length : 0
        }
        guard opened else {
            failed = true
            throw .authenticationFailed
        }
        return length
    }
}
