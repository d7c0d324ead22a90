import Foundation
import TestSupport
import Testing

@Suite("Kill loop")
struct KillLoopTests {
    @Test("Killed at random moments of add, get and gc, a node loses nothing that it acknowledged")
    func killLoop() throws {
        let environment = ProcessInfo.processInfo.environment
        let kills = environment["KILLS"].flatMap { Int($0) } ?? 200
        let seed = environment["SEED"] ?? "1"
        let program = packageRoot.appendingPathComponent(".build/release/testnet")
        let process = Process()
        process.executableURL = program
        process.arguments = ["torture", "--kills", String(kills), "--seed", seed]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        print(output)
        #expect(process.terminationStatus == 0)
        #expect(output.contains("\(kills) kills"))
    }
}
