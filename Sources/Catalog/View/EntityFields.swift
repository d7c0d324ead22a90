package import Multiformats

/// What the merged fields of a profile say.
package struct ProfileFields: Sendable, Equatable {
    package let handle: String?
    package let name: String?
    package let bio: String?
    package let location: String?
    package let website: String?
    package let picture: CID?
    package let cover: CID?
    package let isDeactivated: Bool

    init(_ state: Registers) {
        handle = state.text(ProfileField.handle)
        name = state.text(ProfileField.name)
        bio = state.text(ProfileField.bio)
        location = state.text(ProfileField.location)
        website = state.text(ProfileField.website)
        picture = state.link(ProfileField.picture)
        cover = state.link(ProfileField.cover)
        isDeactivated = state.flag(ProfileField.deactivated)
    }
}

/// What the merged fields of a piece of digital content say.
package struct ContentFields: Sendable, Equatable {
    package let title: String?
    package let description: String?
    package let genre: String?
    package let mood: String?
    package let tags: [String]
    /// As the author wrote it, ISO 8601 as a rule.
    package let releaseDate: String?
    package let license: String?
    package let isrc: String?
    /// In milliseconds.
    package let duration: UInt64?
    package let media: [ContentBody.Media]
    package let artwork: CID?
    package let isUnlisted: Bool
    package let remixOf: EntityRef?
    package let stemOf: EntityRef?
    /// Both allowed where the author says nothing: what is published can be fetched by its CID anyway.
    package let access: ContentBody.Access
    /// How many nodes the author would like to hold the media.
    package let replicas: UInt64?

    init(_ state: Registers) {
        title = state.text(ContentField.title)
        description = state.text(ContentField.description)
        genre = state.text(ContentField.genre)
        mood = state.text(ContentField.mood)
        tags = state.texts(ContentField.tags)
        releaseDate = state.text(ContentField.releaseDate)
        license = state.text(ContentField.license)
        isrc = state.text(ContentField.isrc)
        duration = state.number(ContentField.duration).map { UInt64(max(0, $0)) }
        if case .list(let values) = state.value(ContentField.media) {
            media = values.compactMap { try? ContentBody.Media($0, "media") }
        } else {
            media = []
        }
        artwork = state.link(ContentField.artwork)
        isUnlisted = state.flag(ContentField.unlisted)
        remixOf = state.value(ContentField.remixOf).flatMap { try? EntityRef($0, field: "remixOf") }
        stemOf = state.value(ContentField.stemOf).flatMap { try? EntityRef($0, field: "stemOf") }
        access =
            state.value(ContentField.access).flatMap { try? ContentBody.Access($0, "access") }
            ?? ContentBody.Access(stream: true, download: true)
        replicas = state.number(ContentField.replicas).map { UInt64(max(0, $0)) }
    }
}

/// What the merged fields of a content list say.
package struct ListFields: Sendable, Equatable {
    package let name: String?
    package let description: String?
    package let artwork: CID?
    package let isAlbum: Bool

    init(_ state: Registers) {
        name = state.text(ListField.name)
        description = state.text(ListField.description)
        artwork = state.link(ListField.artwork)
        isAlbum = state.flag(ListField.isAlbum)
    }
}

/// What the merged fields of a comment say.
package struct CommentFields: Sendable, Equatable {
    package let content: EntityRef?
    package let parent: EntityRef?
    package let text: String?

    init(_ state: Registers) {
        content = state.value(CommentField.content).flatMap { try? EntityRef($0, field: "content") }
        parent = state.value(CommentField.parent).flatMap { try? EntityRef($0, field: "parent") }
        text = state.text(CommentField.text)
    }
}
