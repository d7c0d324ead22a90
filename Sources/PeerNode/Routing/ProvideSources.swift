import DHT
import MerkleDAG
import Multiformats
import NIOCore
import Storage

/// What of the store is to be provided, by strategy.
struct ProvideSources: Sendable {
    let blocks: Blockstore
    let strategy: ProvideStrategy

    /// Keys that are handed over together.
    private static let page = 1000

    /// Gives what is not among `known` yet, and of `known` what is to be provided no longer: blocks that are gone,
    /// and what no pin holds any more. May block for long.
    ///
    /// What was asked for by name stays as long as it is here, pinned or not.
    func changes(
        since known: [ProvideRecord], new: ([Multihash]) -> Void, gone: ([Multihash]) -> Void
    ) throws {
        var left: [Multihash: Bool] = [:]
        for record in known { left[record.key] = record.isUrgent }
        var page: [Multihash] = []
        func note(_ key: Multihash) {
            if left.removeValue(forKey: key) != nil { return }
            page.append(key)
            guard page.count >= Self.page else { return }
            new(page)
            page.removeAll(keepingCapacity: true)
        }
        switch strategy {
        case .roots: for pin in try blocks.pins() { note(pin.cid.multihash) }
        case .pinned: try pinned(note)
        case .all: try blocks.allBlocks { for cid in $0 { note(cid.multihash) } }
        }
        if !page.isEmpty { new(page) }
        var lost: [Multihash] = []
        for (key, isNamed) in left {
            let isHere = try blocks.has(CID(codec: .raw, multihash: key))
            if !isHere || !isNamed { lost.append(key) }
        }
        if !lost.isEmpty { gone(lost) }
    }

    /// Everything below the pins that is here, each once.
    private func pinned(_ note: (Multihash) -> Void) throws {
        var seen: Set<Multihash> = []
        for pin in try blocks.pins() {
            var stack = [pin.cid]
            while let cid = stack.popLast() {
                guard seen.insert(cid.multihash).inserted else { continue }
                // A leaf has no links; whether it is here is all that counts.
                if cid.codec == .raw || pin.kind != .recursive {
                    if try blocks.has(cid) { note(cid.multihash) }
                    continue
                }
                guard let data = try blocks.get(cid) else { continue }
                note(cid.multihash)
                stack += (try? Links.of(cid, data)) ?? []
            }
        }
    }
}
