import Catalog
import Multiformats
import NIOCore
import SansIO
import Testing

/// A node with some updates and a stranger at the other end of the stream.
struct SyncVictim {
    var session: SyncSession
    var shelf: SyncShelf
    var now = Instant(nanoseconds: 1_000_000_000)
    var outcome: SyncOutcome?
    var sent = ByteBuffer()
    var stored = 0
    /// Answers to `read` are given at once.
    var reads = true

    init(_ role: SyncSession.Role, count: Int = 2_000, limits: SyncLimits = SyncLimits()) {
        var generator = SeededGenerator(seed: 8)
        shelf = SyncShelf(SyncSample.some(count, using: &generator))
        session = SyncSession(role: role, limits: limits, generator: generator, time: SyncSample.time)
        if role == .initiator { feed(.open) } else { send(1, [0, 0, 0, 0, 0, 0, 0, 9, 0]) }
    }

    var fault: SyncFault? {
        if case .failed(let fault)? = outcome?.result { fault } else { nil }
    }

    mutating func feed(_ input: SyncSession.Input) {
        var effects: [SyncSession.Effect] = []
        session.handle(input, set: shelf.tree, now: now, into: &effects)
        perform(effects)
    }

    mutating func pass(_ time: Duration) {
        now = now + time
        var effects: [SyncSession.Effect] = []
        session.tick(now: now, into: &effects)
        perform(effects)
    }

    private mutating func perform(_ effects: [SyncSession.Effect]) {
        for effect in effects {
            switch effect {
            case .send(var bytes): sent.writeBuffer(&bytes)
            case .read(let keys): if reads { feed(.blocks(keys.map { shelf.blocks[$0] })) }
            case .store(let blocks):
                stored += blocks.count
                for block in blocks { shelf.add(block) }
            case .finished(let outcome):
                #expect(self.outcome == nil, "it ends once")
                self.outcome = outcome
            }
        }
    }

    /// The stranger sends a frame.
    mutating func send(_ type: UInt8, _ payload: [UInt8] = []) {
        feed(.received(ByteBuffer(bytes: Varint.bytes(UInt64(payload.count + 1)) + [type] + payload)))
    }

    /// It lists nothing of everything: the comparing is over.
    mutating func stopComparing() { send(3) }

    mutating func send(_ samples: [SyncSample]) {
        send(5, samples.flatMap { SyncVictim.bytes(of: $0.block) })
    }

    // MARK: Bytes

    static func bytes(of block: SyncBlock) -> [UInt8] {
        Varint.bytes(UInt64(block.headerLength)) + Varint.bytes(UInt64(block.size - block.headerLength))
            + Array(block.bytes.readableBytesView)
    }

    /// A range up to the end of all keys, of a mode.
    static func toTheEnd(_ mode: UInt8, _ rest: [UInt8] = []) -> [UInt8] { [mode << 6, 0] + rest }
    static let lie: [UInt8] = [0xde, 0xad, 0, 0, 0, 0, 0xbe, 0xef]

    static func list(_ samples: [SyncSample]) -> [UInt8] {
        let keys = samples.map(\.key).sorted()
        var bytes = Varint.bytes(UInt64(keys.count))
        var time: UInt64 = 0
        for key in keys {
            bytes += Varint.bytes(key.time - time) + key.digest.bytes.prefix(16)
            time = key.time
        }
        return bytes
    }

    static func others(_ count: Int, seed: UInt64 = 99) -> [SyncSample] {
        var generator = SeededGenerator(seed: seed)
        return SyncSample.some(count, using: &generator)
    }
}

extension SyncSample {
    /// So many, always the same.
    static func some(_ count: Int) -> [SyncSample] {
        var generator = SeededGenerator(seed: 8)
        return some(count, using: &generator)
    }
}
