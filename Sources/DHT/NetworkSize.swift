/// An estimate of how many peers serve this DHT, from how close the closest ones to random keys were.
///
/// With n peers spread evenly, the i-th closest is expected at i / (n + 1) of the whole space. The median of
/// many lookups is taken, so that a few crowded keys do not move it.
/// Source: https://github.com/libp2p/go-libp2p-kad-dht/tree/master/netsize
package struct NetworkSize: Sendable {
    private var samples: [(target: KadKey, size: Double)] = []
    private static let maximumSamples = 48
    /// Fewer samples say too little.
    private static let minimumSamples = 3

    package init() {}

    /// Takes the result of a lookup that was carried to its end: the distances of the closest peers, ascending.
    ///
    /// A second lookup of the same key replaces the first: a key that an attacker has crowded counts once.
    package mutating func add(target: KadKey, distances: [KadKey], k: Int) {
        guard distances.count >= k else { return }
        // The line through the origin that fits best; distances beyond 2^-64 count as zero.
        var products = 0.0
        var squares = 0.0
        for (index, distance) in distances.prefix(k).enumerated() {
            let rank = Double(index + 1)
            products += rank * (Double(distance.words.0) / 0x1p64)
            squares += rank * rank
        }
        guard products > 0 else { return }
        samples.removeAll { $0.target == target }
        if samples.count >= NetworkSize.maximumSamples { samples.removeFirst() }
        samples.append((target, squares / products))
    }

    /// How many peers there seem to be; nil before enough is known.
    package var estimate: Double? {
        guard samples.count >= NetworkSize.minimumSamples else { return nil }
        let sorted = samples.map(\.size).sorted()
        return sorted[sorted.count / 2]
    }

    /// The length of a prefix that about `k` peers share: the region of a key. Nil when unknown, or all peers.
    package func regionPrefix(k: Int) -> Int? {
        guard let estimate else { return nil }
        var prefix = 0
        while prefix < 64, estimate / Double(UInt64(1) << UInt64(prefix)) > Double(k) { prefix += 1 }
        return prefix == 0 ? nil : prefix
    }

    /// Whether `distances` (ascending, the k closest) are much denser than the network: by chance that happens
    /// to fewer than one key in a thousand.
    package func isCrowded(_ distances: [KadKey], k: Int) -> Bool {
        guard let estimate, distances.count >= k, let last = distances.prefix(k).last else { return false }
        return Double(last.words.0) / 0x1p64 < 0.4 * Double(k) / estimate
    }
}
