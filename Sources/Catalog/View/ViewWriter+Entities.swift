import GRDB
import Multiformats

// Profiles, digital content, lists and comments: fields that merge one by one, and deletion, which is final. A
// deleted entity keeps nothing, since the bodies that it came from may be gone on other nodes.
extension ViewWriter {
    func setProfile(_ author: Int64, _ entries: [DAGEntry], _ stamp: Stamp) throws {
        let stored = try database.sql("SELECT state FROM authors WHERE key = ?").one([.integer(author)]) { $0.blob(0) }
        var state = stored.map(Registers.init(decoding:)) ?? Registers()
        let before = state
        state.touch(stamp.time)
        state.set(entries, ProfileField.names, stamp)
        if stored != nil, state == before { return }
        let words = SearchWords.fold([state.text(ProfileField.name), state.text(ProfileField.handle)])
        try database.sql(
            """
            INSERT INTO authors (key, state, handle, words, created, listed) VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (key) DO UPDATE
                SET state = excluded.state, handle = excluded.handle, words = excluded.words,
                    created = excluded.created, listed = excluded.listed
            """
        ).run([
            .integer(author), .blob(try state.encoded()), SQLValue(state.text(ProfileField.handle)), .text(words),
            SQLValue(state.created ?? 0), SQLValue(!state.flag(ProfileField.deactivated)),
        ])
    }

    // MARK: Digital content

    func setContent(_ owner: AuthorID, _ body: ContentBody, _ stamp: Stamp) throws {
        let key = try key(.content, owner, body.id)
        let stored = try database.sql("SELECT state, deleted FROM contents WHERE key = ?").one([.integer(key)]) {
            (state: $0.blob(0), deleted: $0.flag(1))
        }
        if stored?.deleted == true { return }
        var state = stored.map { Registers(decoding: $0.state) } ?? Registers()
        let before = state
        state.touch(stamp.time)
        state.set(body.entries, ContentField.names, stamp)
        if stored != nil, state == before { return }
        let fields = ContentFields(state)
        let words = SearchWords.fold([fields.title] + fields.tags)
        let origin = try fields.remixOf.map { try self.key(.content, $0) }
        try database.sql(
            """
            INSERT INTO contents
                (key, author, state, words, genre, remix_of, created, downloadable, listed, deleted)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)
                ON CONFLICT (key) DO UPDATE
                SET state = excluded.state, words = excluded.words, genre = excluded.genre,
                    remix_of = excluded.remix_of, created = excluded.created, downloadable = excluded.downloadable,
                    listed = excluded.listed
            """
        ).run([
            .integer(key), .integer(try self.key(of: owner)), .blob(try state.encoded()), .text(words),
            SQLValue(fields.genre.map { SearchWords.fold($0) }), SQLValue(origin), SQLValue(state.created ?? 0),
            SQLValue(fields.access.download), SQLValue(!fields.isUnlisted),
        ])
        if before.value(ContentField.media) != state.value(ContentField.media) {
            try setMedia(key, fields.media.map(\.cid), isNew: stored == nil)
        }
    }

    private func setMedia(_ content: Int64, _ cids: [CID], isNew: Bool) throws {
        if !isNew { try database.sql("DELETE FROM content_media WHERE content = ?").run([.integer(content)]) }
        for cid in cids {
            try database.sql("INSERT OR IGNORE INTO content_media (cid, content) VALUES (?, ?)")
                .run([.blob(cid.multihash.bytes), .integer(content)])
        }
    }

    func deleteContent(_ owner: AuthorID, _ id: String) throws {
        let key = try key(.content, owner, id)
        try database.sql("DELETE FROM content_media WHERE content = ?").run([.integer(key)])
        try database.sql(
            """
            INSERT INTO contents (key, author, state, words, created, downloadable, listed, deleted)
                VALUES (?, ?, x'', '', 0, 0, 0, 1)
                ON CONFLICT (key) DO UPDATE
                SET state = x'', words = '', genre = NULL, remix_of = NULL, created = 0, downloadable = 0,
                    listed = 0, deleted = 1
            """
        ).run([.integer(key), .integer(try self.key(of: owner))])
    }

    // MARK: Lists

    func setList(_ owner: AuthorID, _ body: ListBody, _ stamp: Stamp) throws {
        let key = try key(.list, owner, body.id)
        let stored = try database.sql("SELECT state, deleted FROM lists WHERE key = ?").one([.integer(key)]) {
            (state: $0.blob(0), deleted: $0.flag(1))
        }
        if stored?.deleted == true { return }
        var state = stored.map { Registers(decoding: $0.state) } ?? Registers()
        let before = state
        state.touch(stamp.time)
        state.set(body.entries, ListField.names, stamp)
        if stored != nil, state == before { return }
        try database.sql(
            """
            INSERT INTO lists (key, author, state, words, album, created, listed, deleted)
                VALUES (?, ?, ?, ?, ?, ?, 1, 0)
                ON CONFLICT (key) DO UPDATE
                SET state = excluded.state, words = excluded.words, album = excluded.album,
                    created = excluded.created
            """
        ).run([
            .integer(key), .integer(try self.key(of: owner)), .blob(try state.encoded()),
            .text(SearchWords.fold([state.text(ListField.name)])), SQLValue(state.flag(ListField.isAlbum)),
            SQLValue(state.created ?? 0),
        ])
    }

