import Multiformats

/// What lookups have told about the peers in a part of the keyspace: who is there, and where nobody is missing.
///
/// A lookup finds the peers closest to its target, so it knows everyone in the smallest subtree around the
/// target that leaves the farthest of them out. Such subtrees add up, and inside of what they cover the
/// closest peers of any key are known without another lookup.
struct Neighbourhood: Sendable {
    /// How many closest peers a key has.
    let replication: Int
    /// In the order in which they were found.
    private(set) var peers: [KadPeer] = []
    private var numbers: [PeerID: Int] = [:]
    /// Sorted by place.
    private var order: [(place: KadKey, index: Int)] = []
    /// Where everyone is known, by the first 64 bits: sorted, apart from each other.
    private var covered: [ClosedRange<UInt64>] = []

    init(replication: Int) { self.replication = replication }

    /// Takes in what a lookup of `target` found. With `isWhole` fewer peers than were asked for are all there are.
    /// Returns what its peers are called in `peers`.
    mutating func learn(_ answer: [KadPeer], around target: KadKey, isWhole: Bool) -> [Int] {
        var shared = 256
        var result: [Int] = []
        for peer in answer {
            let place = KadKey(peer.id)
            shared = min(shared, place.commonPrefixLength(with: target))
            if let number = numbers[peer.id] {
                result.append(number)
                continue
            }
            numbers[peer.id] = peers.count
            result.append(peers.count)
            order.insert((place, peers.count), at: lowerBound(place.words.0, place))
            peers.append(peer)
        }
        if answer.count >= replication {
            cover(Self.subtree(target, min(shared + 1, 64)))
        } else if isWhole {
            covered = [0...UInt64.max]
        }
        return result
    }

    /// Whether everyone right around `place` is known.
    func isCovered(_ place: KadKey) -> Bool { covers(place.words.0...place.words.0) }

    /// The peers closest to `place`, as indices into `peers`, closest first; `nil` where some may be missing.
    ///
    /// Where peers stand so much denser than elsewhere that somebody may have placed them there to be the closest,
    /// the answer is everyone in the region that would hold the closest ones otherwise, `most` of them.
    ///
    /// - Parameter density: how many bits leave about `replication` peers in a subtree.
    func closest(to place: KadKey, density: Int, most: Int = 148) -> [Int]? {
        var depth = 0
        var inside = order.indices
        var wide = inside
        // The smallest subtree with enough peers: whoever is outside is farther than all in it.
        while depth < 64 {
            let next = indices(Self.subtree(place, depth + 1))
            guard next.count >= replication else { break }
            depth += 1
            inside = next
            if depth <= density { wide = next }
        }
        let isCrowded = depth > density + 3
        guard covers(Self.subtree(place, isCrowded ? density : depth)) else { return nil }
        return order[isCrowded ? wide : inside].map { (distance: $0.place ^ place, index: $0.index) }
            .sorted { $0.distance < $1.distance }.prefix(isCrowded ? most : replication).map(\.index)
    }

    /// Where the places of `range` are in `order`.
    private func indices(_ range: ClosedRange<UInt64>) -> Range<Int> {
        lowerBound(
            range.lowerBound, nil)..<(range.upperBound == .max ? order.count : lowerBound(range.upperBound + 1, nil))
    }

    /// The places, in their first 64 bits, that share `depth` bits with `place`.
    static func subtree(_ place: KadKey, _ depth: Int) -> ClosedRange<UInt64> {
        guard depth > 0 else { return 0...UInt64.max }
        let rest: UInt64 = depth >= 64 ? 0 : UInt64.max >> UInt64(depth)
        return (place.words.0 & ~rest)...(place.words.0 | rest)
    }

    private func covers(_ range: ClosedRange<UInt64>) -> Bool {
        var low = 0
        var high = covered.count
        while low < high {
            let middle = (low + high) / 2
            if covered[middle].upperBound < range.lowerBound { low = middle + 1 } else { high = middle }
        }
        return low < covered.count && covered[low].lowerBound <= range.lowerBound
            && range.upperBound <= covered[low].upperBound
    }

    private mutating func cover(_ range: ClosedRange<UInt64>) {
        var low = range.lowerBound
        var high = range.upperBound
        var result: [ClosedRange<UInt64>] = []
        for other in covered {
            // Ranges that touch become one.
            let isBelow = other.upperBound < low && low - other.upperBound > 1
            let isAbove = other.lowerBound > high && other.lowerBound - high > 1
            if isBelow || isAbove {
                result.append(other)
            } else {
                low = min(low, other.lowerBound)
                high = max(high, other.upperBound)
            }
        }
        let index = result.firstIndex { $0.lowerBound > high } ?? result.count
        result.insert(low...high, at: index)
        covered = result
    }

    /// The first index in `order` at or behind this place, or behind all places with smaller first bits.
    private func lowerBound(_ word: UInt64, _ place: KadKey?) -> Int {
        var low = 0
        var high = order.count
        while low < high {
            let middle = (low + high) / 2
            let isBefore = place.map { order[middle].place < $0 } ?? (order[middle].place.words.0 < word)
            if isBefore { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// How many peers the network has, from how far the closest ones are from what was looked up.
///
/// Source: the k-th closest of N uniform places lies at about k/N of the space.
struct NetworkEstimate: Sendable {
    private var samples: [Double] = []
    private var next = 0
    private static let kept = 16

    /// The median of the last lookups.
    var peers: Double? {
        guard !samples.isEmpty else { return nil }
        return samples.sorted()[samples.count / 2]
    }

    /// Notes what a lookup of `target` that sought `wanted` peers found.
    mutating func note(_ answer: [KadPeer], around target: KadKey, wanted: Int) {
        guard !answer.isEmpty else { return }
        var sample = Double(answer.count)
        if answer.count >= wanted {
            let farthest = answer.map { (KadKey($0.id) ^ target).words.0 }.max() ?? .max
            sample = max(sample, Double(answer.count) * 0x1p64 / max(1, Double(farthest)))
        }
        if samples.count < Self.kept {
            samples.append(sample)
        } else {
            samples[next] = sample
            next = (next + 1) % Self.kept
        }
    }
}
