import DHT
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
        let time = UTCTime(seconds: max(-62_135_596_800, min(253_402_300_799, seconds)))
        (year, month, day) = time.date
        second = Int(time.seconds - time.days * 86_400)
        weekday = Int((time.days % 7 + 7) % 7)
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
