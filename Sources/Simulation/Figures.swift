/// Many measurements of one thing.
package struct Distribution: Sendable {
    private var values: [Double] = []

    package init() {}

    package mutating func add(_ value: Double) { values.append(value) }

    package var count: Int { values.count }
    package var mean: Double { values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count) }
    package var median: Double { quantile(0.5) }
    package var p99: Double { quantile(0.99) }
    package var largest: Double { values.max() ?? 0 }

    /// The smallest value that at least `share` of all do not exceed; 0 without values.
    package func quantile(_ share: Double) -> Double {
        guard !values.isEmpty else { return 0 }
        let rank = Int((share * Double(values.count)).rounded(.up)) - 1
        return values.sorted()[min(max(rank, 0), values.count - 1)]
    }
}

/// How many of how many.
package struct Share: Sendable {
    package private(set) var hits = 0
    package private(set) var count = 0

    package init() {}

    package mutating func add(_ isHit: Bool) {
        count += 1
        if isHit { hits += 1 }
    }

    /// In percent; 0 when nothing was counted.
    package var percent: Double { count == 0 ? 0 : 100 * Double(hits) / Double(count) }
}
