/// Reads Ogg Vorbis and Ogg Opus files (RFC 3533, RFC 7845, "Vorbis I"): the first two packets of the first stream,
/// and the last page's position for the length.
enum OggReader {
    /// The longest packet of comments, in bytes: a cover at its limit, in Base64.
    private static let maximumPacket = 30 << 20
    private static let maximumPages = 4096

    static func read(_ source: MediaSource, kind: MediaKind, into found: inout TagCollector) {
        let isOpus = kind == .oggOpus
        found.codec = isOpus ? "opus" : "vorbis"
        var packets = Packets(source)
        guard let first = packets.next(),
            let preSkip = isOpus ? opus(first, into: &found) : vorbis(first, into: &found),
            let comments = packets.next(), comments.holds(isOpus ? "OpusTags" : "\u{3}vorbis")
        else { return }
        let read = VorbisComments.read(comments.dropFirst(isOpus ? 8 : 7), into: &found)
        // Only one stream of sound: other streams would lie beside it from the start.
        found.isWhole = read && packets.streams == 1
        guard let rate = isOpus ? 48_000 : found.sampleRate, rate > 0,
            let last = lastGranule(source, serial: packets.serial), last > preSkip
        else { return }
        let (scaled, overflow) = (last - Int64(preSkip)).multipliedReportingOverflow(by: 1000)
        guard !overflow else { return }
        let milliseconds = scaled / Int64(rate)
        found.milliseconds = milliseconds
        let sound = Int64(max(0, source.count - packets.place))
        if milliseconds > 0 { found.bitrate = Int(sound * 8 / milliseconds) }
    }

    /// Gives the samples to leave out at the start; `nil` when the packet is no header.
    private static func vorbis(_ packet: ArraySlice<UInt8>, into found: inout TagCollector) -> Int64? {
        var rest = ByteCursor(packet)
        guard rest.skip(7), rest.little32() == 0, let channels = rest.byte(), let rate = rest.little32() else {
            return nil
        }
        found.channels = Int(channels)
        found.sampleRate = rate
        return 0
    }

    private static func opus(_ packet: ArraySlice<UInt8>, into found: inout TagCollector) -> Int64? {
        var rest = ByteCursor(packet)
        guard rest.skip(8), let version = rest.byte(), version & 0xf0 == 0, let channels = rest.byte(),
            let preSkip = rest.little16(), rest.skip(4)
        else { return nil }
        found.channels = Int(channels)
        // Opus is always decoded at this rate; the header's is that of what was encoded.
        found.sampleRate = 48_000
        return Int64(preSkip)
    }

    /// The position on the last page of the stream, looked for in the file's last bytes.
    private static func lastGranule(_ source: MediaSource, serial: Int?) -> Int64? {
        let length = min(source.count, 2 * OggPage.maximumLength)
        let tail = source.bytes(at: source.count - length, upTo: length)
        var end = tail.count
        while let start = tail[..<end].lastIndex(of: UInt8(ascii: "O")) {
            if let page = OggPage(tail[start...]), page.serial == serial, page.granule > 0 { return page.granule }
            end = start
        }
        return nil
    }

    /// The packets of the first stream, one after the other.
    private struct Packets {
        private let source: MediaSource
        /// Where the next page starts.
        private(set) var place = 0
        private(set) var serial: Int?
        /// How many streams were begun so far.
        private(set) var streams = 0
        private var pages = 0
        private var lacing: ArraySlice<UInt8> = []
        private var body: ArraySlice<UInt8> = []

        init(_ source: MediaSource) { self.source = source }

        /// The next packet; `nil` at damage, at the end and past the limits.
        mutating func next() -> ArraySlice<UInt8>? {
            var packet: ArraySlice<UInt8> = []
            while packet.count <= OggReader.maximumPacket {
                if lacing.isEmpty {
                    guard turn(isInside: !packet.isEmpty) else { return nil }
                }
                while let run = lacing.popFirst() {
                    packet.append(contentsOf: body.prefix(Int(run)))
                    body = body.dropFirst(Int(run))
                    if run < 255 { return packet }
                }
            }
            return nil
        }

        /// Takes the next page of our stream; `false` when there is none that goes on where the last one ended.
        private mutating func turn(isInside: Bool) -> Bool {
            while pages < OggReader.maximumPages {
                pages += 1
                guard let page = OggPage(source.bytes(at: place, upTo: OggPage.maximumLength)[...]) else {
                    return false
                }
                place += page.length
                if page.isFirst { streams += 1 }
                if serial == nil { serial = page.serial }
                guard page.serial == serial else { continue }
                guard page.isContinued == isInside else { return false }
                (lacing, body) = (page.lacing, page.body)
                if !lacing.isEmpty { return true }
            }
            return false
        }
    }
}
