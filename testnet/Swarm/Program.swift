package import Foundation

/// The `peernode` program beside this one, and ways to run it.
package enum Program {
    /// Its path: `$PEERNODE`, else the file of that name in this program's folder.
    package static let path: String = {
        if let path = ProcessInfo.processInfo.environment["PEERNODE"] { return path }
        let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        return own.deletingLastPathComponent().appendingPathComponent("peernode").path
    }()

    /// Runs a command with this terminal's output; returns its exit code.
    package static func run(_ arguments: [String]) throws -> Int32 {
        let process = try make(arguments)
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// Runs a command and gives what it wrote to stdout; its messages go to this terminal, unless `quiet`.
    ///
    /// Throws `Failure` when it exits with anything but 0.
    package static func output(_ arguments: [String], quiet: Bool = false) throws -> String {
        let result = try Command(arguments, showsMessages: !quiet).wait()
        guard result.status == 0 else {
            throw Failure("`peernode \(arguments.joined(separator: " "))` failed with exit code \(result.status).")
        }
        return result.output
    }

    /// Starts a process. One at a time: a pipe that is being made by another thread must not be inherited, or its
    /// reader would wait for a stranger's end.
    package static func launch(_ process: Process, _ prepare: (Process) -> Void = { _ in }) throws {
        launching.lock()
        defer { launching.unlock() }
        prepare(process)
        try process.run()
    }

    private static let launching = NSLock()

    /// A process for a command, not yet started.
    package static func make(_ arguments: [String]) throws -> Process {
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw Failure("There is no peernode program at \(path): build it, or name it in PEERNODE.")
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        return process
    }
}

/// What went wrong, in one line for the user.
package struct Failure: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// Data on stdout, messages on stderr.
package enum Output {
    package static func message(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
    package static func line(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }

    package static func node(_ node: ClusterState.Node, json: Bool) {
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            if let data = try? encoder.encode(node) { line(String(decoding: data, as: UTF8.self)) }
        } else {
            line("\(node.index)  \(node.peerID)  \(node.api)  \(node.addresses.first ?? "")")
        }
    }
}
