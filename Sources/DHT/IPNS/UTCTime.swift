/// A date and time in UTC to the nanosecond, as records write it: `2126-01-01T00:00:00.000000000Z`.
///
/// Years 0 to 9999, so that every value has a text; leap seconds do not exist.
/// Source: RFC 3339; the civil calendar after Howard Hinnant, "chrono-compatible low-level date algorithms".
package struct UTCTime: Hashable, Sendable {
    /// Since 1970; negative before.
    package let seconds: Int64
    /// Below 1,000,000,000.
    package let nanoseconds: UInt32

    /// Farther times than the calendar goes are moved to its ends.
    package init(seconds: Int64, nanoseconds: UInt32 = 0) {
        self.seconds = min(max(seconds, Self.range.lowerBound), Self.range.upperBound)
        self.nanoseconds = min(nanoseconds, 999_999_999)
    }

    package init(_ time: KadTime) {
        self.init(
            seconds: Int64(clamping: time.milliseconds / 1000),
            nanoseconds: UInt32(time.milliseconds % 1000) * 1_000_000)
    }

    /// Parses RFC 3339 with `Z` or a numeric offset and any fraction; digits beyond nanoseconds are dropped.
    ///
    /// `nil` for everything else, dates that do not exist included.
    package init?(_ text: some Sequence<UInt8>) {
        var reader = DigitReader(Array(text.prefix(Self.maximumLength + 1)))
        guard reader.bytes.count <= Self.maximumLength,
            let year = reader.number(4), reader.take("-"), let month = reader.number(2), reader.take("-"),
            let day = reader.number(2), reader.take("T"), let hour = reader.number(2), reader.take(":"),
            let minute = reader.number(2), reader.take(":"), let second = reader.number(2),
            (1...12).contains(month), day >= 1, day <= Self.days(in: month, of: year),
            hour < 24, minute < 60, second < 60, let fraction = reader.fraction(), let offset = reader.offset(),
            reader.isAtEnd
        else { return nil }
        let days = Self.days(year: year, month: month, day: day)
        let seconds = Int64(days) * 86_400 + Int64(hour * 3600 + minute * 60 + second - offset)
        guard Self.range.contains(seconds) else { return nil }
        self.seconds = seconds
        nanoseconds = fraction
    }

    /// The text, always with nine digits behind the point.
    package var text: String {
        let (year, month, day) = date
        let second = seconds - days * 86_400
        return Self.digits(Int64(year), 4) + "-" + Self.digits(Int64(month), 2) + "-" + Self.digits(Int64(day), 2)
            + "T" + Self.digits(second / 3600, 2) + ":" + Self.digits(second / 60 % 60, 2) + ":"
            + Self.digits(second % 60, 2) + "." + Self.digits(Int64(nanoseconds), 9) + "Z"
    }

    /// The day, by its date.
    package var date: (year: Int, month: Int, day: Int) {
        // Hinnant's calendar begins in March of the year 0.
        let shifted = Int(days) + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let index = (5 * dayOfYear + 2) / 153
        let month = index < 10 ? index + 3 : index - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * index + 2) / 5 + 1)
    }

    /// Whole days since 1970; negative before.
    package var days: Int64 { seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400 }

    /// In milliseconds since 1970; times before are 0.
    package var kadTime: KadTime {
        guard seconds >= 0 else { return KadTime(milliseconds: 0) }
        return KadTime(milliseconds: UInt64(seconds) * 1000 + UInt64(nanoseconds) / 1_000_000)
    }

    /// The longest text that is read, in bytes.
    static let maximumLength = 64
    /// From the start of the year 0 to the end of 9999.
    private static let range: ClosedRange<Int64> = -62_167_219_200...253_402_300_799

    private static func digits(_ number: Int64, _ width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }

    private static func days(in month: Int, of year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days since 1970 of a date that exists.
    private static func days(year: Int, month: Int, day: Int) -> Int {
        let year = month <= 2 ? year - 1 : year
        let era = (year >= 0 ? year : year - 399) / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

extension UTCTime: Comparable, CustomStringConvertible {
    package static func < (left: UTCTime, right: UTCTime) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }

    package var description: String { text }
}

/// Walks over the fixed fields of a date.
private struct DigitReader {
    let bytes: [UInt8]
    var index = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { index == bytes.count }

    private var digit: Int? {
        guard index < bytes.count, (0x30...0x39).contains(bytes[index]) else { return nil }
        return Int(bytes[index] - 0x30)
    }

    /// The number that exactly `count` digits write.
    mutating func number(_ count: Int) -> Int? {
        var result = 0
        for _ in 0..<count {
            guard let digit else { return nil }
            result = result * 10 + digit
            index += 1
        }
        return result
    }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard index < bytes.count, UInt32(bytes[index]) == character.value else { return false }
        index += 1
        return true
    }

    /// The nanoseconds of an optional fraction.
    mutating func fraction() -> UInt32? {
        guard take(".") else { return 0 }
        guard digit != nil else { return nil }
        var result: UInt32 = 0
        var count = 0
        while let digit {
            if count < 9 { result = result * 10 + UInt32(digit) }
            count += 1
            index += 1
        }
        while count < 9 {
            result *= 10
            count += 1
        }
        return result
    }

    /// Seconds that the local time is ahead of UTC.
    mutating func offset() -> Int? {
        if take("Z") { return 0 }
        let sign: Int
        if take("+") { sign = 1 } else if take("-") { sign = -1 } else { return nil }
        guard let hours = number(2), take(":"), let minutes = number(2), hours < 24, minutes < 60 else { return nil }
        return sign * (hours * 3600 + minutes * 60)
    }
}
