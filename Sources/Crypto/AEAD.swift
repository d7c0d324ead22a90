package import NIOCore

/// ChaCha20-Poly1305 with 12-byte nonces, on `ByteBuffer`s in place or from one to another.
///
/// The one place that encrypts in bulk, so that another implementation of the same function can be
/// measured here. Source: RFC 8439.
package enum AEAD {
    /// Bytes of a key.
    package static let keyLength = 32
    /// Bytes that sealing adds.
    package static let tagLength = 16

    /// Twelve bytes that must never repeat under one key.
    package struct Nonce: Hashable, Sendable {
        private let words: (UInt32, UInt32, UInt32)

        /// A counter as Noise writes it: four zero bytes, then eight little-endian.
        @inline(__always)
        package init(counter: UInt64) {
            words = (
                0, UInt32(truncatingIfNeeded: counter).littleEndian,
                UInt32(truncatingIfNeeded: counter >> 32).littleEndian
            )
        }

        /// Any twelve bytes, such as random ones.
        package init(_ bytes: [UInt8]) {
            precondition(bytes.count == 12, "a nonce has 12 bytes")
            func word(_ start: Int) -> UInt32 {
                (0..<4).reduce(0) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) }.littleEndian
            }
            words = (word(0), word(4), word(8))
        }

        @inline(__always)
        func withPointer<R>(_ body: (UnsafePointer<UInt8>) -> R) -> R {
            unsafe withUnsafePointer(to: words) { words in
                unsafe words.withMemoryRebound(to: UInt8.self, capacity: 12) { unsafe body($0) }
            }
        }

        package static func == (left: Nonce, right: Nonce) -> Bool { left.words == right.words }
        package func hash(into hasher: inout Hasher) {
            hasher.combine(words.0)
            hasher.combine(words.1)
            hasher.combine(words.2)
        }
    }

    /// Encrypts `length` bytes of `buffer` at `index` where they are and writes the tag behind them. What
    /// was in those 16 bytes is gone; the buffer grows if it has no room, and the tag is readable afterwards.
    package static func sealInPlace(
        _ buffer: inout ByteBuffer, at index: Int, length: Int, key: SecretBytes, nonce: Nonce, additional: [UInt8] = []
    ) {
        precondition(index >= 0 && length >= 0 && key.count == keyLength)
        let end = index + length + tagLength
        if buffer.capacity < end { buffer.reserveCapacity(end) }
        unsafe buffer.withVeryUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            let region = unsafe base + index
            unsafe additional.withUnsafeBytes { additional in
                unsafe Sodium.seal(region, length: length, to: region, nonce: nonce, key: key, additional: additional)
            }
        }
        if buffer.writerIndex < end { buffer.moveWriterIndex(to: end) }
    }

    /// Decrypts `length` bytes of `buffer` at `index`, tag included, where they are. Returns the length of
    /// the plaintext, or `nil` when the tag does not fit; the region is then useless.
    package static func openInPlace(
        _ buffer: inout ByteBuffer, at index: Int, length: Int, key: SecretBytes, nonce: Nonce, additional: [UInt8] = []
    ) -> Int? {
        precondition(index >= 0 && length >= 0 && index + length <= buffer.capacity && key.count == keyLength)
        guard length >= tagLength else { return nil }
        let opened = unsafe buffer.withVeryUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return false }
            let region = unsafe base + index
            return unsafe additional.withUnsafeBytes { additional in
                unsafe Sodium.open(region, length: length, to: region, nonce: nonce, key: key, additional: additional)
            }
        }
        return opened ? length - tagLength : nil
    }

    /// The same as `sealInPlace` with additional data that is part of the buffer: a packet's header.
    package static func sealInPlace(
        _ buffer: inout ByteBuffer, at index: Int, length: Int, key: SecretBytes, nonce: Nonce, header: Range<Int>
    ) {
        precondition(index >= 0 && length >= 0 && key.count == keyLength)
        precondition(header.lowerBound >= 0 && header.upperBound <= index)
        let end = index + length + tagLength
        if buffer.capacity < end { buffer.reserveCapacity(end) }
        unsafe buffer.withVeryUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            let region = unsafe base + index
            let additional = unsafe UnsafeRawBufferPointer(start: base + header.lowerBound, count: header.count)
            unsafe Sodium.seal(region, length: length, to: region, nonce: nonce, key: key, additional: additional)
        }
        if buffer.writerIndex < end { buffer.moveWriterIndex(to: end) }
    }

    /// Decrypts what stands behind the first `header` readable bytes of `packet`, which are the additional
    /// data, and appends the plaintext to `output`. `false`, and nothing appended, when the tag does not fit.
    package static func open(
        packet: ByteBuffer, header: Int, into output: inout ByteBuffer, key: SecretBytes, nonce: Nonce
    ) -> Bool {
        precondition(header >= 0 && key.count == keyLength)
        let length = packet.readableBytes - header - tagLength
        guard length >= 0 else { return false }
        var opened = false
        unsafe output.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { output in
            opened = unsafe packet.withUnsafeReadableBytes { packet in
                guard let base = packet.baseAddress else { return false }
                return unsafe Sodium.open(
                    base + header, length: length + tagLength, to: output.baseAddress, nonce: nonce, key: key,
                    additional: UnsafeRawBufferPointer(start: base, count: header))
            }
            return opened ? length : 0
        }
        return opened
    }

    /// `plaintext` encrypted, with its tag.
    package static func seal(_ plaintext: [UInt8], key: SecretBytes, nonce: Nonce, additional: [UInt8] = []) -> [UInt8]
    {
        precondition(key.count == keyLength)
        return unsafe [UInt8](unsafeUninitializedCapacity: plaintext.count + tagLength) { output, count in
            guard let base = output.baseAddress else { return }
            unsafe plaintext.withUnsafeBytes { input in
                unsafe additional.withUnsafeBytes { additional in
                    unsafe Sodium.seal(
                        input.baseAddress, length: input.count, to: base, nonce: nonce, key: key,
                        additional: additional)
                }
            }
            count = plaintext.count + tagLength
        }
    }

    /// What `seal` encrypted; `nil` when the tag does not fit.
    package static func open(_ ciphertext: [UInt8], key: SecretBytes, nonce: Nonce, additional: [UInt8] = [])
        -> [UInt8]?
    {
        precondition(key.count == keyLength)
        guard ciphertext.count >= tagLength else { return nil }
        var plaintext = [UInt8](repeating: 0, count: ciphertext.count - tagLength)
        let opened = unsafe plaintext.withUnsafeMutableBytes { output in
            unsafe ciphertext.withUnsafeBytes { input in
                unsafe additional.withUnsafeBytes { additional in
                    guard let base = input.baseAddress else { return false }
                    return unsafe Sodium.open(
                        base, length: input.count, to: output.baseAddress, nonce: nonce, key: key,
                        additional: additional)
                }
            }
        }
        return opened ? plaintext : nil
    }
}
