import Multiformats
import Synchronization

/// The protocols this node speaks, who handles each, and how many streams each peer has open for it.
package final class ProtocolRegistry: Sendable {
    /// Makes the handler of a new inbound stream, on its loop; `nil` when it reads with the async helpers.
    package typealias Maker = @Sendable (PeerStream) -> (any StreamHandler)?

    private struct Entry {
        let maximumPerPeer: Int
        let make: Maker
    }

    private struct Key: Hashable {
        let peer: PeerID
        let protocolID: String
    }

    private struct State {
        var entries: [String: Entry] = [:]
        var counts: [Key: Int] = [:]
    }

    private let state = Mutex(State())
    let bandwidth: Bandwidth

    init(bandwidth: Bandwidth) { self.bandwidth = bandwidth }

    /// The ids that are offered, in order.
    package var protocols: [String] { state.withLock { $0.entries.keys.sorted() } }

    func offers(_ protocolID: String) -> Bool { state.withLock { $0.entries[protocolID] != nil } }

    func add(_ protocolID: String, maximumPerPeer: Int, _ make: @escaping Maker) {
        state.withLock { $0.entries[protocolID] = Entry(maximumPerPeer: maximumPerPeer, make: make) }
    }

    func remove(_ protocolID: String) {
        _ = state.withLock { $0.entries.removeValue(forKey: protocolID) }
    }

    /// Admits an inbound stream whose protocol was just agreed; `nil` when its peer has too many of them.
    func admit(_ protocolID: String, peer: PeerID) -> (make: Maker, slot: StreamSlot)? {
        let key = Key(peer: peer, protocolID: protocolID)
        let make: Maker? = state.withLock { state in
            guard let entry = state.entries[protocolID] else { return nil }
            let count = state.counts[key, default: 0]
            guard count < entry.maximumPerPeer else { return nil }
            state.counts[key] = count + 1
            return entry.make
        }
        guard let make else { return nil }
        return (make, StreamSlot { [weak self] in self?.release(key) })
    }

    private func release(_ key: Key) {
        state.withLock { state in
            let left = (state.counts[key] ?? 1) - 1
            state.counts[key] = left > 0 ? left : nil
        }
    }
}
