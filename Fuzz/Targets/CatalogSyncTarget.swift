import Catalog
import Multiformats
import NIOCore
import PeerCrypto
import SansIO

extension FuzzTarget {
    /// Sessions of the catalog with a stranger at the other end, and with a middleman between two honest ends.
    static let catalogSync: [FuzzTarget] = [
        FuzzTarget("catalog-sync", maximumLength: 4096) { input in
            var rest = ByteBuffer(bytes: input)
            guard let first: UInt8 = rest.readInteger() else { return }
            var stranger = FuzzedSync(kind: first)
            var steps = 0
            while let step: UInt8 = rest.readInteger(), steps < 128 {
                steps += 1
                stranger.play(step, &rest)
            }
            stranger.end()
        }
    ]
}

/// Two ends of a session that a middleman can cut, change and add to.
private struct FuzzedSync {
    private static let updates = (0..<60).map { number -> SyncBlock in
        var bytes = ByteBuffer(integer: UInt64(1_000 + number / 3))
        bytes.writeInteger(UInt64(number))
        bytes.writeRepeatingByte(UInt8(number), count: number)
        return SyncBlock(bytes: bytes, headerLength: 16)
    }

    private struct End {
        var session: SyncSession
        var set: SumTree
        var known: [UpdateID: SyncBlock]
        var incoming = ByteBuffer()
        var isOver = false
    }

    private var ends: [End] = []
    private var now = Instant(nanoseconds: 1_000_000_000)
    private let limits: SyncLimits

    init(kind: UInt8) {
        var limits = SyncLimits()
        limits.ranges = 500
        limits.ids = 500
        limits.wanted = 100
        limits.rangesInMessage = 200
        limits.useless = 30
        limits.absent = 20
        limits.receivedBytes = 8_000
        limits.sentBytes = kind & 1 == 0 ? 4_000 : 500
        limits.cuts = 1 + Int(kind >> 5)
        self.limits = limits
        let names = FuzzedSync.updates.prefix(40).map { FuzzedSync.key(of: $0).digest }
        let openings: [SyncSession.Opening] =
            switch kind & 6 {
            case 0, 2: [.compare, .compare]
            case 4: [.everything(from: FuzzedSync.key(of: FuzzedSync.updates[20])), .compare]
            default: [.ask(names), .ask([])]
            }
        for index in 0..<2 {
            let session = SyncSession(
                role: index == 0 ? .initiator : .responder, opening: openings[index], limits: limits,
                generator: SeededGenerator(seed: UInt64(kind)), time: FuzzedSync.time)
            let blocks = FuzzedSync.updates.enumerated().filter { $0.offset % 5 != index * 2 }.map(\.element)
            let keys = blocks.map(FuzzedSync.key)
            let known = Dictionary(zip(keys.map(\.digest), blocks)) { first, _ in first }
            ends.append(End(session: session, set: SumTree(keys), known: known))
        }
        feed(0, .open)
    }

    @Sendable private static func time(of header: ByteBuffer) -> UInt64? {
        header.readableBytes == 16 ? header.getInteger(at: header.readerIndex) : nil
    }

    private static func key(of block: SyncBlock) -> UpdateKey {
        UpdateKey(
            time: time(of: block.header) ?? 0, digest: Digest32(ContentHash.sha256(block.header)) ?? Digest32.zero)
    }

    mutating func play(_ step: UInt8, _ rest: inout ByteBuffer) {
        let end = Int(step & 1)
        let choice = Int(step >> 4)
        switch (step >> 1) & 7 {
        case 0, 1: deliver(end, ends[end].incoming.readableBytes)
        case 2: deliver(end, choice + 1)
        case 3: change(end, &rest)
        case 4:
            now = now + .seconds(choice)
            var effects: [SyncSession.Effect] = []
            ends[end].session.tick(now: now, into: &effects)
            perform(end, effects)
        case 5: feed(end, [.drained, .invalid, .closed, .unreadable, .blocks([]), .blocks([nil])][choice % 6])
        case 6:
            // A whole frame of the stranger's own.
            let length = Int(rest.readInteger(as: UInt8.self) ?? 0)
            guard let payload = rest.readSlice(length: min(length, rest.readableBytes)) else { return }
            var frame = ByteBuffer(bytes: Varint.bytes(UInt64(payload.readableBytes + 1)))
            frame.writeInteger(UInt8(choice))
            frame.writeImmutableBuffer(payload)
            feed(end, .received(frame))
        default:
            guard let bytes = rest.readSlice(length: min(choice, rest.readableBytes)) else { return }
            feed(end, .received(bytes))
        }
        check()
    }

    /// Left to themselves, both ends come to an end.
    mutating func end() {
        for _ in 0..<200 {
            for end in 0...1 { deliver(end, ends[end].incoming.readableBytes) }
            check()
        }
        now = now + .seconds(4_000)
        for end in 0...1 {
            var effects: [SyncSession.Effect] = []
            ends[end].session.tick(now: now, into: &effects)
            perform(end, effects)
            agree(ends[end].isOver || ends[end].session.figures.bytesReceived == 0, "a session without end")
            agree(!ends[end].isOver || ends[end].session.deadline == nil, "a deadline after the end")
        }
    }

    private func check() {
        for end in ends {
            let figures = end.session.figures
            agree(figures.ranges <= limits.ranges + 1 && figures.ids <= limits.ids + 1_024, "ranges and ids")
            agree(figures.rounds <= limits.rounds + 1, "rounds")
            agree(figures.updatesSent <= 60, "an update twice")
        }
    }

    private mutating func deliver(_ end: Int, _ count: Int) {
        let length = min(count, ends[end].incoming.readableBytes)
        guard length > 0, let bytes = ends[end].incoming.readSlice(length: length) else { return }
        feed(end, .received(bytes))
        feed(1 - end, .drained)
    }

    private mutating func change(_ end: Int, _ rest: inout ByteBuffer) {
        guard let place: UInt16 = rest.readInteger(), let change: UInt8 = rest.readInteger(),
            ends[end].incoming.readableBytes > 0
        else { return }
        let index = ends[end].incoming.readerIndex + Int(place) % ends[end].incoming.readableBytes
        if let old: UInt8 = ends[end].incoming.getInteger(at: index) {
            ends[end].incoming.setInteger(old ^ change, at: index)
        }
    }

    private mutating func feed(_ end: Int, _ input: SyncSession.Input) {
        var effects: [SyncSession.Effect] = []
        let set = ends[end].set
        ends[end].session.handle(input, set: set, now: now, into: &effects)
        perform(end, effects)
    }

    private mutating func perform(_ end: Int, _ effects: [SyncSession.Effect]) {
        for effect in effects {
            agree(!ends[end].isOver, "something after the end")
            switch effect {
            case .send(let bytes):
                agree(bytes.readableBytes <= SyncLimits.frameLength + 4, "a frame that is too long")
                if ends[1 - end].incoming.readableBytes < 1 << 20 { ends[1 - end].incoming.writeImmutableBuffer(bytes) }
            case .read(let names):
                agree(names.count <= limits.readAtOnce, "too much is read")
                feed(end, .blocks(names.map { ends[end].known[$0] }))
            case .store(let blocks):
                for block in blocks {
                    let key = FuzzedSync.key(of: block)
                    ends[end].set.insert(key)
                    ends[end].known[key.digest] = block
                }
            case .finished: ends[end].isOver = true
            }
        }
    }
}
