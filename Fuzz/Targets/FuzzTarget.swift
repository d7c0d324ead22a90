/// Something that reads bytes from strangers, wrapped so that a fuzzer can feed it.
///
/// `run` must end for every input: a trap, a hang or a failed check is a bug in the reader. What a reader
/// accepts is also written again and read again, so that the fuzzer sees disagreements and not only traps.
package struct FuzzTarget: Sendable, CustomStringConvertible {
    /// The name in `make fuzz TARGET=...` and of the folder below `Fuzz/corpus`.
    package let name: String
    /// The longest input that says more than a shorter one, in bytes.
    package let maximumLength: Int
    package let run: @Sendable ([UInt8]) -> Void

    init(_ name: String, maximumLength: Int = 4096, _ run: @escaping @Sendable ([UInt8]) -> Void) {
        self.name = name
        self.maximumLength = maximumLength
        self.run = run
    }

    package var description: String { name }

    /// Every target, in the order of the floors.
    package static let all: [FuzzTarget] =
        multiformats + crypto + exchange + dags + transport + localDiscovery + datagrams + dht + http
        + gossip + catalogSync + catalogUpdates + media + catalogQueries

    /// The target of that name.
    package static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }
}

/// Stops the run when a reader and its writer disagree; a fuzzer reports it like a trap.
func agree(_ condition: Bool, _ what: StaticString) {
    precondition(condition, "\(what)")
}
