import Multiformats
package import NIOCore

// How a message is written. The want list is always there, even empty: old Kubos crash without it.

extension BitswapMessage {
    /// Blocks of at least this many bytes travel as buffers of their own; smaller ones are copied between
    /// the fields around them, which is cheaper than another element in a `writev`.
    package static let copiedBlockBytes = 4_096

    /// Whether nothing of the message would reach a peer that speaks `version`.
    package func isEmpty(in version: BitswapVersion) -> Bool {
        if full || !blocks.isEmpty { return false }
        if version.hasPresences { return entries.isEmpty && presences.isEmpty }
        return !entries.contains { $0.cancel || $0.type == .block }
    }

    /// The message with its length prefix as buffers to be written one after the other; large blocks are
    /// passed on, not copied.
    ///
    /// What `version` does not know is left out: before 1.2 WANT-HAVEs, presences and pending bytes, before
    /// 1.1 blocks that are not of a version 0 CID.
    package func framed(_ version: BitswapVersion) -> [ByteBuffer] {
        var pieces = Pieces()
        write(version, to: &pieces)
        var head = ByteBuffer()
        head.writeVarint(UInt64(pieces.byteCount))
        pieces.close()
        if var first = pieces.done.first {
            head.writeBuffer(&first)
            pieces.done[0] = head
        } else {
            pieces.done = [head]
        }
        return pieces.done
    }

    /// The message in one buffer, without a length prefix.
    package func encoded(_ version: BitswapVersion) -> ByteBuffer {
        var pieces = Pieces()
        write(version, to: &pieces)
        pieces.close()
        var result = ByteBuffer()
        result.reserveCapacity(pieces.byteCount)
        for var piece in pieces.done { result.writeBuffer(&piece) }
        return result
    }

    private struct Pieces {
        var done: [ByteBuffer] = []
        var writer = ProtobufWriter()
        var passedBytes = 0
        var closedBytes = 0

        var byteCount: Int { closedBytes + passedBytes + writer.buffer.readableBytes }

        mutating func data(_ field: Int, _ data: ByteBuffer) {
            guard data.readableBytes >= BitswapMessage.copiedBlockBytes else { return writer.bytes(field, data) }
            writer.bytesHeader(field, length: data.readableBytes)
            close()
            done.append(data)
            passedBytes += data.readableBytes
        }

        mutating func close() {
            guard writer.buffer.readableBytes > 0 else { return }
            closedBytes += writer.buffer.readableBytes
            done.append(writer.buffer)
            writer = ProtobufWriter()
        }
    }

    private func write(_ version: BitswapVersion, to pieces: inout Pieces) {
        pieces.writer.bytesHeader(1, length: wantListLength(version))
        for entry in entries where entry.isKnown(in: version) { entry.write(version, to: &pieces.writer) }
        if full { pieces.writer.bool(2, true) }
        for block in blocks {
            if version < .v1_1 {
                if block.prefix == .v0 { pieces.data(2, block.data) }
                continue
            }
            let prefix = block.prefix.bytes
            let length = block.data.readableBytes
            pieces.writer.bytesHeader(
                3,
                length: 1 + Varint.length(of: UInt64(prefix.count)) + prefix.count
                    + 1 + Varint.length(of: UInt64(length)) + length)
            pieces.writer.bytes(1, prefix)
            pieces.data(2, block.data)
        }
        guard version.hasPresences else { return }
        for presence in presences {
            pieces.writer.bytesHeader(4, length: Self.cidFieldLength(presence.cid) + (presence.has ? 0 : 2))
            pieces.writer.cid(1, presence.cid)
            if !presence.has { pieces.writer.varint(2, 1) }
        }
        if pendingBytes != 0 { pieces.writer.int32(5, pendingBytes) }
    }

    private func wantListLength(_ version: BitswapVersion) -> Int {
        var length = full ? 2 : 0
        for entry in entries where entry.isKnown(in: version) {
            let inner = entry.length(version)
            length += 1 + Varint.length(of: UInt64(inner)) + inner
        }
        return length
    }

    static func cidFieldLength(_ cid: CID) -> Int { 1 + Varint.length(of: UInt64(cid.byteCount)) + cid.byteCount }
}

extension BitswapMessage.Entry {
    /// Whether a peer of `version` can be sent this entry: before 1.2 there are only wants for blocks.
    func isKnown(in version: BitswapVersion) -> Bool { version.hasPresences || cancel || type == .block }

    func length(_ version: BitswapVersion) -> Int {
        var length = BitswapMessage.cidFieldLength(cid)
        if priority != 0 { length += 1 + Varint.length(of: UInt64(bitPattern: Int64(priority))) }
        if cancel { length += 2 }
        if version.hasPresences, type != .block { length += 2 }
        if version.hasPresences, sendDontHave { length += 2 }
        return length
    }

    func write(_ version: BitswapVersion, to writer: inout ProtobufWriter) {
        writer.bytesHeader(1, length: length(version))
        writer.cid(1, cid)
        if priority != 0 { writer.int32(2, priority) }
        if cancel { writer.bool(3, true) }
        if version.hasPresences, type != .block { writer.varint(4, UInt64(type.rawValue)) }
        if version.hasPresences, sendDontHave { writer.bool(5, true) }
    }
}

extension ReceivedBlock.Prefix {
    /// The binary form.
    var bytes: [UInt8] {
        var result: [UInt8] = []
        Varint.append(version, to: &result)
        Varint.append(codec.rawValue, to: &result)
        Varint.append(hash.rawValue, to: &result)
        Varint.append(UInt64(digestLength ?? 0), to: &result)
        return result
    }
}
