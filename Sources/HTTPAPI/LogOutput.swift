import Foundation
package import Logging
import Synchronization

/// The levels of all loggers, which `log level` changes while the node runs. A subsystem is a logger's label.
package enum LogLevels {
    private struct State {
        var level = Logger.Level.info
        var bySubsystem: [String: Logger.Level] = [:]
        var subsystems: Set<String> = []
    }

    /// How many subsystems are remembered; there are a dozen.
    private static let maximumSubsystems = 256
    private static let state = Mutex(State())

    package static let names = Logger.Level.allCases.map(\.rawValue)

    /// Sets the level of one subsystem, or (with nil) of all. False for a name that is no level.
    @discardableResult
    package static func set(_ name: String, for subsystem: String?) -> Bool {
        let words = ["warn": "warning", "fatal": "critical", "panic": "critical", "dpanic": "critical"]
        guard let level = Logger.Level(rawValue: words[name] ?? name) else { return false }
        state.withLock { state in
            if let subsystem {
                if state.bySubsystem.count < maximumSubsystems { state.bySubsystem[subsystem] = level }
            } else {
                state.level = level
                state.bySubsystem.removeAll()
            }
        }
        return true
    }

    static var subsystems: [String] { state.withLock { $0.subsystems.sorted() } }

    static func level(of subsystem: String) -> Logger.Level {
        state.withLock { $0.bySubsystem[subsystem] ?? $0.level }
    }

    static func register(_ subsystem: String) {
        state.withLock { if $0.subsystems.count < maximumSubsystems { $0.subsystems.insert(subsystem) } }
    }
}

/// Writes the log to standard error, one line an event: logfmt, or JSON.
package struct LogOutput: LogHandler {
    private let label: String
    private let isJSON: Bool
    package var metadata: Logger.Metadata = [:]

    package init(label: String, format: String) {
        self.label = label
        isJSON = format == "json"
        LogLevels.register(label)
    }

    /// What `LogLevels` says; setting it on one logger would hide it from `log level`.
    package var logLevel: Logger.Level {
        get { LogLevels.level(of: label) }
        set {}
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let time = Date().timeIntervalSince1970
        let milliseconds = Int(time * 1000) % 1000
        let digits = String(repeating: "0", count: 3 - String(milliseconds).count) + String(milliseconds)
        let stamp = CivilTime(secondsSince1970: Int64(time)).text + "." + digits + "Z"
        let fields = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
        let line: String
        if isJSON {
            line =
                JSON.object(
                    [
                        .init("ts", .string(stamp)), .init("level", .string(event.level.rawValue)),
                        .init("subsystem", .string(label)), .init("msg", .string("\(event.message)")),
                    ] + fields.map { .init($0.key, .string("\($0.value)")) }
                ).description
        } else {
            line =
                ([
                    "ts=\(stamp)", "level=\(event.level)", "subsystem=\(label)",
                    "msg=\(Self.quoted("\(event.message)"))",
                ]
                + fields.map { "\($0.key)=\(Self.quoted("\($0.value)"))" }).joined(separator: " ")
        }
        FileHandle.standardError.write(Data((line + "\n").utf8))
    }

    /// logfmt's form of a value: quoted, as JSON quotes, when it has to be.
    private static func quoted(_ text: String) -> String {
        let isPlain =
            !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 && $0 != 0x3d && $0 != 0x5c && $0 != 0x7f }
        return isPlain ? text : JSON.string(text).description
    }
}
