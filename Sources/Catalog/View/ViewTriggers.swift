/// The triggers that keep the counters and the full-text indexes in step with the tables, whatever changes a row:
/// an update, a deletion, or an author's rows being made anew.
enum ViewTriggers {
    static var all: String { (edges + counted + activity + searched).joined(separator: "\n") }

    /// A row of `counts` changed by an expression; made when it is not there yet.
    private static func add(_ key: String, _ column: String, _ change: String) -> String {
        """
        INSERT INTO counts (key, \(column)) VALUES (\(key), \(change))
            ON CONFLICT (key) DO UPDATE SET \(column) = counts.\(column) + excluded.\(column);
        """
    }

    private static func trigger(_ name: String, _ event: String, when condition: String, _ steps: String) -> String {
        "CREATE TRIGGER \(name) AFTER \(event) WHEN \(condition) BEGIN \(steps) END;"
    }

    private static var edges: [String] {
        let columns: [(Relation, String, String)] = [
            (.follow, "followers", "following"), (.save, "saves", "made_saves"),
            (.repost, "reposts", "made_reposts"), (.subscribe, "subscribers", "made_subscriptions"),
        ]
        return columns.flatMap { relation, incoming, outgoing in
            func steps(_ row: String, _ change: String) -> String {
                add("\(row).target", incoming, change) + add("\(row).source", outgoing, change)
            }
            let isOurs = "rel = \(relation.rawValue)"
            return [
                trigger(
                    "\(incoming)_made", "INSERT ON edges", when: "new.\(isOurs) AND new.active = 1",
                    steps("new", "1")),
                trigger(
                    "\(incoming)_set", "UPDATE OF active ON edges",
                    when: "new.\(isOurs) AND new.active <> old.active",
                    steps("new", "new.active - old.active")),
                trigger(
                    "\(incoming)_gone", "DELETE ON edges", when: "old.\(isOurs) AND old.active = 1",
                    steps("old", "-1")),
            ]
        }
    }

    /// Counters of rows: of which table, whose row (as a column), which counter, and what one row adds to it.
    private static var counted: [String] {
        let rules: [(table: String, whose: String, column: String, amount: String)] = [
            ("contents", "author", "contents", "ROW.listed"),
            ("contents", "remix_of", "remixes", "(ROW.listed AND ROW.remix_of IS NOT NULL)"),
            ("lists", "author", "albums", "(ROW.listed AND ROW.album)"),
            ("lists", "author", "lists", "(ROW.listed AND NOT ROW.album)"),
            ("comments", "content", "comments", "ROW.listed"),
            // A comment's own comments are its answers.
            ("comments", "parent", "comments", "(ROW.listed AND ROW.parent IS NOT NULL)"),
            ("plays", "content", "plays", "ROW.count"),
        ]
        return rules.flatMap { rule in
            let new = rule.amount.replacing("ROW", with: "new")
            let old = rule.amount.replacing("ROW", with: "old")
            let (mine, theirs) = ("new.\(rule.whose)", "old.\(rule.whose)")
            let name = "\(rule.table)_\(rule.whose)_\(rule.column)"
            return [
                trigger("\(name)_made", "INSERT ON \(rule.table)", when: "\(new) > 0", add(mine, rule.column, new)),
                trigger(
                    "\(name)_gone", "DELETE ON \(rule.table)", when: "\(old) > 0", add(theirs, rule.column, "-\(old)")),
                trigger(
                    "\(name)_less", "UPDATE ON \(rule.table)",
                    when: "\(old) > 0 AND (\(new) <> \(old) OR \(mine) IS NOT \(theirs))",
                    add(theirs, rule.column, "-\(old)")),
                trigger(
                    "\(name)_more", "UPDATE ON \(rule.table)",
                    when: "\(new) > 0 AND (\(new) <> \(old) OR \(mine) IS NOT \(theirs))",
                    add(mine, rule.column, new)),
            ]
        }
    }

    /// When authors were active last, for feeds.
    private static var activity: [String] {
        func steps(_ author: String, _ time: String) -> String {
            """
            INSERT INTO counts (key, active) VALUES (new.\(author), new.\(time))
                ON CONFLICT (key) DO UPDATE SET active = excluded.active WHERE excluded.active > counts.active;
            """
        }
        let repost = "new.rel = \(Relation.repost.rawValue) AND new.active = 1"
        return [
            trigger("contents_active", "INSERT ON contents", when: "new.listed = 1", steps("author", "created")),
            trigger("contents_active_again", "UPDATE ON contents", when: "new.listed = 1", steps("author", "created")),
            trigger("lists_active", "INSERT ON lists", when: "new.listed = 1", steps("author", "created")),
            trigger("lists_active_again", "UPDATE ON lists", when: "new.listed = 1", steps("author", "created")),
            trigger("edges_active", "INSERT ON edges", when: repost, steps("source", "time")),
            trigger("edges_active_again", "UPDATE ON edges", when: repost, steps("source", "time")),
        ]
    }

    /// Only what is listed can be found.
    private static var searched: [String] {
        ["authors", "contents", "lists"].flatMap { table in
            let index = "\(table)_text"
            func insert(_ row: String) -> String {
                "INSERT INTO \(index) (rowid, words) SELECT \(row).key, \(row).words WHERE \(row).listed = 1;"
            }
            func delete(_ row: String) -> String {
                """
                INSERT INTO \(index) (\(index), rowid, words)
                    SELECT 'delete', \(row).key, \(row).words WHERE \(row).listed = 1;
                """
            }
            return [
                trigger("\(index)_made", "INSERT ON \(table)", when: "new.listed = 1", insert("new")),
                trigger("\(index)_gone", "DELETE ON \(table)", when: "old.listed = 1", delete("old")),
                // In one trigger, since SQLite runs several of them in any order: what is taken out last would take
                // the words along that the old and the new text share.
                trigger(
                    "\(index)_changed", "UPDATE ON \(table)",
                    when: "new.words <> old.words OR new.listed <> old.listed", delete("old") + insert("new")),
            ]
        }
    }
}

/// The edges that the view shows. Numbers are stored: never change one.
package enum Relation: UInt8, CaseIterable, Sendable {
    case follow = 1, save, repost, subscribe

    /// `nil` for relations that only others know.
    init?(_ relation: EdgeBody.Relation) {
        switch relation {
        case .follow: self = .follow
        case .save: self = .save
        case .repost: self = .repost
        case .subscribe: self = .subscribe
        default: return nil
        }
    }
}
