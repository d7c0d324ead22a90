/// An author, as the API shows one.
package struct UserRow: Sendable, Equatable {
    package let id: EntityID
    package let author: AuthorID
    package let fields: ProfileFields
    /// Milliseconds since 1970.
    package let created: UInt64
    /// Milliseconds since 1970.
    package let updated: UInt64
    package let counts: EntityCounts
    /// Whether two updates of the log continue the same one: a second device, a restored backup or a copied key.
    package let isEquivocated: Bool
    /// What the viewer has to do with this author; `nil` when nobody looks.
    package let marks: UserMarks?

    /// The handle or, without one, the first 12 characters of the id.
    package var handle: String { fields.handle ?? String(id.description.prefix(12)) }
    /// The name or, without one, the handle.
    package var name: String { fields.name.flatMap { $0.isEmpty ? nil : $0 } ?? handle }
    /// The handle is a claim, so the first 12 characters of the id say which of those who claim it.
    package var certainHandle: String { "\(handle)~\(id.description.prefix(12))" }
    /// The path of the author's page.
    package var permalink: String { "/\(certainHandle)" }
}

/// What a viewer has to do with an author.
package struct UserMarks: Sendable, Equatable {
    /// The viewer follows this author.
    package let isFollowed: Bool
    /// This author follows the viewer.
    package let isFollower: Bool
    /// The viewer subscribes to this author.
    package let isSubscribed: Bool
}

/// What a viewer has done with a piece of digital content or a list.
package struct ItemMarks: Sendable, Equatable {
    package let isReposted: Bool
    package let isSaved: Bool
    /// A few of those whom the viewer follows and who reposted it, latest first.
    package let followeeReposts: [EntityID]
    /// A few of those whom the viewer follows and who saved it, latest first.
    package let followeeSaves: [EntityID]
}

/// How often what happened to an entity, or what its author did.
package struct EntityCounts: Sendable, Equatable {
    package var followers = 0
    package var saves = 0
    package var reposts = 0
    package var subscribers = 0
    /// Authors whom this one follows.
    package var following = 0
    /// Content and lists that this author saved.
    package var madeSaves = 0
    /// Content and lists that this author reposted.
    package var madeReposts = 0
    /// Listed content of this author.
    package var contents = 0
    package var albums = 0
    /// Lists of this author that are no albums.
    package var lists = 0
    package var remixes = 0
    package var comments = 0
    package var plays = 0
}

/// A piece of digital content, as the API shows one.
package struct ContentRow: Sendable, Equatable {
    package let id: EntityID
    /// The author and the author's own id for it.
    package let entity: EntityRef
    package let user: UserRow
    /// All empty once it is deleted.
    package let fields: ContentFields
    /// Milliseconds since 1970; 0 once it is deleted.
    package let created: UInt64
    /// Milliseconds since 1970; 0 once it is deleted.
    package let updated: UInt64
    package let isDeleted: Bool
    package let counts: EntityCounts
    /// What the viewer has done with it; `nil` when nobody looks.
    package let marks: ItemMarks?

    package var title: String { fields.title ?? "" }
    /// The path of its page: the author, words of the title, and the id, which alone decides.
    package var permalink: String { "/\(user.handle)/\(Permalink.slug(title))-\(id)" }
    /// The file to stream: the `stream` role, else the original, else the first.
    package var streamed: ContentBody.Media? {
        fields.media.first { $0.role == .stream } ?? fields.media.first { $0.role == .original } ?? fields.media.first
    }
    /// The original file, where there is one.
    package var original: ContentBody.Media? { fields.media.first { $0.role == .original } }
}

/// A content list, as the API shows one.
package struct ListRow: Sendable, Equatable {
    package let id: EntityID
    /// The author and the author's own id for it.
    package let entity: EntityRef
    package let user: UserRow
    package let fields: ListFields
    /// Milliseconds since 1970; 0 once it is deleted.
    package let created: UInt64
    /// Milliseconds since 1970; 0 once it is deleted.
    package let updated: UInt64
    package let isDeleted: Bool
    package let counts: EntityCounts
    /// What it holds, in its order: the first 5,000 where one list was asked for, the first 100 in a list of lists.
    package let items: [ListItem]
    /// How many items it shows in all, 5,000 at most.
    package let itemCount: Int
    /// What the viewer has done with it; `nil` when nobody looks.
    package let marks: ItemMarks?

    package var name: String { fields.name ?? "" }
    /// The path of its page; the id alone decides.
    package var permalink: String {
        "/\(user.handle)/\(fields.isAlbum ? "album" : "playlist")/\(Permalink.slug(name))-\(id)"
    }
}

/// One place in a content list.
package struct ListItem: Sendable, Equatable {
    /// Names the place, for moving and removing.
    package let tag: UpdateID
    package let content: EntityID
    /// Milliseconds since 1970.
    package let added: UInt64
    package let position: ListPosition
}

/// A comment, as the API shows one.
package struct CommentRow: Sendable, Equatable {
    package let id: EntityID
    /// The author and the author's own id for it.
    package let entity: EntityRef
    package let user: UserRow
    package let content: EntityID
    /// The comment that this one answers.
    package let parent: EntityID?
    package let text: String
    /// Milliseconds since 1970.
    package let created: UInt64
    /// Milliseconds since 1970.
    package let updated: UInt64
    /// Comments that answer this one.
    package let replies: Int
}

/// A piece of digital content or a list.
package enum ItemRow: Sendable, Equatable {
    case content(ContentRow)
    case list(ListRow)

    package var id: EntityID {
        switch self {
        case .content(let row): row.id
        case .list(let row): row.id
        }
    }
}

/// Something that an author did with an item: published, reposted or saved it.
package struct ActivityRow: Sendable, Equatable {
    package let item: ItemRow
    /// Milliseconds since 1970.
    package let time: UInt64
    /// Who reposted or saved it; `nil` where its own author published it.
    package let actor: EntityID?
}

/// Content that an author reported as played.
package struct HistoryRow: Sendable, Equatable {
    package let content: ContentRow
    /// Days since 1970-01-01, UTC.
    package let day: UInt64
    package let count: UInt64
}

/// A node that an author answers for.
package struct NodeRow: Sendable, Equatable {
    package let body: NodeBody
    package let user: UserRow
    /// When it was announced, in milliseconds since 1970.
    package let time: UInt64
}

/// A label that an author gave.
package struct LabelRow: Sendable, Equatable {
    package let labeler: EntityID
    package let label: String
    package let reason: String?
    /// Milliseconds since 1970.
    package let time: UInt64
}

/// How much the view holds.
package struct CatalogTotals: Sendable, Equatable {
    /// Authors of whom something counts.
    package let authors: Int
    /// Content that is listed.
    package let contents: Int
    /// Lists and albums that are listed.
    package let lists: Int
    package let comments: Int
    /// Follows, saves, reposts and subscriptions that are on.
    package let edges: Int
    /// Plays that were reported.
    package let plays: Int
    /// When the rankings were computed, in milliseconds since 1970.
    package let ranked: UInt64?
}
