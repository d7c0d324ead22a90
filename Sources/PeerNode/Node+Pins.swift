import DHT
import MerkleDAG
package import Multiformats
import NIOCore
package import Storage

/// How far a long operation is.
package struct Progress: Sendable {
    /// Blocks seen so far.
    package var blocks = 0
    /// Their bytes.
    package var bytes = 0
    /// Of these, what came from peers.
    package var fetchedBytes = 0
}

extension Node {
    /// How many blocks of one DAG are asked for at once. Deep enough to fill a fast link with 256 KiB
    /// blocks, small enough that 1 MiB blocks stay within the memory a transfer may take.
    static let walkWindow = 32

    /// Keeps `cid`, and with `recursive` everything below it, until it is unpinned. What is missing is fetched first.
    ///
    /// Returns what the walk saw. Throws when a block cannot be had; then nothing is pinned, and what was fetched
    /// stays as unpinned content.
    @discardableResult
    package func pin(
        _ cid: CID, recursive: Bool, name: String = "", timeout: Duration? = nil,
        progress: @escaping @Sendable (Progress) -> Void = { _ in }
    ) async throws -> Progress {
        let session = fetchSession(timeout: timeout, keeps: true)
        defer { session.close() }
        var seen = Progress()
        func visit(_ bytes: Int) {
            seen.blocks += 1
            seen.bytes += bytes
            seen.fetchedBytes = session.received.bytes
            progress(seen)
        }
        if recursive {
            let walk = DAGWalker(roots: [cid], window: Node.walkWindow) { try await session.get($0) }
            for try await element in walk { visit(element.data?.readableBytes ?? 0) }
        } else {
            visit(try await session.get(cid).readableBytes)
        }
        // Content first, then the promise to keep it.
        try await session.sync()
        let blocks = blocks
        try await plane.blocking { try blocks.pin(cid, kind: recursive ? .recursive : .direct, name: name) }
        await provideRoot(cid)
        return seen
    }

    /// Gives up the pin on `cid`. Throws `NodeError.notPinned` where there is none.
    package func unpin(_ cid: CID) async throws {
        let blocks = blocks
        let removed = try await plane.blocking { try blocks.unpin(cid) }
        guard removed else { throw NodeError.notPinned(cid) }
        // By the strategy `all` it is provided as long as it is here.
        if configuration.provide.strategy != ProvideStrategy.all.rawValue, let routing = try? routing(for: "providing")
        {
            await routing.provider.withdraw([cid.multihash])
        }
    }

    /// All pins, or those of one kind.
    package func pins(_ kind: PinKind? = nil) async throws -> [Pin] {
        let blocks = blocks
        return try await plane.blocking { try blocks.pins(kind: kind) }
    }

    /// Every CID below the recursive pins, the roots left out: what is kept because something else is.
    package func indirectPins() async throws -> [CID] {
        var seen: Set<Multihash> = []
        var result: [CID] = []
        let session = FetchSession(blocks: blocks, plane: plane, exchange: nil, timeout: .zero, keeps: false)
        defer { session.close() }
        for pin in try await pins(.recursive) {
            let walk = DAGWalker(roots: [pin.cid], fetchesLeaves: false, window: 4) { try await session.get($0) }
            for try await element in walk where element.cid != pin.cid {
                if seen.insert(element.cid.multihash).inserted { result.append(element.cid) }
            }
        }
        return result
    }
}
