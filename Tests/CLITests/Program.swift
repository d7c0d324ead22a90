import Foundation
import TestSupport

/// The built program, run as users run it.
struct Program {
    /// A repo of its own; the environment has nothing else of ours.
    let repository: String
    var environment: [String: String] = [:]

    struct Outcome {
        let status: Int32
        let output: String
        let messages: String

        /// The lines of standard output as JSON objects.
        var json: [[String: Any]] {
            output.split(separator: "\n").compactMap {
                (try? JSONSerialization.jsonObject(with: Data($0.utf8))) as? [String: Any]
            }
        }
        /// The last word of the last line: the root CID of `add`.
        var lastWord: String { output.split(whereSeparator: \.isWhitespace).last.map(String.init) ?? "" }
    }

    static let path = packageRoot.appendingPathComponent(".build/release/peernode").path

    /// Runs to the end; `input` goes to standard input.
    func run(_ arguments: [String], input: Data = Data()) throws -> Outcome {
        let process = start(arguments)
        let stdin = Pipe(), stdout = Pipe(), stderr = Pipe()
        process.standardInput = stdin
        process.standardOutput = stdout
        process.standardError = stderr
        try process.run()
        // Each pipe on a thread of its own: none may fill up while another is waited for.
        let output = Collector(stdout), messages = Collector(stderr)
        if !input.isEmpty { try? stdin.fileHandleForWriting.write(contentsOf: input) }
        try? stdin.fileHandleForWriting.close()
        process.waitUntilExit()
        return Outcome(status: process.terminationStatus, output: output.text, messages: messages.text)
    }

    func run(_ arguments: String..., input: Data = Data()) throws -> Outcome { try run(arguments, input: input) }

    /// A process that is ready to run.
    func start(_ arguments: [String]) -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.path)
        process.arguments = ["--repo", repository] + arguments
        process.environment = ["PATH": "/usr/bin:/bin", "HOME": repository].merging(environment) { $1 }
        process.currentDirectoryURL = URL(fileURLWithPath: repository).deletingLastPathComponent()
        return process
    }
}

/// Reads a pipe to its end on a thread of its own.
final class Collector: @unchecked Sendable {  // `data` is read after `done` was signalled
    private var data = Data()
    private let done = DispatchSemaphore(value: 0)

    init(_ pipe: Pipe) {
        Thread.detachNewThread { [self] in
            data = pipe.fileHandleForReading.readDataToEndOfFile()
            done.signal()
        }
    }

    var text: String {
        done.wait()
        done.signal()
        return String(decoding: data, as: UTF8.self)
    }
}

/// Runs `body` with a program whose repo is new.
func withProgram<R>(initialised: Bool = true, _ body: (Program, URL) async throws -> R) async throws -> R {
    try await withTemporaryFolder { folder in
        let program = Program(repository: folder.appendingPathComponent("repo").path)
        if initialised { _ = try program.run("init", "--network", "test") }
        return try await body(program, folder)
    }
}

/// A node that runs in a process of its own, until `stop`.
final class RunningNode {
    let process: Process
    let url: String
    let peerID: String
    private let stdout: FileHandle
    private let messages: Collector

    /// Starts `peernode run` and waits for its ready line.
    init(_ program: Program, _ arguments: [String] = []) throws {
        process = program.start(
            ["run", "--json", "--listen", "/ip4/127.0.0.1/tcp/0", "--api", "127.0.0.1:0"] + arguments)
        let stdout = Pipe(), stderr = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = stdout
        process.standardError = stderr
        try process.run()
        messages = Collector(stderr)
        self.stdout = stdout.fileHandleForReading
        guard let line = Self.line(from: self.stdout),
            let event = (try? JSONSerialization.jsonObject(with: line)) as? [String: Any],
            event["event"] as? String == "ready", let url = event["api"] as? String,
            let peer = event["peer_id"] as? String
        else {
            process.terminate()
            throw NotReady(messages: messages.text)
        }
        self.url = url
        peerID = peer
    }

    struct NotReady: Error {
        let messages: String
    }

    /// Sends `signal`, waits, and gives the exit code and what was written after the ready line.
    func stop(_ signal: Int32 = SIGTERM) -> (status: Int32, output: String) {
        kill(process.processIdentifier, signal)
        return wait()
    }

    func wait() -> (status: Int32, output: String) {
        let rest = stdout.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: rest, as: UTF8.self))
    }

    private static func line(from handle: FileHandle) -> Data? {
        var line = Data()
        while let byte = try? handle.read(upToCount: 1), !byte.isEmpty {
            if byte[byte.startIndex] == UInt8(ascii: "\n") { return line }
            line += byte
        }
        return nil
    }
}

/// `count` bytes that do not repeat (a multiple of 8).
func noise(_ count: Int) -> Data {
    var data = Data(capacity: count)
    for index in UInt64(0)..<UInt64(count / 8) {
        withUnsafeBytes(of: index &* 0x9E37_79B9_7F4A_7C15) { data.append(contentsOf: $0) }
    }
    return data
}
