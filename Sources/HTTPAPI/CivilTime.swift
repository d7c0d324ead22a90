import Foundation

/// A date and a time of day, in UTC.
struct CivilTime: Hashable {
    let year: Int
    let month: Int
    let day: Int
    /// Seconds of the day.
    let second: Int
    /// 0 is Thursday, the day on which the epoch began.
    let weekday: Int

    init(secondsSince1970 seconds: Int64) {
        // Farther times than these are nobody's, and would overflow.
        let seconds = Int(max(-62_135_596_800, min(253_402_300_799, seconds)))
        var days = seconds / 86400
        if seconds % 86400 < 0 { days -= 1 }
        second = seconds - days * 86400
        weekday = ((days % 7) + 7) % 7
        // Days to a civil date, with years that start in March (Howard Hinnant's algorithm).
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let index = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * index + 2) / 5 + 1
        month = index < 10 ? index + 3 : index - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    /// `2026-11-21T09:44:15`.
    var text: String {
        let digits = String(year)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
            + "-\(Self.two(month))-\(Self.two(day))T\(clock)"
    }

    /// `09:44:15`.
    var clock: String { "\(Self.two(second / 3600)):\(Self.two(second / 60 % 60)):\(Self.two(second % 60))" }

    static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : String(number) }
}

/// The time as HTTP writes it.
enum HTTPDate {
    /// `Sat, 21 Nov 2026 09:44:15 GMT`.
    /// Source: RFC 9110 section 5.6.7
    static func text(_ date: Date = Date()) -> String {
        let time = CivilTime(secondsSince1970: Int64(date.timeIntervalSince1970.rounded(.down)))
        return
            "\(weekdays[time.weekday]), \(CivilTime.two(time.day)) \(months[time.month - 1]) \(time.year) \(time.clock) GMT"
    }

    private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
}
