import Foundation
import FuzzTargets
import SansIO
import TestSupport
import Testing

/// Replays the kept corpus of every fuzz target, and 10,000 seeded changes of it.
///
/// A failure is a trap, which ends the process; `FUZZ_TRACE=1` prints each input before it runs.
@Suite struct FuzzReplayTests {
    static let mutations = 10_000
    /// `FUZZ_SEED` repeats a run; the default is fixed, so that a red run stays red.
    static let seed = ProcessInfo.processInfo.environment["FUZZ_SEED"].flatMap(UInt64.init) ?? 20_240_607
    static let trace = ProcessInfo.processInfo.environment["FUZZ_TRACE"] != nil

    static func corpus(_ target: FuzzTarget) throws -> [[UInt8]] {
        let folder = packageRoot.appendingPathComponent("Fuzz/corpus/\(target.name)")
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .sorted { $0.path < $1.path }
            .map { [UInt8](try Data(contentsOf: $0)) }
    }

    @Test("kept corpus and mutations", arguments: FuzzTarget.all)
    func replay(_ target: FuzzTarget) throws {
        let corpus = try Self.corpus(target)
        #expect(!corpus.isEmpty, "Fuzz/corpus/\(target.name) is empty")
        func run(_ input: [UInt8]) {
            if Self.trace { print("\(target): \(input.hexText)") }
            target.run(input)
        }
        print("fuzz replay \(target): \(corpus.count) kept inputs, \(Self.mutations) mutations, seed \(Self.seed)")
        for input in corpus {
            run(input)
            // Cut at every byte, so that no reader trusts its input to be whole.
            for length in 0..<min(input.count, 512) { run(Array(input.prefix(length))) }
        }
        var mutator = Mutator(
            luck: SeededGenerator(seed: Self.seed), corpus: corpus, maximumLength: target.maximumLength)
        for _ in 0..<Self.mutations { run(mutator.next()) }
    }

    /// Each folder of the corpus belongs to a target, so that no corpus rots unread.
    @Test func everyCorpusHasATarget() throws {
        let folders = try FileManager.default.contentsOfDirectory(
            atPath: packageRoot.appendingPathComponent("Fuzz/corpus").path)
        #expect(Set(folders.filter { !$0.hasPrefix(".") }) == Set(FuzzTarget.all.map(\.name)))
    }

    /// The mutator repeats itself for a seed, and does change its input.
    @Test func mutationsRepeat() {
        func some(_ seed: UInt64) -> [[UInt8]] {
            var mutator = Mutator(luck: SeededGenerator(seed: seed), corpus: [[1, 2, 3, 4]], maximumLength: 64)
            return (0..<100).map { _ in mutator.next() }
        }
        #expect(some(7) == some(7))
        #expect(some(7) != some(8))
        #expect(Set(some(7)).count > 80)
    }
}
