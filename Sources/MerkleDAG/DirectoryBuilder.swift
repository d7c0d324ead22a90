package import Multiformats
import NIOCore

/// Builds a folder's blocks from its entries: one block while it is small, a tree of shards above the
/// profile's threshold.
///
/// Entries may come in any order; the result depends on the set alone. About 100 bytes are kept for each
/// entry, and blocks are handed out as they are made, with one open shard per level.
package struct DirectoryBuilder: Sendable {
    struct Entry: Sendable {
        var hash: UInt64
        var link: DagPB.Link
    }

    private let maker: NodeMaker
    private var entries: [Entry] = []
    /// What the profile's rule has counted so far.
    private var measured: Int

    /// Throws when the profile cannot work.
    package init(profile: ImportProfile = .v1_2025) throws(ImportError) {
        try profile.validate()
        self.init(maker: NodeMaker(profile: profile))
    }

    init(maker: NodeMaker) {
        self.maker = maker
        // The exact rule counts the block's own data, `0a 02 08 01`.
        measured = maker.profile.shardingRule == .block ? 4 : 0
    }

    /// The number of entries so far.
    package var count: Int { entries.count }

    /// Adds an entry. `tsize` is what the entry's DAG takes in all, as `ImportedNode` says.
    ///
    /// Errors: names that are empty, `.`, `..`, or hold a slash or a zero byte.
    package mutating func add(name: [UInt8], cid: CID, tsize: UInt64) throws(ImportError) {
        guard EntryName.isComponent(name) else { throw .invalidName(String(decoding: name, as: UTF8.self)) }
        let link = DagPB.Link(cid: cid, name: name, tsize: tsize)
        switch maker.profile.shardingRule {
        case .links: measured += name.count + cid.byteCount
        case .block: measured += link.encodedLength
        }
        entries.append(Entry(hash: HAMTShard.hash(of: name), link: link))
    }

    package mutating func add(name: [UInt8], _ node: ImportedNode) throws(ImportError) {
        try add(name: name, cid: node.cid, tsize: node.tsize)
    }

    /// Makes the folder, handing its blocks to `sink`, children before parents.
    package consuming func finish(into sink: BlockSink) async throws -> ImportedNode {
        try checkUnique()
        guard let threshold = maker.profile.shardingThreshold, measured > threshold else {
            let node = DagPB.Node(links: entries.map(\.link), data: UnixFS(.directory).encoded())
            let (block, made) = try maker.block(node, fileSize: 0)
            guard block.data.readableBytes <= Block.maximumLength else {
                throw ImportError.folderTooLarge("\(entries.count) entries need more than one block")
            }
            try await sink.append(block)
            return made
        }
        entries.sort { $0.hash < $1.hash }
        return try await shard(entries[...], depth: 0, into: sink)
    }

    /// Makes the folder and stores its blocks.
    package consuming func finish(put: @escaping BlockPut) async throws -> ImportedNode {
        let sink = BlockSink(put: put)
        do {
            let node = try await finish(into: sink)
            try await sink.finish()
            return node
        } catch {
            await sink.abandon()
            throw error
        }
    }

    private mutating func checkUnique() throws(ImportError) {
        entries.sort { ($0.link.name ?? []).lexicographicallyPrecedes($1.link.name ?? []) }
        for (left, right) in zip(entries, entries.dropFirst()) where left.link.name == right.link.name {
            throw .duplicateName(left.link.nameText)
        }
    }

    /// Makes the shard of `entries`, sorted by hash, whose hashes agree in the bits above `depth`.
    private func shard(
        _ entries: ArraySlice<Entry>, depth: Int, into sink: BlockSink
    ) async throws -> ImportedNode {
        let fanout = maker.profile.fanout
        let digits = HAMTShard.prefixLength(fanout: fanout)
        var links: [DagPB.Link] = []
        var bitmap = [UInt8](repeating: 0, count: fanout / 8)
        var start = entries.startIndex
        while start < entries.endIndex {
            guard let number = HAMTShard.slotNumber(of: entries[start].hash, depth: depth, fanout: fanout) else {
                throw ImportError.folderTooLarge("two names have the same 64-bit hash")
            }
            var end = start + 1
            while end < entries.endIndex,
                HAMTShard.slotNumber(of: entries[end].hash, depth: depth, fanout: fanout) == number
            {
                end += 1
            }
            let prefix = HAMTShard.prefix(number, length: digits)
            if end == start + 1 {
                var link = entries[start].link
                link.name = prefix + (link.name ?? [])
                links.append(link)
            } else {
                let child = try await shard(entries[start..<end], depth: depth + 1, into: sink)
                links.append(DagPB.Link(cid: child.cid, name: prefix, tsize: child.tsize))
            }
            bitmap[bitmap.count - 1 - number / 8] |= 1 << (number % 8)
            start = end
        }
        var message = UnixFS(.hamtShard, data: ByteBuffer(bytes: bitmap.drop { $0 == 0 }))
        message.hashType = HashCode.murmur3_x64_64.rawValue
        message.fanout = UInt64(fanout)
        let (block, node) = try maker.block(DagPB.Node(links: links, data: message.encoded()), fileSize: 0)
        try await sink.append(block)
        return node
    }
}
