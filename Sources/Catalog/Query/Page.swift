/// Which part of a list is asked for.
///
/// A cursor goes on exactly behind the last row of the page before, so that new rows in front of it neither
/// repeat nor hide one; an offset counts from the front, for clients that know no cursors.
package struct PageRequest: Sendable, Equatable {
    /// The most rows of one page.
    package static let maximumLimit = 500
    /// The farthest an offset can reach; a cursor goes on from there.
    package static let maximumOffset = 20_000

    package let limit: Int
    package let offset: Int
    package let cursor: PageCursor?

    /// Limits and offsets outside the bounds are moved to the nearest that is allowed.
    package init(limit: Int = 10, offset: Int = 0, cursor: PageCursor? = nil) {
        self.limit = min(max(limit, 1), PageRequest.maximumLimit)
        self.offset = min(max(offset, 0), PageRequest.maximumOffset)
        self.cursor = cursor
    }

    /// Where a list that is cut by rank begins.
    var rank: Int {
        if case .rank(let rank) = cursor { rank } else { offset }
    }

    /// Where a list in the order of time begins: at or before a time, and there behind a key.
    var place: (time: Int64, key: Int64) {
        if case .place(let time, let key) = cursor { (time, key) } else { (.max, -1) }
    }

    /// Rows to skip in a list in the order of time.
    var skipped: Int { cursor == nil ? offset : 0 }
}

/// Where the next page begins. Its text matches `\w+` and means something to the node that made it only.
package enum PageCursor: Sendable, Equatable, CustomStringConvertible {
    /// Behind the row with this time (milliseconds since 1970) and local key.
    case place(time: Int64, key: Int64)
    /// At this rank.
    case rank(Int)

    /// Reads what `description` writes; `nil` for anything else.
    package init?(_ text: String) {
        let parts = text.dropFirst().split(separator: "_", omittingEmptySubsequences: false).map { Int64($0) }
        switch (text.first, parts.count) {
        case ("t", 2):
            guard let time = parts[0], let key = parts[1], time >= 0, key >= 0 else { return nil }
            self = .place(time: time, key: key)
        case ("r", 1):
            guard let rank = parts[0].flatMap({ Int(exactly: $0) }), (0...1_000_000).contains(rank) else { return nil }
            self = .rank(rank)
        default: return nil
        }
    }

    package var description: String {
        switch self {
        case .place(let time, let key): "t\(time)_\(key)"
        case .rank(let rank): "r\(rank)"
        }
    }
}

/// One page of a list.
package struct Page<Row: Sendable>: Sendable {
    package let rows: [Row]
    /// Where the next page begins; `nil` at the end.
    package let next: PageCursor?

    package init(_ rows: [Row], next: PageCursor? = nil) {
        self.rows = rows
        self.next = next
    }
}

/// A row's place in a list that is ordered by time, latest first.
struct TimedKey: Sendable, Equatable {
    let time: Int64
    let key: Int64
    var cursor: PageCursor { .place(time: time, key: key) }
}

/// The span of time that a ranking looks at.
package enum Span: UInt8, CaseIterable, Sendable {
    case week = 0, month, year, allTime

    /// In days.
    package var days: Double {
        switch self {
        case .week: 7
        case .month: 30
        case .year: 365
        case .allTime: 100_000
        }
    }

    /// In milliseconds.
    var milliseconds: Int64 { Int64(days) * 86_400_000 }

    /// Reads the API's spelling; `nil` for others.
    package init?(_ text: String) {
        switch text {
        case "week": self = .week
        case "month": self = .month
        case "year": self = .year
        case "allTime", "alltime", "all_time": self = .allTime
        default: return nil
        }
    }
}
