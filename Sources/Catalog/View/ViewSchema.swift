/// The tables of the view, in the same database as the log.
///
/// Everything here but `view_names` and `view_hidden` follows from the log, so a changed schema is made anew and
/// filled from it: there are no migrations. Rows name each other by `entities.key`, small numbers that differ from
/// node to node and never leave it.
enum ViewSchema {
    /// Raised whenever a table below changes, or what is written into one.
    static let version: Int64 = 3

    /// Every table of the view, as they are dropped.
    static let derived = [
        "authors", "contents", "content_media", "lists", "list_items", "edges", "comments", "plays", "announcements",
        "labels", "hidden", "counts", "trending", "authors_text", "contents_text", "lists_text",
        "entities",
    ]

    /// What the operator and the user of this node said; kept when the view is made anew.
    static let local = """
        CREATE TABLE IF NOT EXISTS view_meta (key TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS view_names (handle TEXT NOT NULL PRIMARY KEY, author TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS view_blocks (id TEXT NOT NULL PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS view_labelers (
            author TEXT NOT NULL, label TEXT NOT NULL, PRIMARY KEY (author, label)) WITHOUT ROWID;
        """

    /// `counts.active` is not earlier than the last time that an author published or reposted something that is still
    /// there: feeds look first at those who were active last.
    ///
    /// `listed` is 1 for what lists, searches and counts show: put, and neither deleted nor unlisted. `state` holds
    /// the merged fields with their stamps; the columns beside it are what queries sort, filter and join by.
    static let tables = """
        CREATE TABLE entities (
            key INTEGER NOT NULL PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind INTEGER NOT NULL,
            author INTEGER NOT NULL, name BLOB NOT NULL);
        CREATE INDEX entities_lists ON entities (author) WHERE kind = 2;
        CREATE TABLE authors (
            key INTEGER NOT NULL PRIMARY KEY, state BLOB NOT NULL, handle TEXT, words TEXT NOT NULL,
            created INTEGER NOT NULL, listed INTEGER NOT NULL);
        CREATE INDEX authors_by_handle ON authors (handle) WHERE handle IS NOT NULL;
        CREATE INDEX authors_by_words ON authors (words) WHERE listed = 1;
        CREATE TABLE contents (
            key INTEGER NOT NULL PRIMARY KEY, author INTEGER NOT NULL, state BLOB NOT NULL, words TEXT NOT NULL,
            genre TEXT, remix_of INTEGER, created INTEGER NOT NULL, downloadable INTEGER NOT NULL,
            listed INTEGER NOT NULL, deleted INTEGER NOT NULL);
        CREATE INDEX contents_by_author ON contents (author, created DESC, key);
        CREATE INDEX contents_by_time ON contents (created DESC, key, author) WHERE listed = 1;
        CREATE INDEX contents_by_genre ON contents (genre, created DESC, key, author) WHERE listed = 1;
        CREATE INDEX contents_by_words ON contents (words) WHERE listed = 1;
        CREATE INDEX contents_by_origin ON contents (remix_of, created DESC, key)
            WHERE listed = 1 AND remix_of IS NOT NULL;
        CREATE TABLE content_media (
            cid BLOB NOT NULL, content INTEGER NOT NULL, PRIMARY KEY (cid, content)) WITHOUT ROWID;
        CREATE INDEX content_media_by_content ON content_media (content);
        CREATE TABLE lists (
            key INTEGER NOT NULL PRIMARY KEY, author INTEGER NOT NULL, state BLOB NOT NULL, words TEXT NOT NULL,
            album INTEGER NOT NULL, created INTEGER NOT NULL, listed INTEGER NOT NULL, deleted INTEGER NOT NULL);
        CREATE INDEX lists_by_author ON lists (author, created DESC, key);
        CREATE INDEX lists_by_time ON lists (created DESC, key, author) WHERE listed = 1;
        CREATE INDEX lists_by_words ON lists (words) WHERE listed = 1;
        CREATE TABLE list_items (
            list INTEGER NOT NULL, tag BLOB NOT NULL, item INTEGER, position BLOB NOT NULL, stamp BLOB NOT NULL,
            added INTEGER NOT NULL, removed INTEGER NOT NULL, PRIMARY KEY (list, tag)) WITHOUT ROWID;
        CREATE INDEX list_items_shown ON list_items (list, position, tag)
            WHERE item IS NOT NULL AND removed = 0;
        CREATE INDEX list_items_by_item ON list_items (item, list) WHERE item IS NOT NULL AND removed = 0;
        CREATE TABLE edges (
            source INTEGER NOT NULL, rel INTEGER NOT NULL, target INTEGER NOT NULL, active INTEGER NOT NULL,
            time INTEGER NOT NULL, id BLOB NOT NULL, PRIMARY KEY (source, rel, target)) WITHOUT ROWID;
        CREATE INDEX edges_out ON edges (source, rel, time DESC, target) WHERE active = 1;
        CREATE INDEX edges_in ON edges (target, rel, time DESC, source) WHERE active = 1;
        CREATE TABLE comments (
            key INTEGER NOT NULL PRIMARY KEY, author INTEGER NOT NULL, state BLOB NOT NULL, content INTEGER,
            parent INTEGER, created INTEGER NOT NULL, listed INTEGER NOT NULL, deleted INTEGER NOT NULL);
        CREATE INDEX comments_by_content ON comments (content, created DESC, key) WHERE listed = 1;
        CREATE INDEX comments_by_author ON comments (author);
        CREATE TABLE plays (
            author INTEGER NOT NULL, content INTEGER NOT NULL, day INTEGER NOT NULL, count INTEGER NOT NULL,
            PRIMARY KEY (author, day DESC, content)) WITHOUT ROWID;
        CREATE TABLE announcements (
            peer BLOB NOT NULL, author INTEGER NOT NULL, time INTEGER NOT NULL, id BLOB NOT NULL, body BLOB NOT NULL,
            PRIMARY KEY (peer, author)) WITHOUT ROWID;
        CREATE INDEX announcements_by_author ON announcements (author);
        CREATE INDEX announcements_by_time ON announcements (time DESC, peer);
        CREATE TABLE labels (
            author INTEGER NOT NULL, subject INTEGER NOT NULL, label TEXT NOT NULL, reason TEXT,
            active INTEGER NOT NULL, time INTEGER NOT NULL, id BLOB NOT NULL,
            PRIMARY KEY (author, subject, label)) WITHOUT ROWID;
        CREATE INDEX labels_by_subject ON labels (subject) WHERE active = 1;
        CREATE TABLE hidden (key INTEGER NOT NULL PRIMARY KEY, reason TEXT NOT NULL);
        CREATE TABLE counts (
            key INTEGER NOT NULL PRIMARY KEY,
            followers INTEGER NOT NULL DEFAULT 0, saves INTEGER NOT NULL DEFAULT 0,
            reposts INTEGER NOT NULL DEFAULT 0, subscribers INTEGER NOT NULL DEFAULT 0,
            following INTEGER NOT NULL DEFAULT 0, made_saves INTEGER NOT NULL DEFAULT 0,
            made_reposts INTEGER NOT NULL DEFAULT 0, made_subscriptions INTEGER NOT NULL DEFAULT 0,
            contents INTEGER NOT NULL DEFAULT 0, albums INTEGER NOT NULL DEFAULT 0,
            lists INTEGER NOT NULL DEFAULT 0, remixes INTEGER NOT NULL DEFAULT 0,
            comments INTEGER NOT NULL DEFAULT 0, plays INTEGER NOT NULL DEFAULT 0,
            active INTEGER NOT NULL DEFAULT 0);
        CREATE INDEX counts_by_followers ON counts (followers DESC) WHERE followers > 0;
        CREATE INDEX counts_by_love ON counts (saves + reposts DESC) WHERE saves + reposts > 0;
        CREATE TABLE trending (
            kind INTEGER NOT NULL, span INTEGER NOT NULL, rank INTEGER NOT NULL, key INTEGER NOT NULL,
            score REAL NOT NULL, genre TEXT, PRIMARY KEY (kind, span, rank)) WITHOUT ROWID;
        CREATE VIRTUAL TABLE authors_text USING fts5 (
            words, content = 'authors', content_rowid = 'key', tokenize = 'trigram');
        CREATE VIRTUAL TABLE contents_text USING fts5 (
            words, content = 'contents', content_rowid = 'key', tokenize = 'trigram');
        CREATE VIRTUAL TABLE lists_text USING fts5 (
            words, content = 'lists', content_rowid = 'key', tokenize = 'trigram');
        """
}
