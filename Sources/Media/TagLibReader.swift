import CTagLib
import Synchronization

/// Every call into TagLib, so that its pointers stay in this one file.
///
/// TagLib is C++ and reads what strangers wrote, so it is kept on a short lead: it sees only files whose metadata our
/// own readers have walked to the end without a contradiction, up to a size, opened by the descriptor that was
/// checked, as the type that they are, one at a time. Its C binding (1.13) gives neither pictures, nor album artist,
/// disc, ISRC, nor a length in milliseconds: those our own readers give.
enum TagLibReader {
    /// Longer files are read by our own readers alone, in bytes.
    static let maximumLength = 2 << 30

    /// What TagLib found: text as it gives it, and 0 where it has no number.
    struct Reading {
        var title = ""
        var artist = ""
        var album = ""
        var genre = ""
        var comment = ""
        var year = 0
        var track = 0
        var seconds = 0
        var bitrate = 0
        var sampleRate = 0
        var channels = 0
    }

    /// One reader at a time: the binding keeps its settings, and by default its strings, in globals.
    private static let turn = Mutex(false)

    /// Reads the file in `source`, an audio file of `kind`; `nil` when TagLib cannot be asked, or finds nothing.
    static func read(_ source: MediaSource, kind: MediaKind) -> Reading? {
        guard source.count <= maximumLength, let path = source.reopeningPath else { return nil }
        return turn.withLock { isReady in
            if !isReady {
                // Strings are ours to free, as soon as they are copied.
                taglib_set_string_management_enabled(0)
                taglib_set_strings_unicode(1)
                isReady = true
            }
            guard let file = unsafe open(path, source.path, kind) else { return nil }
            defer { unsafe taglib_file_free(file) }
            guard unsafe taglib_file_is_valid(file) != 0 else { return nil }
            return unsafe reading(file)
        }
    }

    private static func open(_ path: String, _ name: String, _ kind: MediaKind) -> UnsafeMutablePointer<TagLib_File>? {
        switch kind {
        case .mp3: unsafe taglib_file_new_type(path, TagLib_File_MPEG)
        case .flac: unsafe taglib_file_new_type(path, TagLib_File_FLAC)
        case .oggVorbis: unsafe taglib_file_new_type(path, TagLib_File_OggVorbis)
        case .m4a: unsafe taglib_file_new_type(path, TagLib_File_MP4)
        // The binding has no constant for these two: it knows them by the name's ending alone.
        case .oggOpus: name.lowercased().hasSuffix(".opus") ? unsafe taglib_file_new(name) : nil
        case .wav: name.lowercased().hasSuffix(".wav") ? unsafe taglib_file_new(name) : nil
        case .png, .jpeg, .webp, .gif, .other: nil
        }
    }

    private static func reading(_ file: UnsafeMutablePointer<TagLib_File>) -> Reading {
        var reading = Reading()
        if let tag = unsafe taglib_file_tag(file) {
            reading.title = unsafe text(taglib_tag_title(tag))
            reading.artist = unsafe text(taglib_tag_artist(tag))
            reading.album = unsafe text(taglib_tag_album(tag))
            reading.genre = unsafe text(taglib_tag_genre(tag))
            reading.comment = unsafe text(taglib_tag_comment(tag))
            reading.year = Int(unsafe taglib_tag_year(tag))
            reading.track = Int(unsafe taglib_tag_track(tag))
        }
        if let audio = unsafe taglib_file_audioproperties(file) {
            reading.seconds = Int(unsafe taglib_audioproperties_length(audio))
            reading.bitrate = Int(unsafe taglib_audioproperties_bitrate(audio))
            reading.sampleRate = Int(unsafe taglib_audioproperties_samplerate(audio))
            reading.channels = Int(unsafe taglib_audioproperties_channels(audio))
        }
        return reading
    }

    /// Copies a string of TagLib's and frees it; what is not UTF-8 in it becomes U+FFFD.
    private static func text(_ pointer: UnsafeMutablePointer<CChar>?) -> String {
        guard let pointer = unsafe pointer else { return "" }
        defer { unsafe taglib_free(pointer) }
        return unsafe String(cString: pointer)
    }
}
