import Media

extension FuzzTarget {
    /// What strangers put into the audio files and pictures that are published here.
    static let media: [FuzzTarget] = [
        FuzzTarget("media-audio", maximumLength: 8192) { input in
            let source = MediaSource(input)
            let kind = MediaKind(source)
            let words = Unpublishable.words(source, kind: kind)
            agree(!words.isEmpty && words.utf8.count < 100, "one line of words")
            if let tags = try? AudioTags.read(source) {
                agree(kind.isAudio && tags.kind == kind, "tags of what is no audio")
                check(tags)
            } else {
                agree(!kind.isAudio, "audio is always read, however little of it")
            }
            // As the wrong kind too: a reader is only told what a file is.
            for kind in MediaKind.allCases where kind.isAudio {
                guard let picture = EmbeddedPicture.read(source, kind: kind) else { continue }
                agree(MediaKind(head: picture.bytes).isImage, "a picture of no known type")
                if let image = try? ImageCheck.check(picture.bytes) {
                    agree(image.length <= picture.bytes.count, "a picture beyond its bytes")
                }
            }
        },
        FuzzTarget("media-image", maximumLength: 4096) { input in
            guard let image = try? ImageCheck.check(input) else { return }
            agree(image.length <= input.count, "a picture beyond its bytes")
            agree(
                (1...ImageCheck.maximumSide).contains(image.width)
                    && (1...ImageCheck.maximumSide).contains(image.height),
                "a picture of a size that is refused")
            agree((try? ImageCheck.check(Array(input.prefix(image.length)))) == image, "the picture alone is the same")
            guard let published = try? ImageCheck.publishable(input) else {
                return agree(false, "what is checked is fit")
            }
            agree(published.image.width == image.width && published.image.height == image.height, "the same size")
            agree((try? ImageCheck.publishable(published.bytes))?.bytes == published.bytes, "nothing more to leave out")
        },
    ]

    private static func check(_ tags: AudioTags) {
        let lines = [tags.title, tags.artist, tags.album, tags.albumArtist, tags.genre, tags.mood]
        for case let text? in lines + [tags.comment] {
            agree(!text.isEmpty && text.unicodeScalars.count <= TagText.descriptionLimit, "text over the limit")
            agree(
                text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control || $0 == "\n" },
                "control characters")
        }
        for case let text? in lines {
            agree(!text.contains("\n") && text.unicodeScalars.count <= TagText.titleLimit, "more than a line")
        }
        agree((1500...2200).contains(tags.year ?? 2000), "a year that is none")
        agree((1...604_800_000).contains(tags.milliseconds ?? 1), "longer than a week")
    }
}
