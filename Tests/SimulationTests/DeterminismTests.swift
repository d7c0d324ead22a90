import DHT
import Foundation
import Multiformats
import SansIO
import Simulation
import TestSupport
import Testing

@Suite("A simulated run repeats exactly") struct DeterminismTests {
    /// Beside the tests, or where the package is built.
    private static let program: URL? = [
        URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent(),
        packageRoot.appendingPathComponent(".build/release"),
    ].map { $0.appendingPathComponent("testnet") }
        .first { FileManager.default.isExecutableFile(atPath: $0.path) }

    /// From a process of its own: what dictionaries' order depends on is drawn anew in every process.
    private func report(seed: UInt64) throws -> String {
        let program = try #require(
            DeterminismTests.program, "build the program testnet first: swift build -c release --product testnet")
        let process = Process()
        process.executableURL = program
        process.arguments = ["sim", "--scenario", "mixed", "--seed", "\(seed)", "--nodes", "20"]
        process.standardInput = FileHandle.nullDevice
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        // The last line says how fast it was.
        return String(decoding: data, as: UTF8.self).split(separator: "\n").dropLast().joined(separator: "\n")
    }

    @Test("The same seed gives the same trace and figures in three processes, another seed another trace")
    func sameSeed() throws {
        let here = Scenario.mixed.run(seed: 7, nodes: 20)
        let one = try report(seed: 7)
        let two = try report(seed: 7)
        let other = try report(seed: 8)
        #expect(one == here.text)
        #expect(two == here.text)
        #expect(here.events > 1000)
        #expect(!other.contains(here.trace.description))
        #expect(other.contains("trace"))
    }

    @Test("The trace depends on the order and the number of what happened")
    func trace() {
        var (one, two, three) = (TraceHash(), TraceHash(), TraceHash())
        one.mix(1)
        one.mix(2)
        two.mix(2)
        two.mix(1)
        #expect(one != two)
        three.mix([1, 2, 3])
        var four = TraceHash()
        four.mix([1, 2, 3, 0])
        #expect(three != four)
    }
}

@Suite("Fifty small swarms in which everything goes wrong") struct SeedTests {
    @Test("No rule is broken, and everything is found after recovery", arguments: UInt64(1)...50)
    func mixed(seed: UInt64) {
        let report = Scenario.mixed.run(seed: seed, nodes: 24)
        #expect(report.passes, "\(report.text)")
    }
}
