package import Multiformats
package import SansIO

/// What others see as our address, believed once four of them in different networks agree.
///
/// A pure value. One observer is enough to be lied to; four in different IPv4 /16 or IPv6 /48 are not.
package struct ObservedAddresses: Sendable {
    private static let needed = 4
    private static let lifetime: Duration = .seconds(1_800)
    private static let mostAddresses = 32
    private static let mostObservers = 64

    private var observers: [Multiaddr: [IPAddress: Instant]] = [:]

    package init() {}

    /// The observer at `observer` says that we are at `address`.
    package mutating func record(_ address: Multiaddr, by observer: Multiaddr, now: Instant) {
        guard AddressPolicy.isDialable(address), address.isPublic, let group = IPAddress(observer)?.site else { return }
        prune(now: now)
        guard observers[address] != nil || observers.count < Self.mostAddresses else { return }
        guard observers[address]?[group] != nil || (observers[address]?.count ?? 0) < Self.mostObservers else { return }
        observers[address, default: [:]][group] = now
    }

    /// The addresses that enough observers agree on.
    package func confirmed(now: Instant) -> [Multiaddr] {
        observers.filter { $0.value.values.count { now - $0 < Self.lifetime } >= Self.needed }.keys
            .sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
    }

    private mutating func prune(now: Instant) {
        for (address, seen) in observers {
            let left = seen.filter { now - $0.value < Self.lifetime }
            observers[address] = left.isEmpty ? nil : left
        }
    }
}
