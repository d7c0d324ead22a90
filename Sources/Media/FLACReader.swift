/// Reads the metadata blocks of FLAC files (RFC 9639, section 8), also behind an ID3v2 tag that some programs put
/// before them.
enum FLACReader {
    private static let maximumBlocks = 1024
    /// All blocks together; what follows the last one read is the sound.
    private static let maximumLength = 64 << 20

    static func read(_ source: MediaSource, into found: inout TagCollector) {
        found.codec = "flac"
        // Read for its soundness alone: FLAC's own comments are what counts.
        var leading = TagCollector(wantsPicture: false)
        let tag = ID3v2.read(source, at: 0, into: &leading)
        var place = tag.length
        let start = place
        guard source.bytes(at: place, count: 4)?.holds("fLaC") == true else { return }
        place += 4
        for index in 0..<maximumBlocks {
            guard let header = source.bytes(at: place, count: 4) else { return }
            let length = header[1...].big
            place += 4
            guard place - start + length <= maximumLength, place + length <= source.count else { return }
            guard take(header[0] & 0x7f, source, at: place, length, isFirst: index == 0, into: &found) else { return }
            place += length
            if header[0] & 0x80 != 0 {
                found.isWhole = tag.isWhole
                if let milliseconds = found.milliseconds, milliseconds > 0 {
                    found.bitrate = Int(Int64(source.count - place) * 8 / milliseconds)
                }
                return
            }
        }
    }

    /// `false` when the block is not what it says.
    private static func take(
        _ type: UInt8, _ source: MediaSource, at place: Int, _ length: Int, isFirst: Bool,
        into found: inout TagCollector
    ) -> Bool {
        switch type {
        case 0:
            guard isFirst, length >= 34, let block = source.bytes(at: place, count: 34) else { return false }
            stream(block, into: &found)
        case 4:
            guard !isFirst, let block = source.bytes(at: place, count: length) else { return false }
            return VorbisComments.read(block[...], into: &found)
        case 6 where found.wantsPicture:
            if let block = source.bytes(at: place, count: length), let picture = VorbisComments.picture(block[...]) {
                found.offer(picture)
            }
        case 127: return false
        default: break
        }
        return !isFirst || type == 0
    }

    /// Sample rate (20 bits), channels less one (3), bits a sample less one (5), samples (36).
    private static func stream(_ block: [UInt8], into found: inout TagCollector) {
        let rate = block[10..<13].big >> 4
        found.channels = Int(block[12] >> 1 & 7) + 1
        let samples = Int64(block[13] & 0x0f) << 32 | Int64(block[14..<18].big)
        guard rate > 0 else { return }
        found.sampleRate = rate
        if samples > 0 { found.milliseconds = samples * 1000 / Int64(rate) }
    }
}
