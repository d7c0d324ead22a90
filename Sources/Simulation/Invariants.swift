import DHT
import Multiformats
import SansIO

// The rules that no node may break, whatever is done to it. That every call and every query ends exactly once is
// checked where they end.

extension Simulator {
    /// Checks one node and goes on to the next: called every few hundred events.
    func checkSample() {
        guard !nodes.isEmpty else { return }
        check(nodes[eventCount / 256 % nodes.count])
    }

    /// Checks all nodes.
    package func checkAll() {
        for node in nodes { check(node) }
    }

    private func check(_ node: SimulatedNode) {
        guard let core = node.core else { return }
        let configuration = node.configuration
        var seen: Set<PeerID> = []
        for bucket in core.table.buckets {
            if bucket.peers.count > configuration.k, bucket.commonPrefix < 255 {
                violate("node \(node.index) has a bucket of \(bucket.peers.count)")
            }
            for entry in bucket.peers {
                if entry.peer == node.peer { violate("node \(node.index) has itself in its table") }
                if !seen.insert(entry.peer).inserted { violate("node \(node.index) has a peer twice") }
                if entry.addresses.count > configuration.addressesPerPeer {
                    violate("node \(node.index) keeps \(entry.addresses.count) addresses of a peer")
                }
            }
        }
        if seen.count != core.table.count { violate("node \(node.index) miscounts its table") }
        let calls = configuration.maximumQueries * 4 + configuration.maximumProbes
        if node.calls.count > calls { violate("node \(node.index) waits for \(node.calls.count) calls") }
        if core.savedPeers().count > configuration.savedPeers { violate("node \(node.index) saves too many peers") }
        if node.disk.count > configuration.maximumProviders + configuration.maximumValues {
            violate("node \(node.index) stores \(node.disk.count) records")
        }
    }
}
