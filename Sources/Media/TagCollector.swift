/// What our own readers of the containers found in one file.
struct TagCollector {
    /// What a tag can say, whatever its format calls it.
    enum Field: Int, CaseIterable {
        case title, artist, album, albumArtist, genre, date, track, disc, comment, isrc, mood
    }

    /// Whether pictures are wanted; without, their bytes are passed over.
    let wantsPicture: Bool

    /// As written, not cleaned.
    private var values: [Field: [String]] = [:]
    private(set) var picture: EmbeddedPicture?

    /// Of the audio: the container's own numbers.
    var milliseconds: Int64?
    /// In kbit/s.
    var bitrate: Int?
    /// In hertz.
    var sampleRate: Int?
    var channels: Int?
    var codec: String?
    /// Whether the metadata was read to its end without a contradiction. What is damaged is never shown to code
    /// that is not memory-safe.
    var isWhole = false

    init(wantsPicture: Bool) { self.wantsPicture = wantsPicture }

    /// Adds a value; a field's later ones stand behind it, and at most 32 are kept.
    mutating func add(_ field: Field, _ value: String) {
        guard !value.isEmpty, (values[field]?.count ?? 0) < 32 else { return }
        values[field, default: []].append(value)
    }

    /// A field's values as one text: artists, genres and moods all of them, others the first.
    func text(_ field: Field) -> String? {
        guard let found = values[field], let first = found.first else { return nil }
        switch field {
        case .artist, .albumArtist, .genre, .mood: return found.joined(separator: ", ")
        default: return first
        }
    }

    /// Whether the tag repeats the field.
    func isRepeated(_ field: Field) -> Bool { (values[field]?.count ?? 0) > 1 }

    /// Keeps the picture unless a better one is there: a front cover beats any other, else the first stays.
    mutating func offer(_ picture: EmbeddedPicture) {
        guard wantsPicture, !picture.bytes.isEmpty, picture.bytes.count <= ImageCheck.maximumLength else { return }
        guard MediaKind(head: picture.bytes).isImage else { return }
        if let kept = self.picture, kept.isFrontCover || !picture.isFrontCover { return }
        self.picture = picture
    }
}

/// A picture inside an audio file.
package struct EmbeddedPicture: Hashable, Sendable {
    /// What ID3v2 calls a picture type: 3 is the front cover, 0 any other.
    package let type: Int
    /// The picture itself. The media type that the tag claims is dropped: `ImageCheck` looks.
    package let bytes: [UInt8]

    /// Whether the tag says that it is the front cover.
    package var isFrontCover: Bool { type == 3 }

    /// The best picture in `source`, an audio file of `kind`: its front cover, else the first of its pictures; `nil`
    /// when it has none of a type that we know, or only ones over 20 MB.
    ///
    /// It is unchecked: give it to `ImageCheck`.
    package static func read(_ source: MediaSource, kind: MediaKind) -> EmbeddedPicture? {
        var found = TagCollector(wantsPicture: true)
        Containers.read(source, kind: kind, into: &found)
        return found.picture
    }
}

/// Leads to the reader of each container.
enum Containers {
    static func read(_ source: MediaSource, kind: MediaKind, into found: inout TagCollector) {
        switch kind {
        case .mp3: MP3Reader.read(source, into: &found)
        case .flac: FLACReader.read(source, into: &found)
        case .oggVorbis, .oggOpus: OggReader.read(source, kind: kind, into: &found)
        case .m4a: MP4Reader.read(source, into: &found)
        case .wav: WAVReader.read(source, into: &found)
        case .png, .jpeg, .webp, .gif, .other: break
        }
    }
}
