/// One page of an Ogg file (RFC 3533, section 6), with its checksum verified.
struct OggPage {
    static let headerLength = 27
    /// The longest page: a header, 255 lengths, 255 runs of 255 bytes.
    static let maximumLength = headerLength + 255 + 255 * 255

    let isContinued: Bool
    let isFirst: Bool
    /// Samples up to the end of the last packet that ends here; -1 when none does.
    let granule: Int64
    let serial: Int
    /// The lengths of the runs that the body is cut into.
    let lacing: ArraySlice<UInt8>
    let body: ArraySlice<UInt8>
    let length: Int

    /// The page that starts with `bytes`; `nil` when none does, it is cut off, or its checksum is wrong.
    init?(_ bytes: ArraySlice<UInt8>) {
        var rest = ByteCursor(bytes)
        guard bytes.holds("OggS"), rest.skip(4), rest.byte() == 0, let flags = rest.byte(), let low = rest.little32(),
            let high = rest.little32(), let serial = rest.little32(), rest.skip(4), let checksum = rest.little32(),
            let count = rest.byte(), let lacing = rest.take(Int(count))
        else { return nil }
        guard let body = rest.take(lacing.reduce(0) { $0 + Int($1) }) else { return nil }
        length = Self.headerLength + lacing.count + body.count
        var sum = OggCRC.update(0, bytes.prefix(22))
        sum = OggCRC.update(sum, [0, 0, 0, 0])
        sum = OggCRC.update(sum, bytes.prefix(length).dropFirst(26))
        guard Int(sum) == checksum else { return nil }
        isContinued = flags & 1 != 0
        isFirst = flags & 2 != 0
        granule = Int64(truncatingIfNeeded: UInt64(high) << 32 | UInt64(low))
        self.serial = serial
        self.lacing = lacing
        self.body = body
    }

    /// What the first page of a file says of it. The checksum is not asked here: the start must do.
    static func kind(_ head: ArraySlice<UInt8>) -> MediaKind {
        guard head.count > headerLength else { return .other }
        let packet = head.dropFirst(headerLength + Int(head[head.startIndex + 26]))
        if packet.holds("\u{1}vorbis") { return .oggVorbis }
        return packet.holds("OpusHead") ? .oggOpus : .other
    }
}
