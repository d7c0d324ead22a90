import NIOCore

extension ByteBuffer {
    /// Appends the stream's next `bytes` to what is not parsed yet, dropping what was.
    ///
    /// What was parsed may live on in slices that share this storage: it is left to them, so that a parser
    /// holds no more than one unfinished item, however long the stream is.
    mutating func gather(_ bytes: ByteBuffer) {
        if readableBytes == 0 {
            self = bytes
        } else if readerIndex == 0 {
            writeImmutableBuffer(bytes)
        } else {
            var fresh = ByteBuffer()
            fresh.reserveCapacity(readableBytes + bytes.readableBytes)
            fresh.writeImmutableBuffer(self)
            fresh.writeImmutableBuffer(bytes)
            self = fresh
        }
    }
}
