import Catalog
import NIOCore
import PeerCrypto
import SansIO

/// Updates that are nothing but bytes: a header of a time, a number and filling, and a body.
struct SyncSample: Hashable {
    let time: UInt64
    let number: UInt64
    /// Bytes of the header and of the body.
    var sizes = (header: 24, body: 8)

    static func == (left: SyncSample, right: SyncSample) -> Bool {
        left.time == right.time && left.number == right.number
    }
    func hash(into hasher: inout Hasher) { hasher.combine(number) }

    var block: SyncBlock {
        var header = ByteBuffer(integer: time)
        header.writeInteger(number)
        header.writeRepeatingByte(7, count: sizes.header - 16)
        header.writeRepeatingByte(UInt8(truncatingIfNeeded: number), count: sizes.body)
        return SyncBlock(bytes: header, headerLength: sizes.header)
    }

    var key: UpdateKey { SyncSample.key(of: block) }

    static func key(of block: SyncBlock) -> UpdateKey {
        UpdateKey(
            time: time(of: block.header) ?? 0, digest: Digest32(ContentHash.sha256(block.header)) ?? Digest32.zero)
    }

    @Sendable static func time(of header: ByteBuffer) -> UInt64? {
        header.readableBytes < 16 ? nil : header.getInteger(at: header.readerIndex)
    }

    /// So many updates within `span` milliseconds.
    static func some(
        _ count: Int, span: UInt64 = 30_000_000_000, from start: UInt64 = 1_700_000_000_000,
        using generator: inout SeededGenerator
    ) -> [SyncSample] {
        (0..<count).map { _ in
            SyncSample(time: start + UInt64.random(in: 0..<max(1, span), using: &generator), number: generator.next())
        }
    }
}

/// What a node in a test keeps its updates in.
protocol SyncNode {
    var tree: SumTree { get }
    func answer(_ ids: [UpdateID]) -> SyncSession.Input
    /// Takes updates in; false when some are invalid.
    mutating func take(_ blocks: [SyncBlock]) -> Bool
}

/// A node's updates and the set of their keys.
struct SyncShelf: SyncNode {
    private(set) var tree = SumTree()
    private(set) var blocks: [UpdateID: SyncBlock] = [:]

    init(_ samples: some Sequence<SyncSample> = []) {
        for sample in samples { add(sample.block) }
    }

    init(tree: SumTree) { self.tree = tree }

    mutating func add(_ block: SyncBlock) {
        let key = SyncSample.key(of: block)
        tree.insert(key)
        blocks[key.digest] = block
    }

    func answer(_ ids: [UpdateID]) -> SyncSession.Input { .blocks(ids.map { blocks[$0] }) }

    mutating func take(_ blocks: [SyncBlock]) -> Bool {
        for block in blocks { add(block) }
        return true
    }

    /// Forgets the update but not that it exists.
    mutating func drop(_ key: UpdateKey) { blocks[key.digest] = nil }
    mutating func forget(_ key: UpdateKey) {
        blocks[key.digest] = nil
        tree.remove(key)
    }
}

/// Two nodes and a session between them, as the shells would drive it: bytes arrive cut anywhere.
struct SyncPair<Node: SyncNode> {
    var shelves: [Node]
    var sessions: [SyncSession]
    var outcomes: [SyncOutcome?] = [nil, nil]
    /// Every key as it arrived.
    var arrived: [[UpdateKey]] = [[], []]
    var now = Instant(nanoseconds: 1_000_000_000)
    private(set) var frames = 0
    private let time: @Sendable (ByteBuffer) -> UInt64?
    private var pipes: [ByteBuffer] = [ByteBuffer(), ByteBuffer()]
    private var generator: SeededGenerator

    init(
        _ one: Node, _ other: Node, seed: UInt64, opening: SyncSession.Opening = .compare,
        limits: SyncLimits = SyncLimits(), time: @escaping @Sendable (ByteBuffer) -> UInt64? = SyncSample.time
    ) {
        shelves = [one, other]
        self.time = time
        generator = SeededGenerator(seed: seed)
        var answering = SyncSession.Opening.compare
        if case .ask = opening { answering = .ask([]) }
        sessions = [
            SyncSession(
                role: .initiator, opening: opening, limits: limits, generator: generator.split(),
                time: time),
            SyncSession(
                role: .responder, opening: answering, limits: limits, generator: generator.split(),
                time: time),
        ]
    }

    var isEqual: Bool { shelves[0].tree.digest == shelves[1].tree.digest }

    /// Runs until nothing moves, or until `limit` pieces were delivered.
    mutating func run(limit: Int = .max) {
        feed(0, .open)
        var steps = 0
        while steps < limit, let end = [0, 1].first(where: { pipes[$0].readableBytes > 0 }) {
            steps += 1
            let whole = pipes[end].readableBytes
            let size = Bool.random(using: &generator) ? whole : Int.random(in: 1...whole, using: &generator)
            guard let piece = pipes[end].readSlice(length: size) else { return }
            if pipes[end].readableBytes == 0 { pipes[end] = ByteBuffer() }
            feed(end, .received(piece))
            if pipes[end].readableBytes == 0 { feed(1 - end, .drained) }
        }
    }

    mutating func feed(_ end: Int, _ input: SyncSession.Input) {
        var effects: [SyncSession.Effect] = []
        sessions[end].handle(input, set: shelves[end].tree, now: now, into: &effects)
        for effect in effects {
            switch effect {
            case .send(var bytes):
                frames += 1
                pipes[1 - end].writeBuffer(&bytes)
            case .read(let ids): feed(end, shelves[end].answer(ids))
            case .store(let blocks):
                arrived[end] += blocks.map { block in
                    UpdateKey(
                        time: time(block.header) ?? 0,
                        digest: Digest32(ContentHash.sha256(block.header)) ?? Digest32.zero)
                }
                if !shelves[end].take(blocks) { feed(end, .invalid) }
            case .finished(let outcome): outcomes[end] = outcome
            }
        }
    }
}
