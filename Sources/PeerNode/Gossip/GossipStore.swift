import DHT
import Multiformats
import NIOCore
import NIOPosix
import Storage
import Synchronization

/// The numbers of messages that must survive a restart: our own, and the largest that was seen of each author.
///
/// Peers drop a message whose number does not grow, and so do we: forgetting them would mute us after a clock that
/// went back, and would let old messages of others come again.
final class GossipStore: Sendable {
    /// What was there when the node was opened.
    struct Saved: Sendable {
        /// Our own messages get greater numbers.
        var sequence: UInt64 = 0
        /// The largest number of each author; those heard last at the end.
        var authors: [(author: PeerID, number: UInt64)] = []
    }

    private struct State {
        var waiting: [PeerID: UInt64] = [:]
        var isScheduled = false
        /// Entries written since the table was last cut to size.
        var written = 0
    }

    /// Numbers set aside on the disk at once, so that publishing does not wait for it.
    static let stride: UInt64 = 1 << 20
    /// Changes are gathered for so long.
    private static let delay = TimeAmount.seconds(1)
    private static let table = "gossip.authors"
    private static let ownTable = "gossip.own"
    private static let ownKey = Array("sequence".utf8)

    private let records: RecordStore
    private let plane: ControlPlane
    /// Authors that are remembered.
    private let capacity: Int
    private let state = Mutex(State())
    /// Held while changes are written, so that later ones do not overtake them.
    private let order = Mutex(())

    init(_ records: RecordStore, capacity: Int, plane: ControlPlane) {
        self.records = records
        self.capacity = capacity
        self.plane = plane
    }

    /// Reads everything, and sets numbers aside for this run. May block.
    ///
    /// Numbers begin with the nanoseconds since 1970, as those of other programs do, so that they grow even when
    /// what was stored is lost.
    func load() -> Saved {
        let (now, _) = KadTime.now().milliseconds.multipliedReportingOverflow(by: 1_000_000)
        let stored = ((try? records.get(Self.ownKey, in: Self.ownTable)) ?? nil).flatMap(Self.number) ?? 0
        var saved = Saved(sequence: max(now, stored))
        reserve(from: saved.sequence)
        let authors = readAuthors()
        saved.authors = authors.sorted { $0.heard < $1.heard }.suffix(capacity).map { ($0.author, $0.number) }
        trim(authors)
        return saved
    }

    /// Makes sure that the next run begins above `sequence` and the stride behind it. May block.
    func reserve(from sequence: UInt64) {
        var value = ByteBuffer()
        value.writeInteger(sequence &+ Self.stride)
        // Without it the clock alone keeps numbers growing, which it does unless it is set back.
        try? records.set(Array(value.readableBytesView), for: Self.ownKey, in: Self.ownTable, durable: true)
    }

    /// Takes in the largest number of an author; it is written soon.
    func note(_ author: PeerID, _ number: UInt64) {
        let isFirst = state.withLock { state in
            state.waiting[author] = number
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        guard isFirst else { return }
        plane.controlLoop.scheduleTask(in: Self.delay) { self.plane.pool.submit { _ in self.flush() } }
    }

    /// Writes what waits. May block.
    func flush() { order.withLock { _ in writeWaiting() } }

    private func writeWaiting() {
        let (waiting, isFull) = state.withLock { state in
            let waiting = state.waiting
            state.waiting = [:]
            state.isScheduled = false
            state.written += waiting.count
            let isFull = state.written >= capacity
            if isFull { state.written = 0 }
            return (waiting, isFull)
        }
        guard !waiting.isEmpty else { return }
        let heard = KadTime.now().milliseconds
        // Losing them lets old messages through for a moment, no more.
        try? records.set(
            waiting.map { RecordStore.Record(key: $0.key.bytes, value: Entry.value($0.value, heard: heard)) },
            in: Self.table)
        if isFull { trim(readAuthors()) }
    }

    private func readAuthors() -> [Entry] {
        ((try? records.all(in: Self.table)) ?? []).compactMap { record in
            (try? PeerID(record.key)).flatMap { Entry($0, record.value) }
        }
    }

    /// Forgets the authors that were not heard for longest, when there are more than are remembered.
    private func trim(_ authors: [Entry]) {
        guard authors.count > capacity else { return }
        let old = authors.sorted { $0.heard < $1.heard }.prefix(authors.count - capacity)
        // One transaction marks them as expired, another removes them.
        try? records.set(
            old.map { RecordStore.Record(key: $0.author.bytes, value: [], expires: 1) }, in: Self.table)
        _ = try? records.deleteExpired()
    }

    // MARK: Saved forms

    private static func number(_ bytes: [UInt8]) -> UInt64? {
        ByteBuffer(bytes: bytes).getInteger(at: 0)
    }

    /// Sixteen bytes: the number, and when it was heard in milliseconds since 1970; the most significant first.
    private struct Entry {
        let author: PeerID
        let number: UInt64
        let heard: UInt64

        init?(_ author: PeerID, _ value: [UInt8]) {
            var buffer = ByteBuffer(bytes: value)
            guard let (number, heard) = buffer.readMultipleIntegers(as: (UInt64, UInt64).self) else { return nil }
            self.author = author
            self.number = number
            self.heard = heard
        }

        static func value(_ number: UInt64, heard: UInt64) -> [UInt8] {
            var buffer = ByteBuffer()
            buffer.writeMultipleIntegers(number, heard)
            return Array(buffer.readableBytesView)
        }
    }
}
