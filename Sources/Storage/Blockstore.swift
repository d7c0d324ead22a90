import Dispatch
import Foundation
import GRDB
package import Multiformats
package import NIOCore
import Synchronization

/// Blocks by multihash, kept so that they can be trusted for years.
///
/// Blocking and safe from any thread; reads run beside each other and beside everything else. Two CIDs with
/// one multihash are one block. Blocks of identity CIDs are never stored: their bytes are in the CID.
///
/// **What is promised.** A block is visible as soon as `put` returns and survives any crash, of the process or
/// of the machine, once a `sync` that began afterwards has returned; before that it may be lost, but never
/// half of it is served. A pin survives once `pin` returned. A block that is deleted or collected may come back
/// after a crash; one that is reachable from a pin, or held by a live `ImportLease`, is never collected.
/// Bytes are checked against a CRC32C at each read; a block that fails moves to the quarantine, with the
/// reason, and is then simply not there: it can be fetched and put again.
///
/// **Where things lie.** All blocks are records in packs (see `PackFormat`), small ones included: a record says
/// itself what it is, so the SQLite index can be lost whole and is built again from the packs. See `Recovery`.
package final class Blockstore: Sendable {
    let packs: Packs
    let index: BlockIndex
    let writer: BlockWriter
    let pinTable: PinTable
    let ballast: Ballast
    let options: RepositoryOptions
    /// Only one collection at a time.
    let collecting = NSLock()
    private let workers = DispatchQueue(label: "storage.work", attributes: .concurrent)

    init(
        packs: Packs, index: BlockIndex, writer: BlockWriter, pinTable: PinTable, ballast: Ballast,
        options: RepositoryOptions
    ) {
        self.packs = packs
        self.index = index
        self.writer = writer
        self.pinTable = pinTable
        self.ballast = ballast
        self.options = options
        workers.async { ballast.load() }
    }

    // MARK: Reading

    /// The block's bytes, checked; `nil` when it is not stored or has just been found damaged.
    ///
    /// Errors: the index or the disk cannot be read at all.
    package func get(_ cid: CID) throws(RepositoryError) -> ByteBuffer? {
        if cid.isIdentity { return ByteBuffer(bytes: cid.multihash.digest) }
        return try read(cid.multihash)
    }

    /// Whether the block is stored; a block that is damaged without anyone knowing yet counts as stored.
    package func has(_ cid: CID) throws(RepositoryError) -> Bool { try size(of: cid) != nil }

    /// The block's length in bytes; `nil` when it is not stored.
    package func size(of cid: CID) throws(RepositoryError) -> Int? {
        if cid.isIdentity { return cid.multihash.digestLength }
        return try locate(cid.multihash, cid.multihash.bytes)?.length
    }

    /// The lengths of many blocks, in their order; much cheaper than asking one by one.
    package func sizes(of cids: [CID]) throws(RepositoryError) -> [Int?] {
        var sizes = [Int?](repeating: nil, count: cids.count)
        var asked: [Int] = []
        writer.state.withLock { state in
            for (index, cid) in cids.enumerated() {
                if cid.isIdentity {
                    sizes[index] = cid.multihash.digestLength
                } else if let entry = state.pending.entries[cid.multihash] {
                    sizes[index] = entry.location.length
                } else {
                    asked.append(index)
                }
            }
        }
        if asked.isEmpty { return sizes }
        let rows = try index.find(asked.map { cids[$0].multihash.bytes })
        for (place, row) in zip(asked, rows) { sizes[place] = row?.location.length }
        return sizes
    }

    /// Reads and checks a block; a damaged one is quarantined.
    func read(_ multihash: Multihash) throws(RepositoryError) -> ByteBuffer? {
        let key = multihash.bytes
        var suspect: Location?
        while let location = try locate(multihash, key) {
            let outcome =
                try packs.file(location.pack)?.read(location, multihash: key) ?? .damaged("its pack is missing")
            switch outcome {
            case .block(let data, _): return data
            case .failed(let error): throw error
            case .damaged(let reason):
                // A collection may have moved or removed the block since we looked: then look again. Its row
                // changes before its bytes do, so the same answer twice means that the bytes are bad.
                if suspect == location {
                    try quarantine(multihash, at: location, reason: reason)
                    return nil
                }
                suspect = location
            }
        }
        return nil
    }

    func locate(_ multihash: Multihash, _ key: [UInt8]) throws(RepositoryError) -> Location? {
        if let entry = writer.state.withLock({ $0.pending.entries[multihash] }) { return entry.location }
        return try index.find(key)?.location
    }

    // MARK: Writing

    /// Stores blocks whose data is known to match; those already stored are only renewed.
    ///
    /// Visible at once, durable after `sync`. Pass the lease under which a DAG is written, so that it lives at
    /// least as long as the put. Errors: a block too large, disk full, the store stopped.
    package func put(_ blocks: [Block], lease: ImportLease? = nil) throws(RepositoryError) {
        try withExtendedLifetime(lease) { () throws(RepositoryError) in try writer.put(blocks) }
    }

    /// `put` for data that nobody has checked yet; nothing is stored when one block does not match.
    package func put(verifying blocks: [Block], lease: ImportLease? = nil) throws(RepositoryError) {
        for block in blocks {
            switch BlockHash.matches(block.data, block.cid.multihash) {
            case true?: continue
            case false?: throw .mismatch(block.cid.description)
            case nil: throw .unknownHash(block.cid.description)
            }
        }
        try put(blocks, lease: lease)
    }

    /// Returns when all that was put before is durable; concurrent callers share one group commit.
    package func sync() throws(RepositoryError) { try writer.sync() }

    /// `sync` without blocking the caller's thread.
    package func synced() async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            writer.sync { continuation.resume(with: $0.mapError { $0 as any Error }) }
        }
    }

    /// `put` and `sync` without blocking the caller's thread.
    package func putDurably(_ blocks: [Block], lease: ImportLease? = nil) async throws {
        try await detached { try self.put(blocks, lease: lease) }
        try await synced()
    }

    /// `get` on a thread of its own, for callers that must not block theirs.
    package func load(_ cid: CID) async throws -> ByteBuffer? { try await detached { try self.get(cid) } }

    /// Begins a time in which whatever is put or touched is not collected.
    package func lease() -> ImportLease { ImportLease(writer) }

    /// Holds blocks that are stored back from collection as if they had just been put; says for each whether it
    /// is stored. A block that is not is to be put (or fetched) by the caller.
    @discardableResult
    package func touch(_ cids: [CID]) throws(RepositoryError) -> [Bool] {
        let held = writer.state.withLock { state in
            cids.map { $0.isIdentity || state.pending.touch($0.multihash) }
        }
        let sizes = try sizes(of: cids)
        return zip(held, sizes).map { $0 && $1 != nil }
    }

    /// Deletes a block; `false` when it was not stored. Its space is given back at once where it can be.
    ///
    /// Errors: `pinned` when the CID itself is pinned. Whether a pinned DAG reaches it is for the caller to
    /// know; without the block that DAG is incomplete.
    @discardableResult
    package func delete(_ cid: CID) throws(RepositoryError) -> Bool {
        if try pinTable.kind(of: cid) != nil { throw .pinned(cid.description) }
        try sync()
        guard let row = try index.find(cid.multihash.bytes) else { return false }
        let removed = try remove([(cid.multihash, row.location)], olderThan: nil)
        return !removed.isEmpty
    }

    // MARK: All blocks

    /// The next blocks after `cursor` in the order of their keys, as version 1 CIDs with the raw codec (the
    /// store does not know codecs), and the cursor to go on with; an empty page is the end.
    package func page(after cursor: BlockCursor = BlockCursor(), limit: Int = 1000) throws(RepositoryError) -> (
        [CID], BlockCursor
    ) {
        let keys = try index.keys(after: cursor.key, limit: limit)
        let cids = keys.compactMap { try? Multihash($0) }.map { CID(codec: .raw, multihash: $0) }
        return (cids, BlockCursor(key: keys.last ?? cursor.key))
    }

    /// Calls `body` with all blocks, a page at a time; what is put meanwhile may or may not be among them.
    package func allBlocks(_ body: ([CID]) throws -> Void) throws {
        try sync()
        var cursor = BlockCursor()
        while true {
            let (cids, next) = try page(after: cursor)
            if next == cursor { return }
            try body(cids)
            cursor = next
        }
    }

    private func detached<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            workers.async { continuation.resume(with: Result { try body() }) }
        }
    }
}

/// A place in the order of all blocks; the empty one is before the first.
package struct BlockCursor: Hashable, Sendable {
    /// The key of the last block that was seen.
    package var key: [UInt8]
    package init(key: [UInt8] = []) { self.key = key }
}
