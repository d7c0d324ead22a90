/// The header of one MPEG audio frame, layer III (ISO 11172-3, 13818-3 and the unofficial version 2.5).
struct MPEGFrame: Hashable {
    /// How far behind the tag the first frame is searched, in bytes: padding and leftovers of editors.
    static let searchLength = 64 << 10

    let version: Version
    /// In kbit/s.
    let bitrate: Int
    /// In hertz.
    let sampleRate: Int
    let channels: Int
    /// Bytes with the header.
    let length: Int

    enum Version: Hashable { case one, two, twoAndAHalf }

    var samples: Int { version == .one ? 1152 : 576 }

    /// Where a Xing header stands in a frame that holds one.
    var sideInformationEnd: Int {
        switch (version, channels) {
        case (.one, 1): 4 + 17
        case (.one, _): 4 + 32
        case (_, 1): 4 + 9
        default: 4 + 17
        }
    }

    init?(_ bytes: some RandomAccessCollection<UInt8>) {
        var bytes = bytes.makeIterator()
        guard bytes.next() == 0xff, let second = bytes.next(), second & 0xe0 == 0xe0, let third = bytes.next(),
            let fourth = bytes.next()
        else { return nil }
        switch second >> 3 & 3 {
        case 0: version = .twoAndAHalf
        case 2: version = .two
        case 3: version = .one
        default: return nil
        }
        // Layer III alone; a rate of 0 ("free") or 15 and a frequency of 3 are never written.
        let rate = Int(third >> 4)
        let frequency = Int(third >> 2 & 3)
        guard second >> 1 & 3 == 1, (1...14).contains(rate), frequency < 3, fourth & 3 != 2 else { return nil }
        bitrate = (version == .one ? Self.ratesOfOne : Self.ratesOfTwo)[rate - 1]
        sampleRate = [44_100, 48_000, 32_000][frequency] >> (version == .one ? 0 : version == .two ? 1 : 2)
        channels = fourth >> 6 == 3 ? 1 : 2
        length = (version == .one ? 144 : 72) * bitrate * 1000 / sampleRate + Int(third >> 1 & 1)
    }

    private static let ratesOfOne = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320]
    private static let ratesOfTwo = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]

    /// Whether both can stand in one stream.
    func isLike(_ other: MPEGFrame) -> Bool { version == other.version && sampleRate == other.sampleRate }

    /// The place of the first frame in `bytes`, searched within the first `reach` of them: one that two like it
    /// follow, or whose followers the end of `bytes` cuts off.
    ///
    /// Four bytes that look like a header are common in any data; three in a row at the right distances are not.
    static func first(in bytes: ArraySlice<UInt8>, within reach: Int) -> (offset: Int, frame: MPEGFrame)? {
        var index = bytes.startIndex
        let last = min(bytes.endIndex, bytes.startIndex + reach)
        while index < last, let full = bytes[index..<last].firstIndex(of: 0xff) {
            if let frame = MPEGFrame(bytes[full...].prefix(4)), isFollowed(frame, at: full, in: bytes) {
                return (full - bytes.startIndex, frame)
            }
            index = full + 1
        }
        return nil
    }

    private static func isFollowed(_ first: MPEGFrame, at index: Int, in bytes: ArraySlice<UInt8>) -> Bool {
        var place = index + first.length
        for follower in 0..<2 {
            // The end cuts the rest off: enough if a follower was seen, or if nothing at all is behind the first
            // frame of a file that starts with it.
            guard place + 4 <= bytes.endIndex else {
                return follower > 0 || (place == bytes.endIndex && index == bytes.startIndex)
            }
            guard let next = MPEGFrame(bytes[place...].prefix(4)), next.isLike(first) else { return false }
            place += next.length
        }
        return true
    }
}
