import Foundation

/// How much an author's plays, reposts, saves and followers weigh in rankings, by how far the author is from this
/// node's own authors along who follows whom.
///
/// All that rankings count can be forged by many fake keys; fake keys are far from whom people follow.
package struct TrendingWeights: Sendable, Equatable {
    /// Weights at the distances 0 (own), 1, 2 and 3.
    package var byDistance: [Double]
    /// The weight of all others.
    package var beyond: Double
    /// This node's own authors.
    package var own: [EntityID]

    /// Everybody weighs the same: the plain formula.
    package static let plain = TrendingWeights(own: [])

    /// Weights for a node with these authors. When they follow nobody, the plain formula holds.
    package init(own: [EntityID], byDistance: [Double] = [1, 1, 0.5, 0.2], beyond: Double = 0.02) {
        self.own = own
        self.byDistance = byDistance
        self.beyond = beyond
    }
}

/// What a ranking knows of one piece of content or one list.
struct TrendingSignals: Sendable, Equatable {
    /// Plays, reposts and saves within each span, by `Span.rawValue`.
    var plays: SIMD4<Double> = .zero
    var recentReposts: SIMD4<Double> = .zero
    var recentSaves: SIMD4<Double> = .zero
    var reposts = 0.0
    var saves = 0.0
    /// The followers of those who reposted or saved it, each author once.
    var karma = 0.0

    /// The score that the original's rankings use (its strategy with karma).
    ///
    /// (plays + 50 x reposts + saves within the span + 0.25 x all reposts + 0.01 x all saves) x karma; nothing
    /// for an owner with fewer than 3 followers; once older than the span, times 1e5^(1 - age/span), at least 1e-5.
    func score(_ span: Span, ageInDays age: Double, ownerFollowers: Int64) -> Double {
        guard ownerFollowers >= TrendingSignals.minimumFollowers else { return 0 }
        let index = Int(span.rawValue)
        let sum = plays[index] + 50 * recentReposts[index] + recentSaves[index] + 0.25 * reposts + 0.01 * saves
        return sum * karma * TrendingSignals.decay(age, span)
    }

    static let minimumFollowers: Int64 = 3

    private static func decay(_ age: Double, _ span: Span) -> Double {
        age > span.days ? max(1e-5, pow(1e5, 1 - age / span.days)) : 1
    }
}
