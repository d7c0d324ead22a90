import Foundation
import HTTPAPI
import NIOCore
import PeerNode
import Synchronization

/// Standard output: data, and nothing else.
enum Output {
    private static let buffer = Mutex(ByteBuffer())

    /// Writes `text` and a line feed; what is written is kept until it is worth a system call.
    static func line(_ text: String) {
        buffer.withLock {
            $0.writeString(text)
            $0.writeInteger(UInt8(ascii: "\n"))
            if $0.readableBytes > 32 << 10 { drain(&$0) }
        }
    }

    static func line(_ value: JSON) { line(value.description) }

    /// Writes bytes as they are, at once.
    static func write(_ bytes: ByteBuffer) {
        buffer.withLock {
            drain(&$0)
            var bytes = bytes
            drain(&bytes)
        }
    }

    static func flush() { buffer.withLock { drain(&$0) } }

    /// Writes everything to the descriptor. A reader that went away ends the program, as it ends any filter.
    private static func drain(_ buffer: inout ByteBuffer) {
        while buffer.readableBytes > 0 {
            let count = unsafe buffer.withUnsafeReadableBytes { bytes in
                unsafe Foundation.write(1, bytes.baseAddress, bytes.count)
            }
            if count < 0 {
                if errno == EINTR { continue }
                exit(errno == EPIPE ? 0 : ExitStatus.failure.rawValue)
            }
            buffer.moveReaderIndex(forwardBy: count)
        }
        buffer.clear()
    }
}

/// Standard error: messages for people.
enum Messages {
    static let isTerminal = isatty(2) == 1

    static func write(_ text: String) {
        ProgressLine.clear()
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }
}

/// Colours on the terminal, unless the user wants none (https://no-color.org).
enum Style {
    static let isOn: Bool = {
        let environment = ProcessInfo.processInfo.environment
        if let wish = environment["NO_COLOR"], !wish.isEmpty { return false }
        if let wish = environment["CLICOLOR_FORCE"], !wish.isEmpty, wish != "0" { return true }
        return Messages.isTerminal && environment["TERM"] != "dumb"
    }()

    static func error(_ text: String) -> String { isOn ? "\u{1b}[31m\(text)\u{1b}[0m" : text }
    static func dim(_ text: String) -> String { isOn ? "\u{1b}[2m\(text)\u{1b}[0m" : text }
}

/// One line on the terminal that shows how far something is: bytes, rate, and time left if the end is known.
///
/// Nothing is shown unless standard error is a terminal.
final class ProgressLine: Sendable {
    private struct State {
        var done = 0
        var total: Int?
        var shown = ContinuousClock.now
    }

    private static let isShown = Atomic(false)

    private let label: String
    private let started = ContinuousClock.now
    private let state = Mutex(State())

    init(_ label: String, total: Int? = nil) {
        self.label = label
        state.withLock { $0.total = total }
    }

    /// Says how many bytes there will be.
    func expect(_ total: Int) { state.withLock { $0.total = total } }

    /// Adds `bytes`; redraws ten times a second at most.
    func advance(by bytes: Int) {
        guard Messages.isTerminal else { return }
        let now = ContinuousClock.now
        let due: State? = state.withLock { state in
            state.done += bytes
            guard now - state.shown > .milliseconds(100) else { return nil }
            state.shown = now
            return state
        }
        if let due { draw(due.done, of: due.total, elapsed: now - started) }
    }

    /// Takes the line away.
    func finish() { Self.clear() }

    static func clear() {
        guard isShown.exchange(false, ordering: .relaxed) else { return }
        FileHandle.standardError.write(Data("\r\u{1b}[K".utf8))
    }

    private func draw(_ done: Int, of total: Int?, elapsed: Duration) {
        let seconds = max(0.001, elapsed / .seconds(1))
        let rate = Double(done) / seconds
        var text = "\(label) \(Quantity.describe(bytes: done))"
        if let total, total > 0 { text += " of \(Quantity.describe(bytes: total)) (\(min(100, done * 100 / total))%)" }
        text += ", \(Quantity.describe(bytes: Int(rate)))/s"
        if let total, total > done, rate > 1 {
            text += ", \(Quantity.describe(.seconds((Double(total - done) / rate).rounded()))) left"
        }
        Self.isShown.store(true, ordering: .relaxed)
        FileHandle.standardError.write(Data("\r\u{1b}[K\(text)".utf8))
    }
}
