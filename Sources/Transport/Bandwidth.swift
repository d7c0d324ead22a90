import Synchronization

/// Bytes that passed in each direction for one protocol.
final class ProtocolCounter: Sendable {
    private let received = Atomic<UInt64>(0)
    private let sent = Atomic<UInt64>(0)

    func received(_ bytes: Int) { received.add(UInt64(bytes), ordering: .relaxed) }
    func sent(_ bytes: Int) { sent.add(UInt64(bytes), ordering: .relaxed) }
    var total: BandwidthTotal {
        BandwidthTotal(received: received.load(ordering: .relaxed), sent: sent.load(ordering: .relaxed))
    }
}

/// Bytes since the start, and the rates of the last seconds in bytes a second.
package struct BandwidthTotal: Hashable, Sendable {
    package var received: UInt64
    package var sent: UInt64
    package var receiveRate = 0.0
    package var sendRate = 0.0
}

/// What the node has moved, altogether (ciphertext on the sockets) and by protocol (stream contents).
package final class Bandwidth: Sendable {
    /// Peers can make us speak only what we offer, but protocols opened by us are counted too.
    private static let mostProtocols = 256

    private struct Meter {
        var last: UInt64 = 0
        var rate = 0.0

        mutating func update(_ value: UInt64, seconds: Double) {
            let current = Double(value &- last) / seconds
            // Half of what is shown is from the last second.
            rate += (current - rate) / 2
            if rate < 1 { rate = 0 }
            last = value
        }
    }

    private struct State {
        var counters: [String: ProtocolCounter] = [:]
        var meters: [String: (received: Meter, sent: Meter)] = [:]
    }

    private let sockets = ProtocolCounter()
    private let state = Mutex(State())

    package init() {}

    /// Everything on the sockets.
    package var total: BandwidthTotal { withRates(sockets.total, "") }

    /// By protocol id.
    package var byProtocol: [String: BandwidthTotal] {
        state.withLock { $0.counters }.reduce(into: [:]) { $0[$1.key] = withRates($1.value.total, $1.key) }
    }

    func countReceived(_ bytes: Int) { sockets.received(bytes) }
    func countSent(_ bytes: Int) { sockets.sent(bytes) }

    func counter(for protocolID: String) -> ProtocolCounter {
        state.withLock { state in
            if let known = state.counters[protocolID] { return known }
            let new = ProtocolCounter()
            if state.counters.count < Self.mostProtocols { state.counters[protocolID] = new }
            return new
        }
    }

    /// Brings the rates up to date; called about once a second.
    func updateRates(seconds: Double) {
        guard seconds > 0 else { return }
        state.withLock { state in
            let all = state.counters.mapValues(\.total).merging(["": sockets.total]) { first, _ in first }
            for (name, total) in all {
                var meter = state.meters[name] ?? (Meter(), Meter())
                meter.received.update(total.received, seconds: seconds)
                meter.sent.update(total.sent, seconds: seconds)
                state.meters[name] = meter
            }
        }
    }

    private func withRates(_ total: BandwidthTotal, _ name: String) -> BandwidthTotal {
        var total = total
        if let meter = state.withLock({ $0.meters[name] }) {
            total.receiveRate = meter.received.rate
            total.sendRate = meter.sent.rate
        }
        return total
    }
}
