package import Multiformats
package import NIOCore

/// Every block under some roots, each once, parents before children and links in order, with a window of
/// blocks fetched ahead.
///
/// The order is that of a depth-first walk, which is the order of Kubo's CAR exports. What was visited is
/// remembered by multihash, about 100 bytes each; `maximumBlocks` bounds that.
package struct DAGWalker: AsyncSequence, Sendable {
    package struct Element: Sendable {
        package let cid: CID
        /// The block's bytes; `nil` for a block without links when leaves are not fetched.
        package let data: ByteBuffer?
        /// The CIDs that it links to, in order, repeated ones too.
        package let links: [CID]
    }

    private let roots: [CID]
    private let fetchesLeaves: Bool
    private let maximumBlocks: Int
    private let window: Int
    private let get: BlockGet

    /// - Parameter fetchesLeaves: when false, blocks whose codec has no links are named without being fetched.
    package init(
        roots: [CID], fetchesLeaves: Bool = true, maximumBlocks: Int = 50_000_000, window: Int = 16,
        get: @escaping BlockGet
    ) {
        self.roots = roots
        self.fetchesLeaves = fetchesLeaves
        self.maximumBlocks = maximumBlocks
        self.window = window
        self.get = get
    }

    package func makeAsyncIterator() -> Iterator {
        let fetchesLeaves = fetchesLeaves
        @Sendable func visit(_ cid: CID) -> OrderedFetch<Bool, Element>.Visit {
            let fetches = fetchesLeaves || Links.canHaveLinks(cid.codec)
            return .init(cid: cid, item: fetches, fetches: fetches)
        }
        let fetch = OrderedFetch<Bool, Element>(
            roots.map(visit), window: window, visitsOnce: true, seenLimit: maximumBlocks, get: get
        ) { visited, data in
            let links = try Links.of(visited.cid, data, isFetched: visited.item)
            let element = Element(cid: visited.cid, data: visited.item ? data : nil, links: links)
            return .init(output: element, children: links.map(visit))
        }
        return Iterator(fetch)
    }

    /// Ends its fetches when it goes.
    package final class Iterator: AsyncIteratorProtocol {
        private let fetch: OrderedFetch<Bool, Element>

        fileprivate init(_ fetch: OrderedFetch<Bool, Element>) { self.fetch = fetch }

        deinit { fetch.cancel() }

        package func next() async throws -> Element? { try await fetch.next() }
    }
}

extension Links {
    fileprivate static func of(_ cid: CID, _ block: ByteBuffer, isFetched: Bool) throws(DAGReadError) -> [CID] {
        isFetched ? try of(cid, block) : []
    }
}
