/// Reads MP3 files: ID3v2 tags, and the length from a Xing or VBRI header or by counting the frames.
enum MP3Reader {
    /// How many bytes of frames are counted one by one; beyond it their mean is taken for the rest.
    private static let countedLength = 64 << 20
    private static let window = 256 << 10

    static func read(_ source: MediaSource, into found: inout TagCollector) {
        let tag = ID3v2.read(source, at: 0, into: &found)
        found.codec = "mp3"
        let head = source.bytes(at: tag.length, upTo: MPEGFrame.searchLength)
        guard let (offset, frame) = MPEGFrame.first(in: head[...], within: MPEGFrame.searchLength) else { return }
        found.isWhole = tag.isWhole
        found.sampleRate = frame.sampleRate
        found.channels = frame.channels
        let start = tag.length + offset
        let bytes = Int64(source.count - start)
        let header = head.dropFirst(offset).prefix(frame.length)
        if let frames = countedFrames(header, frame), frames > 0 {
            set(frames: Int64(frames), bytes: bytes, frame, into: &found)
        } else {
            let (frames, end) = count(source, from: start, like: frame)
            let counted = Int64(end - start)
            // Beyond what was counted, as many frames for as many bytes.
            let isCut = end - start >= countedLength && counted > 0
            let all = isCut ? Int64(Double(frames) * Double(bytes) / Double(counted)) : frames
            set(frames: all, bytes: isCut ? bytes : counted, frame, into: &found)
        }
    }

    private static func set(frames: Int64, bytes: Int64, _ frame: MPEGFrame, into found: inout TagCollector) {
        let milliseconds = frames * Int64(frame.samples) * 1000 / Int64(frame.sampleRate)
        found.milliseconds = milliseconds
        found.bitrate = milliseconds > 0 ? Int((bytes * 8 + milliseconds / 2) / milliseconds) : frame.bitrate
    }

    /// The number of frames that an encoder wrote into the first one: "Xing", "Info" or "VBRI".
    private static func countedFrames(_ header: ArraySlice<UInt8>, _ frame: MPEGFrame) -> Int? {
        var rest = ByteCursor(header)
        if header.holds("Xing", at: frame.sideInformationEnd) || header.holds("Info", at: frame.sideInformationEnd) {
            guard rest.skip(frame.sideInformationEnd + 4), let flags = rest.big32(), flags & 1 != 0 else { return nil }
            return rest.big32()
        }
        guard header.holds("VBRI", at: 36), rest.skip(36 + 14) else { return nil }
        return rest.big32()
    }

    /// Counts frames from `start` on, past damage between them, to the end or to `countedLength`.
    private static func count(_ source: MediaSource, from start: Int, like first: MPEGFrame) -> (
        frames: Int64, end: Int
    ) {
        var frames: Int64 = 0
        var place = start
        var end = start
        var bytes: [UInt8] = []
        var origin = start
        while place - start < countedLength {
            if place - origin + 4 > bytes.count {
                bytes = source.bytes(at: place, upTo: window)
                origin = place
                guard bytes.count >= 4 else { break }
            }
            let at = place - origin
            if let frame = MPEGFrame(bytes[at...].prefix(4)), frame.isLike(first) {
                frames += 1
                place += frame.length
                end = place
            } else {
                guard let next = bytes[(at + 1)...].firstIndex(of: 0xff) else {
                    place = origin + bytes.count
                    continue
                }
                place = origin + next
            }
        }
        return (frames, min(end, source.count))
    }
}
