import SansIO

/// What is known of how long an address takes to answer. Source: RFC 6298.
struct RoundTrip: Sendable {
    /// For an address that never answered.
    static let stranger: Duration = .milliseconds(500)
    static let least: Duration = .milliseconds(100)
    static let most: Duration = .seconds(4)

    private var smoothed: Int64
    private var variance: Int64

    /// After a first measurement.
    init(_ sample: Duration) {
        smoothed = max(0, sample.wholeNanoseconds)
        variance = smoothed / 2
    }

    /// Takes another measurement, of a request that was sent once only: else nobody knows which was answered.
    mutating func add(_ sample: Duration) {
        let sample = max(0, min(sample.wholeNanoseconds, Duration.seconds(60).wholeNanoseconds))
        variance += (abs(smoothed - sample) - variance) / 4
        smoothed += (sample - smoothed) / 8
    }

    /// How long to wait for an answer.
    var timeout: Duration {
        min(Self.most, max(Self.least, .nanoseconds(smoothed) + .nanoseconds(variance) * 4))
    }
}
