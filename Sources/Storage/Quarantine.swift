import GRDB
package import Multiformats
import Synchronization

/// A block whose bytes were found damaged: kept out of everything until good ones come.
package struct QuarantinedBlock: Hashable, Sendable {
    /// The CID with the raw codec; the store knows only the hash.
    package var cid: CID
    package var length: Int
    /// How the damage showed.
    package var reason: String
    /// When, in seconds since 1970.
    package var found: UInt32
}

extension Blockstore {
    /// The blocks that were found damaged and not replaced yet. Putting a block again takes it off the list.
    package func quarantined() throws(RepositoryError) -> [QuarantinedBlock] {
        try index.database.read { database in
            try Row.fetchAll(database, sql: "SELECT hash, length, reason, found FROM quarantine ORDER BY found, hash")
                .compactMap { row in
                    let hash: Blob = row[0]
                    guard let multihash = try? Multihash(hash.bytes) else { return nil }
                    return QuarantinedBlock(
                        cid: CID(codec: .raw, multihash: multihash), length: row[1], reason: row[2], found: row[3])
                }
        }
    }

    /// Puts a good copy of a quarantined block back, durably; the data is checked first.
    package func restore(_ block: Block) throws(RepositoryError) {
        try put(verifying: [block])
        try sync()
    }

    /// Reads quarantined blocks once more and takes back those that are whole (a cable that was loose, a disk
    /// that had dropped out); returns them.
    package func reexamineQuarantine() throws(RepositoryError) -> [CID] {
        var healed: [CID] = []
        let rows = try index.database.read { database in
            try Row.fetchAll(database, sql: "SELECT hash, pack, offset, length FROM quarantine")
        }
        for row in rows {
            let hash: Blob = row[0]
            let place = Location(pack: row[1], offset: row[2], length: row[3])
            guard let multihash = try? Multihash(hash.bytes), let file = try packs.file(place.pack),
                case .block(let data, let added) = file.read(place, multihash: hash.bytes),
                BlockHash.matches(data, multihash) != false
            else { continue }
            try index.database.durably { database in
                try database.execute(sql: "DELETE FROM quarantine WHERE hash = ?", arguments: [hash])
                guard try BlockIndex.find(hash.bytes, in: database) == nil else { return }
                let epoch = writer.state.withLock { $0.pending.epoch }
                var commit = IndexCommit(epoch: epoch, now: options.now())
                commit.blocks = [(hash.bytes, IndexRow(location: place, added: added, epoch: epoch))]
                try BlockIndex.apply(commit, in: database)
            }
            healed.append(CID(codec: .raw, multihash: multihash))
        }
        return healed
    }

    /// Takes a damaged block out of the index, unless it has moved meanwhile.
    func quarantine(_ multihash: Multihash, at location: Location, reason: String) throws(RepositoryError) {
        writer.state.withLock { $0.pending.drop(multihash, at: location) }
        let hash = multihash.bytes
        let now = options.now()
        try index.database.durably { database in
            if let row = try BlockIndex.find(hash, in: database) {
                guard row.location == location else { return }
                try database.execute(sql: "DELETE FROM blocks WHERE hash = ?", arguments: [Blob(hash)])
                try BlockIndex.adjust([location.pack: (-1, -location.length)], in: database)
            }
            try database.execute(
                sql: """
                    INSERT OR REPLACE INTO quarantine (hash, pack, offset, length, reason, found)
                    VALUES (?, ?, ?, ?, ?, ?)
                    """, arguments: [Blob(hash), Int64(location.pack), location.offset, location.length, reason, now])
        }
    }
}
