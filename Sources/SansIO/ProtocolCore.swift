/// A protocol's whole behaviour as a value: inputs and time go in, effects come out.
///
/// A core never suspends, never reads a clock, does no I/O and draws no randomness but from a
/// `SeededGenerator` that it was given; so the same inputs give the same effects, on a real node and in
/// the simulator alike. Commands carry an id that comes back in the effect that finishes them.
package protocol ProtocolCore {
    associatedtype Input
    associatedtype Effect

    /// Handles one input.
    mutating func handle(_ input: consuming Input, now: Instant, into effects: inout [Effect])

    /// Fires every timer due at `now`.
    mutating func tick(now: Instant, into effects: inout [Effect])

    /// When `tick` must next be called; `nil` when nothing is pending.
    var deadline: Instant? { get }
}
