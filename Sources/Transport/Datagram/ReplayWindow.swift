/// Which of the last 1,024 counters of a session came in already, so that no packet counts twice.
///
/// Ask `accepts` before the tag is checked and `mark` after it was found right: only an authentic packet moves
/// the window. Source: RFC 6479.
package struct ReplayWindow: Sendable {
    /// How far behind the newest counter a packet may be.
    package static let size: UInt64 = 1024
    /// No session sends so many packets; beyond it nothing is accepted, so that sums cannot overflow.
    private static let limit: UInt64 = 1 << 32

    /// One word more than the window, so that a whole word can be cleared at a time.
    private var words = [UInt64](repeating: 0, count: 17)
    /// One more than the highest counter marked.
    private var next: UInt64 = 0

    package init() {}

    /// Whether `counter` is new, as far as the window reaches.
    package func accepts(_ counter: UInt64) -> Bool {
        guard counter < Self.limit else { return false }
        if counter >= next { return true }
        guard counter + Self.size >= next else { return false }
        return words[slot(counter)] >> (counter % 64) & 1 == 0
    }

    /// Notes `counter`, which `accepts` took.
    package mutating func mark(_ counter: UInt64) {
        guard accepts(counter) else { return }
        if counter >= next {
            let current = next == 0 ? 0 : (next - 1) / 64
            let target = counter / 64
            if target > current {
                for word in (current + 1)...min(target, current + UInt64(words.count)) { words[slot(word * 64)] = 0 }
            }
            next = counter + 1
        }
        words[slot(counter)] |= 1 << (counter % 64)
    }

    private func slot(_ counter: UInt64) -> Int { Int(counter / 64 % UInt64(words.count)) }
}
