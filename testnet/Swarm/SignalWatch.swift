import Dispatch
import Foundation

/// Turns Ctrl-C and `kill` into an orderly end.
package final class SignalWatch: @unchecked Sendable {  // the sources are never touched after init
    private let stream: AsyncStream<Int32>
    private let sources: [any DispatchSourceSignal]

    package init() {
        let (stream, continuation) = AsyncStream<Int32>.makeStream()
        self.stream = stream
        sources = [SIGINT, SIGTERM, SIGHUP].map { number in
            // The default action would end this process before its nodes.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { continuation.yield(number) }
            source.resume()
            return source
        }
    }

    /// Returns at the first signal.
    package func wait() async {
        for await _ in stream { return }
    }

    /// Runs `body` to its end, or until Ctrl-C or `kill`: then `abandon` ends what it started, and this gives `false`.
    package static func run(
        _ body: @escaping @Sendable () async throws -> Void, abandon: @Sendable () -> Void
    ) async throws -> Bool {
        let signals = SignalWatch()
        return try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await body()
                return true
            }
            group.addTask {
                await signals.wait()
                return false
            }
            guard try await group.next() == true else {
                abandon()
                return false
            }
            group.cancelAll()
            return true
        }
    }
}
