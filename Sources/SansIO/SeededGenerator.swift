/// The only randomness a core may use: SplitMix64, the same sequence for the same seed everywhere.
///
/// Not for secrets; those come from `PeerCrypto`.
/// Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators" (OOPSLA 2014).
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    /// A generator of its own for a part, so that one part's draws do not shift another's.
    package mutating func split() -> SeededGenerator { SeededGenerator(seed: next()) }
}
