/// How providing goes, for people and programs.
package struct ReproviderStatus: Hashable, Sendable {
    /// One sweep over all keys.
    package struct Cycle: Hashable, Sendable {
        package var began: KadTime
        /// Keys announced and keys that failed, each counted as often as it happened.
        package var provided = 0
        package var failed = 0
        /// Walks to the closest peers that it took.
        package var lookups = 0

        package init(began: KadTime) { self.began = began }
    }

    package var strategy: ProvideStrategy
    package var isOnline: Bool
    /// Keys that wait for their announcement or are being announced now; those in `urgent` included.
    package var queued: Int
    package var urgent: Int
    /// Keys whose last announcement failed; they are tried again.
    package var failing: Int
    /// Keys that the network was told of.
    package var provided: Int
    package var total: Int
    /// Keys announced within the last hour, or at the pace of the time since the start when that is shorter.
    package var ratePerHour: Double
    package var now: KadTime
    /// When every key will have had its turn in the present cycle.
    package var cycleEnds: KadTime
    package var cycle: Cycle
    package var lastCycle: Cycle?
    /// How many peers the network has, as far as lookups tell.
    package var networkSize: Int?

    package init(
        strategy: ProvideStrategy, isOnline: Bool, queued: Int, urgent: Int, failing: Int, provided: Int, total: Int,
        ratePerHour: Double, now: KadTime, cycleEnds: KadTime, cycle: Cycle, lastCycle: Cycle?, networkSize: Int?
    ) {
        self.strategy = strategy
        self.isOnline = isOnline
        self.queued = queued
        self.urgent = urgent
        self.failing = failing
        self.provided = provided
        self.total = total
        self.ratePerHour = ratePerHour
        self.now = now
        self.cycleEnds = cycleEnds
        self.cycle = cycle
        self.lastCycle = lastCycle
        self.networkSize = networkSize
    }

    /// The state in a sentence or two.
    package var summary: String {
        guard total > 0 else { return "Nothing is provided: no content matches the strategy '\(strategy.rawValue)'." }
        var text: String
        if queued + failing == 0 {
            text = provided == 1 ? "The one key is announced." : "All \(Self.grouped(total)) keys are announced."
        } else {
            text = "\(Self.grouped(provided)) of \(Self.count(total, "key")) \(provided == 1 ? "is" : "are") announced"
            if queued > 0 { text += ", \(Self.grouped(queued)) \(queued == 1 ? "waits" : "wait") for the next turn" }
            if failing > 0 {
                text += ", \(Self.grouped(failing)) failed and \(failing == 1 ? "is" : "are") tried again"
            }
            text += "."
            if isOnline, queued > 0, ratePerHour >= 1 {
                let seconds = Double(queued) / ratePerHour * 3600
                text += " At the present rate (\(Self.grouped(Int(ratePerHour))) keys an hour) that takes about "
                text += Self.duration(milliseconds: UInt64(min(seconds * 1000, 1e15))) + "."
            }
        }
        guard isOnline else { return text + " The node knows no peers now and goes on when it does." }
        let left = cycleEnds.milliseconds > now.milliseconds ? cycleEnds.milliseconds - now.milliseconds : 0
        return text + " The present cycle ends in \(Self.duration(milliseconds: left))."
    }

    /// `1,234,567`.
    private static func grouped(_ number: Int) -> String {
        var text = String(number)
        var index = text.count - 3
        while index > 0 {
            text.insert(",", at: text.index(text.startIndex, offsetBy: index))
            index -= 3
        }
        return text
    }

    private static func count(_ number: Int, _ noun: String) -> String {
        "\(grouped(number)) \(noun)\(number == 1 ? "" : "s")"
    }

    /// The two largest units that matter: `7 h 12 min`, `45 s`.
    private static func duration(milliseconds: UInt64) -> String {
        let seconds = milliseconds / 1000
        if seconds < 60 { return "\(max(1, seconds)) s" }
        if seconds < 3600 { return "\(seconds / 60) min" }
        if seconds < 48 * 3600 { return "\(seconds / 3600) h \(seconds / 60 % 60) min" }
        return "\(seconds / 86_400) days"
    }
}

/// Counts since the start, for reports and tests.
package struct ProvideStatistics: Hashable, Sendable {
    /// Walks to the closest peers, those of urgent keys included.
    package var lookups = 0
    package var failedLookups = 0
    /// Announcements: one for each key that each peer was to be told.
    package var announcements = 0
    package var failedAnnouncements = 0
    /// Keys that reached enough of their peers, and keys that did not.
    package var provided = 0
    package var failed = 0

    package init() {}
}
