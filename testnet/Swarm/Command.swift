import Foundation

/// A running command whose output is kept.
package final class Command {
    /// How a command ended.
    package struct Result: Sendable {
        /// Its exit code; 137 when it was killed.
        package let status: Int32
        /// What it wrote to stdout.
        package let output: String
        /// What it wrote to stderr, unless that went to this terminal.
        package let messages: String
    }

    private let process: Process
    private var output: FileHandle?
    private var messages: FileHandle?

    /// Starts `peernode` with these arguments; its messages are kept, unless `showsMessages` sends them to this
    /// terminal.
    package init(_ arguments: [String], showsMessages: Bool = false) throws {
        process = try Program.make(arguments)
        try Program.launch(process) { process in
            let pipe = Pipe()
            process.standardOutput = pipe
            output = pipe.fileHandleForReading
            guard !showsMessages else { return }
            let second = Pipe()
            process.standardError = second
            messages = second.fileHandleForReading
        }
    }

    /// Waits for its end.
    package func wait() -> Result {
        let data = output?.readDataToEndOfFile() ?? Data()
        // A command says a few lines at most, which fit into the pipe while stdout is read.
        let said = messages?.readDataToEndOfFile() ?? Data()
        process.waitUntilExit()
        let clean = process.terminationReason == .exit
        return Result(
            status: clean ? process.terminationStatus : 137, output: String(decoding: data, as: UTF8.self),
            messages: String(decoding: said, as: UTF8.self))
    }

    /// Kills it, and gives what it had said by then.
    package func kill() -> Result {
        Foundation.kill(process.processIdentifier, SIGKILL)
        return wait()
    }
}
