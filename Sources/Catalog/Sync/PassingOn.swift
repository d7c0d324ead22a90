/// Which updates that a pull brought are pushed on: a few young ones.
///
/// A push that reached nobody, because its node went down or its connections broke, is found by the pulls of others one
/// after another, which takes minutes in a large network. So whoever learns of such an update by pull gossips it, once:
/// those who have it drop it as known, and the others need not wait for their own pulls. A catalog that was far behind
/// has learned what all others know and pushes nothing.
package enum PassingOn {
    /// The most updates that a session may have brought for them to be pushed on.
    package static let most = 16
    /// How old an update may be by its own time, in milliseconds: older ones have had their pulls.
    package static let age: UInt64 = 3_600_000

    /// What to push on of what one session `added`, at the time `now` in milliseconds since 1970.
    package static func chosen(_ added: [(time: UInt64, id: UpdateID)], now: UInt64) -> [UpdateID] {
        guard added.count <= most else { return [] }
        return added.filter { now <= $0.time || now - $0.time <= age }.map(\.id)
    }
}
