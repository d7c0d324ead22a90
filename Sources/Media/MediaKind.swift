/// What a file is, by its first bytes: names and extensions are claims, and are never asked.
package enum MediaKind: String, Hashable, Sendable, CaseIterable {
    case mp3
    case flac
    case oggVorbis
    case oggOpus
    /// AAC or Apple Lossless in an MP4 container.
    case m4a
    case wav
    case png
    case jpeg
    case webp
    case gif
    /// Anything else; `Unpublishable.words` says what.
    case other

    /// How many of a file's first bytes `init(head:)` can make use of.
    package static let headLength = 8192

    /// Whether it is audio that can be published with its tags.
    package var isAudio: Bool {
        switch self {
        case .mp3, .flac, .oggVorbis, .oggOpus, .m4a, .wav: true
        case .png, .jpeg, .webp, .gif, .other: false
        }
    }

    /// Whether it is a picture of a type that covers may have.
    package var isImage: Bool {
        switch self {
        case .png, .jpeg, .webp, .gif: true
        case .mp3, .flac, .oggVorbis, .oggOpus, .m4a, .wav, .other: false
        }
    }

    /// The media type that the catalog and HTTP answers name.
    package var mimeType: String {
        switch self {
        case .mp3: "audio/mpeg"
        case .flac: "audio/flac"
        case .oggVorbis, .oggOpus: "audio/ogg"
        case .m4a: "audio/mp4"
        case .wav: "audio/wav"
        case .png: "image/png"
        case .jpeg: "image/jpeg"
        case .webp: "image/webp"
        case .gif: "image/gif"
        case .other: "application/octet-stream"
        }
    }

    /// The codec's usual name, for audio. In M4A it may be another: `AudioTags.codec` has looked.
    package var codec: String? {
        switch self {
        case .mp3: "mp3"
        case .flac: "flac"
        case .oggVorbis: "vorbis"
        case .oggOpus: "opus"
        case .m4a: "aac"
        case .wav: "pcm"
        case .png, .jpeg, .webp, .gif, .other: nil
        }
    }

    /// In words with their article: "an MP3 file".
    package var words: String {
        switch self {
        case .mp3: "an MP3 file"
        case .flac: "a FLAC file"
        case .oggVorbis: "an Ogg Vorbis file"
        case .oggOpus: "an Ogg Opus file"
        case .m4a: "an M4A file"
        case .wav: "a WAV file"
        case .png: "a PNG picture"
        case .jpeg: "a JPEG picture"
        case .webp: "a WebP picture"
        case .gif: "a GIF picture"
        case .other: "a file of an unknown type"
        }
    }

    /// What the first bytes of a file say, at best `headLength` of them.
    ///
    /// An ID3 tag that is longer than the head hides what follows; it is taken for MP3's, as nearly always.
    /// `init(_:)` looks behind it.
    package init(head: some RandomAccessCollection<UInt8>) {
        let head = Array(head.prefix(Self.headLength))
        if let tag = ID3v2.Header(head) {
            let after = head.dropFirst(tag.totalLength)
            self = after.isEmpty ? .mp3 : Self.withoutTag(after, isWhole: false, sync: 4096)
        } else {
            self = Self.withoutTag(head[...], isWhole: false, sync: 1)
        }
    }

    /// What `source` is, with a look behind a leading ID3 tag and into an MP4 file's list of tracks.
    package init(_ source: MediaSource) {
        var head = source.bytes(at: 0, upTo: Self.headLength)
        var sync = 1
        if let tag = ID3v2.Header(head) {
            head = source.bytes(at: tag.totalLength, upTo: MPEGFrame.searchLength)
            sync = MPEGFrame.searchLength
        }
        let found = Self.withoutTag(head[...], isWhole: head.count == source.count, sync: sync)
        self = found == .m4a && !MP4Reader.holdsOnlyAudio(source) ? .other : found
    }

    /// `sync`: within how many bytes the first MPEG frame must start.
    private static func withoutTag(_ head: ArraySlice<UInt8>, isWhole: Bool, sync: Int) -> MediaKind {
        if head.holds("fLaC") { return .flac }
        if head.holds("OggS") { return OggPage.kind(head) }
        if head.holds("RIFF") || head.holds("RF64") || head.holds("BW64") {
            if head.holds("WAVE", at: 8) { return .wav }
            return head.holds("WEBP", at: 8) ? .webp : .other
        }
        if head.holds("ftyp", at: 4) { return MP4Reader.isAudioBrand(head) ? .m4a : .other }
        if head.starts(with: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) { return .png }
        if head.starts(with: [0xff, 0xd8, 0xff]) { return .jpeg }
        if head.holds("GIF87a") || head.holds("GIF89a") { return .gif }
        return MPEGFrame.first(in: head, within: sync) == nil ? .other : .mp3
    }
}
