import DHT
import Multiformats
import SansIO
import Transport

extension DHTService {
    /// The table and what was done, for people.
    var status: DHTStatus {
        let core = driver.core
        let statistics = core.statistics
        let ended = statistics.queriesSucceeded + statistics.queriesFailed
        let buckets = core.table.buckets.map { bucket in
            DHTStatus.Bucket(
                commonPrefix: bucket.commonPrefix,
                peers: bucket.peers.map { entry in
                    DHTStatus.Peer(
                        id: entry.peer, addresses: entry.addresses, roundTrip: entry.roundTrip,
                        silence: ControlPlane.now - entry.heard, isConnected: host.isConnected(to: entry.peer))
                })
        }
        return DHTStatus(
            name: network.name, mode: mode, protocolID: network.protocolID, buckets: buckets,
            queriesPerSecond: Double(statistics.queriesStarted) / max(1, age.inSeconds),
            successShare: ended > 0 ? Double(statistics.queriesSucceeded) / Double(ended) : nil,
            requestsServed: KadMessage.Kind.allCases.map { ($0, UInt64(statistics.requestsServed[$0])) },
            calls: (
                UInt64(statistics.callsSent.total), UInt64(statistics.callsAnswered.total),
                UInt64(statistics.callsFailed.total)
            ))
    }
}

extension RoutingService {
    /// The tables, the public side first.
    var status: [DHTStatus] { tables.map { table in table.assumeIsolated { $0.status } } }
}