    func deleteList(_ owner: AuthorID, _ id: String) throws {
        let key = try key(.list, owner, id)
        try database.sql("DELETE FROM list_items WHERE list = ?").run([.integer(key)])
        try database.sql(
            """
            INSERT INTO lists (key, author, state, words, album, created, listed, deleted)
                VALUES (?, ?, x'', '', 0, 0, 0, 1)
                ON CONFLICT (key) DO UPDATE
                SET state = x'', words = '', album = 0, created = 0, listed = 0, deleted = 1
            """
        ).run([.integer(key), .integer(try self.key(of: owner))])
    }

    /// Items are kept by tag even before their `add` has come: a `move` or `remove` may come first.
    func changeItems(_ owner: AuthorID, _ body: ListItemBody, _ stamp: Stamp) throws {
        let list = try key(.list, owner, body.list)
        let deleted = try database.sql("SELECT deleted FROM lists WHERE key = ?").one([.integer(list)]) { $0.flag(0) }
        if deleted == true { return }
        switch body.change {
        case .add(let item, let position):
            try place(list, tag: stamp.id, position, stamp)
            try database.sql("UPDATE list_items SET item = ?, added = ? WHERE list = ? AND tag = ?").run([
                .integer(try key(.content, item)), SQLValue(stamp.time), .integer(list), .blob(stamp.id.bytes),
            ])
        case .move(let tag, let position): try place(list, tag: tag, position, stamp)
        case .remove(let tags):
            for tag in tags {
                try database.sql(
                    """
                    INSERT INTO list_items (list, tag, position, stamp, added, removed) VALUES (?, ?, x'', x'', 0, 1)
                        ON CONFLICT (list, tag) DO UPDATE SET removed = 1
                    """
                ).run([.integer(list), .blob(tag.bytes)])
            }
        }
    }

    private func place(_ list: Int64, tag: UpdateID, _ position: ListPosition, _ stamp: Stamp) throws {
        try database.sql(
            """
            INSERT INTO list_items (list, tag, position, stamp, added, removed) VALUES (?, ?, ?, ?, 0, 0)
                ON CONFLICT (list, tag) DO UPDATE SET position = excluded.position, stamp = excluded.stamp
                WHERE excluded.stamp > list_items.stamp
            """
        ).run([.integer(list), .blob(tag.bytes), .blob(position.bytes), .blob(stamp.bytes)])
    }

    // MARK: Comments

    func setComment(_ owner: AuthorID, _ body: CommentBody, _ stamp: Stamp) throws {
        let key = try key(.comment, owner, body.id)
        let stored = try database.sql("SELECT state, deleted FROM comments WHERE key = ?").one([.integer(key)]) {
            (state: $0.blob(0), deleted: $0.flag(1))
        }
        if stored?.deleted == true { return }
        var state = stored.map { Registers(decoding: $0.state) } ?? Registers()
        let before = state
        state.touch(stamp.time)
        state.set(body.entries, CommentField.names, stamp)
        if stored != nil, state == before { return }
        let content = CommentFields(state).content
        let parent = CommentFields(state).parent
        try database.sql(
            """
            INSERT INTO comments (key, author, state, content, parent, created, listed, deleted)
                VALUES (?, ?, ?, ?, ?, ?, ?, 0)
                ON CONFLICT (key) DO UPDATE
                SET state = excluded.state, content = excluded.content, parent = excluded.parent,
                    created = excluded.created, listed = excluded.listed
            """
        ).run([
            .integer(key), .integer(try self.key(of: owner)), .blob(try state.encoded()),
            SQLValue(try content.map { try self.key(.content, $0) }),
            SQLValue(try parent.map { try self.key(.comment, $0) }), SQLValue(state.created ?? 0),
            SQLValue(content != nil),
        ])
    }

    func deleteComment(_ owner: AuthorID, _ id: String) throws {
        try database.sql(
            """
            INSERT INTO comments (key, author, state, created, listed, deleted) VALUES (?, ?, x'', 0, 0, 1)
                ON CONFLICT (key) DO UPDATE
                SET state = x'', content = NULL, parent = NULL, created = 0, listed = 0, deleted = 1
            """
        ).run([.integer(try key(.comment, owner, id)), .integer(try key(of: owner))])
    }
}

extension SearchWords {
    /// Several texts as one.
    static func fold(_ texts: [String?]) -> String {
        fold(texts.compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: " "))
    }
}
