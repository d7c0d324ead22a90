import DHT
import Foundation
import PeerCrypto
import Storage
import Transport

// What the rooms below are told of the configuration.
extension NodeConfiguration {
    /// The text of a new repo's `config.toml`.
    static func initialFile(network: String?) -> String {
        """
        # Settings of this node. What is not here has its default; `peernode config show` lists everything.

        [network]
        name = "\(network ?? Network().name)"

        """
    }

    var repositoryOptions: RepositoryOptions {
        var options = RepositoryOptions()
        options.quota = storage.quota == 0 ? nil : Int64(storage.quota)
        options.minimumFree = Int64(storage.minFree)
        // Leases hold what is in flight; beyond that, `repo gc` takes what nothing keeps, at once.
        options.graceSeconds = 0
        // Enough for a collection and the index to work when the disk is full.
        options.ballast = 16 << 20
        return options
    }

    var kademlia: KademliaConfiguration {
        var result = KademliaConfiguration()
        result.paths = dht.paths
        result.validators[IPNSValidator.namespace] = .ipns
        return result
    }

    func transportLimits() throws -> TransportLimits {
        var result = TransportLimits()
        result.lowWater = limits.connectionsLow
        result.highWater = limits.connectionsHigh
        result.inboundConnections = limits.connectionsIn
        result.outboundConnections = limits.connectionsOut
        result.totalConnections = limits.connectionsTotal
        result.transientInbound = limits.pendingIn
        result.transientTotal = limits.pendingTotal
        result.connectionsPerAddress = limits.connectionsPerAddress
        result.exempt = try limits.exempt.map { try IPRange($0) }
        result.inboundStreamsPerPeer = limits.streamsIn
        result.outboundStreamsPerPeer = limits.streamsOut
        result.upgradeTimeout = limits.upgradeTimeout
        result.negotiationTimeout = limits.negotiationTimeout
        result.unreadTotal = limits.memory / 4
        result.windowBudget = limits.memory / 3
        return result
    }

    /// The key of a private network: of the named file, else of `swarm.key` in the repo, if it is there.
    func privateNetworkKey() throws -> PrivateNetworkKey? {
        let named = network.swarmKeyFile
        let path = named.isEmpty ? repository + "/swarm.key" : named
        if named.isEmpty, !FileManager.default.fileExists(atPath: path) {
            // Someone who demands a private network must not end up in the public one by a missing file.
            if ProcessInfo.processInfo.environment["LIBP2P_FORCE_PNET"] == "1" { throw NodeError.noSwarmKey(path) }
            return nil
        }
        guard let data = FileManager.default.contents(atPath: path) else { throw NodeError.noSwarmKey(path) }
        return try PrivateNetworkKey(file: [UInt8](data))
    }
}

extension PeerStoreBackend {
    /// Keeps what is known of peers in the repo.
    init(_ records: RecordStore) {
        let table = "peers"
        self.init(
            load: { ((try? records.all(in: table)) ?? []).map { ($0.key, $0.value) } },
            save: { entries in
                // What peers tell is a cache: losing it costs a dial, so trouble with the disk is not reported here.
                let kept = entries.compactMap { entry in
                    entry.value.map { RecordStore.Record(key: entry.key, value: $0) }
                }
                try? records.set(kept, in: table)
                for entry in entries where entry.value == nil { try? records.delete(entry.key, in: table) }
            })
    }
}
