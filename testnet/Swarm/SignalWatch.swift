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
}
