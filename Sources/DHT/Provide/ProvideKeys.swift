import Multiformats

/// One key that we provide.
struct ProvideEntry: Sendable {
    enum State: UInt8, Sendable {
        /// Announced; waits for its turn in the cycle.
        case resting
        case queued
        /// In the urgent queue.
        case urgent
        case working
        /// Failed; waits for its next try.
        case failing
    }

    let place: KadKey
    let key: Multihash
    /// Milliseconds since 1970; 0 for never.
    var lastProvided: UInt64 = 0
    var state = State.resting
    var isUrgent = false
    /// Failures since the last success.
    var failures: UInt8 = 0

    var record: ProvideRecord {
        ProvideRecord(
            key: key, lastProvided: lastProvided == 0 ? nil : KadTime(milliseconds: lastProvided), isUrgent: isUrgent)
    }
}

/// All keys in the order of their places, in buckets by the first bits, so that a region of the keyspace is at
/// hand and a change costs little with millions of keys.
struct ProvideKeys: Sendable {
    /// 2^12 buckets.
    static let bits = 12
    static let bucketCount = 1 << bits

    private var buckets = [[ProvideEntry]](repeating: [], count: bucketCount)
    /// How many entries of each bucket are `queued`.
    private var queued = [Int](repeating: 0, count: bucketCount)
    /// How many entries are in each state.
    private var states = [Int](repeating: 0, count: 5)
    private(set) var count = 0
    /// How many have been announced at least once.
    private(set) var provided = 0

    static func bucket(of place: KadKey) -> Int { Int(place.words.0 >> UInt64(64 - bits)) }

    func count(_ state: ProvideEntry.State) -> Int { states[Int(state.rawValue)] }

    func entry(_ key: Multihash) -> ProvideEntry? {
        let place = KadKey(hashing: key.bytes)
        let bucket = Self.bucket(of: place)
        return find(place, bucket).found.map { buckets[bucket][$0] }
    }

    /// Adds an entry; returns whether it was new. One that is there stays as it is.
    mutating func insert(_ entry: ProvideEntry) -> Bool {
        let bucket = Self.bucket(of: entry.place)
        let (found, index) = find(entry.place, bucket)
        guard found == nil else { return false }
        buckets[bucket].insert(entry, at: index)
        note(entry, bucket, 1)
        return true
    }

    mutating func remove(_ key: Multihash) -> ProvideEntry? {
        let place = KadKey(hashing: key.bytes)
        let bucket = Self.bucket(of: place)
        guard let index = find(place, bucket).found else { return nil }
        let entry = buckets[bucket].remove(at: index)
        note(entry, bucket, -1)
        return entry
    }

    /// Changes the entry at `place`; nothing happens when it was withdrawn. Returns it as it is now.
    @discardableResult
    mutating func update(_ place: KadKey, _ change: (inout ProvideEntry) -> Void) -> ProvideEntry? {
        let bucket = Self.bucket(of: place)
        guard let index = find(place, bucket).found else { return nil }
        note(buckets[bucket][index], bucket, -1)
        change(&buckets[bucket][index])
        note(buckets[bucket][index], bucket, 1)
        return buckets[bucket][index]
    }

    /// Queues what rests in these buckets and was not announced since `time`.
    mutating func queue(_ range: Range<Int>, notSince time: UInt64) {
        for bucket in range {
            for index in buckets[bucket].indices
            where buckets[bucket][index].state == .resting && buckets[bucket][index].lastProvided <= time {
                note(buckets[bucket][index], bucket, -1)
                buckets[bucket][index].state = .queued
                note(buckets[bucket][index], bucket, 1)
            }
        }
    }

    /// The first bucket from `start` on, and then from the beginning, in which something is queued.
    func firstQueued(from start: Int) -> Int? {
        guard count(.queued) > 0 else { return nil }
        return (start..<Self.bucketCount).first { queued[$0] > 0 } ?? (0..<start).first { queued[$0] > 0 }
    }

    /// Takes up to `limit` queued entries out of these buckets, in order; they are `working` now.
    mutating func take(_ range: Range<Int>, limit: Int) -> [ProvideEntry] {
        var taken: [ProvideEntry] = []
        for bucket in range where queued[bucket] > 0 {
            for index in buckets[bucket].indices where buckets[bucket][index].state == .queued {
                guard taken.count < limit else { return taken }
                note(buckets[bucket][index], bucket, -1)
                buckets[bucket][index].state = .working
                note(buckets[bucket][index], bucket, 1)
                taken.append(buckets[bucket][index])
            }
        }
        return taken
    }

    /// About `most` of the entries in these buckets, evenly spread, whatever their state.
    func sample(_ range: Range<Int>, most: Int) -> [ProvideEntry] {
        let total = range.reduce(0) { $0 + buckets[$1].count }
        let step = max(1, total / max(1, most))
        var result: [ProvideEntry] = []
        var index = 0
        for bucket in range {
            // The first at or behind the next multiple of the step.
            var next = (index + step - 1) / step * step
            while next < index + buckets[bucket].count {
                result.append(buckets[bucket][next - index])
                next += step
            }
            index += buckets[bucket].count
        }
        return result
    }

    /// Where `place` is in its bucket, or would be.
    private func find(_ place: KadKey, _ bucket: Int) -> (found: Int?, index: Int) {
        let entries = buckets[bucket]
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].place < place { low = middle + 1 } else { high = middle }
        }
        return (low < entries.count && entries[low].place == place ? low : nil, low)
    }

    private mutating func note(_ entry: ProvideEntry, _ bucket: Int, _ step: Int) {
        count += step
        states[Int(entry.state.rawValue)] += step
        if entry.state == .queued { queued[bucket] += step }
        if entry.lastProvided != 0 { provided += step }
    }
}
