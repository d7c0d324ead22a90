package import NIOCore

/// One direction of a connection inside a private network: everything is XORed with an XSalsa20 stream.
///
/// Each side makes a nonce, sends it as its first 24 bytes, and encrypts what it sends with it; the other
/// side decrypts with the same. There is no tag: Noise above notices every change. A class, because two
/// copies of the position would use one stretch of the stream twice. Used on one event loop.
package final class PrivateNetworkCipher {
    /// Bytes of the nonce that each side sends first.
    package static let nonceLength = 24
    private static let blockLength = 64

    private let key: SecretBytes
    private let nonce: [UInt8]
    /// Bytes that went through so far.
    private var offset: UInt64 = 0

    /// A fresh nonce.
    package static func makeNonce() -> [UInt8] { RandomBytes.make(nonceLength) }

    /// The stream of `key` and a nonce of 24 bytes, from its start.
    package init(key: PrivateNetworkKey, nonce: [UInt8]) {
        precondition(nonce.count == Self.nonceLength, "a nonce has 24 bytes")
        Sodium.initialize()
        self.key = key.secret
        self.nonce = nonce
    }

    /// Encrypts or decrypts the readable bytes of `buffer` where they are.
    package func apply(_ buffer: inout ByteBuffer) {
        unsafe buffer.withUnsafeMutableReadableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            unsafe apply(base, to: base, count: bytes.count)
        }
    }

    /// Encrypts or decrypts the readable bytes of `input` and appends them to `output`.
    package func apply(_ input: ByteBuffer, into output: inout ByteBuffer) {
        unsafe output.writeWithUnsafeMutableBytes(minimumWritableBytes: input.readableBytes) { output in
            unsafe input.withUnsafeReadableBytes { input in
                guard let from = input.baseAddress, let to = output.baseAddress else { return 0 }
                unsafe apply(from, to: to, count: input.count)
                return input.count
            }
        }
    }

    private func apply(_ input: UnsafeRawPointer, to output: UnsafeMutableRawPointer, count: Int) {
        var done = 0
        let used = Int(offset % UInt64(Self.blockLength))
        if used > 0 {
            // The stream starts at whole blocks only: finish the one that was begun in a scratch block.
            done = min(Self.blockLength - used, count)
            unsafe withUnsafeTemporaryAllocation(byteCount: Self.blockLength, alignment: 16) { scratch in
                guard let base = scratch.baseAddress else { return }
                unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: Self.blockLength)
                unsafe (base + used).copyMemory(from: input, byteCount: done)
                unsafe Sodium.xorXSalsa20(
                    base, to: base, length: used + done, nonce: nonce, block: offset / UInt64(Self.blockLength),
                    key: key)
                unsafe output.copyMemory(from: base + used, byteCount: done)
                unsafe Sodium.zero(scratch)
            }
            offset += UInt64(done)
        }
        guard done < count else { return }
        unsafe Sodium.xorXSalsa20(
            input + done, to: output + done, length: count - done, nonce: nonce,
            block: offset / UInt64(Self.blockLength), key: key)
        offset += UInt64(count - done)
    }
}
