import Dispatch
import Foundation
import Synchronization

/// Waits for SIGTERM, SIGINT or a request over the API; a second SIGINT ends the program at once.
final class StopSignals: @unchecked Sendable {  // `sources` is written in `init` alone, everything else is Sendable
    enum Cause: Sendable {
        case terminate
        case interrupt
        case api
    }

    private let causes: AsyncStream<Cause>
    private let continuation: AsyncStream<Cause>.Continuation
    private let interrupts = Atomic(0)
    private var sources: [any DispatchSourceSignal] = []

    /// From here on the signals no longer end the program by themselves.
    init() {
        (causes, continuation) = AsyncStream.makeStream(of: Cause.self)
        signal(SIGPIPE, SIG_IGN)
        let queue = DispatchQueue(label: "signals")
        for (number, cause) in [(SIGTERM, Cause.terminate), (SIGINT, .interrupt)] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { [weak self] in self?.received(cause) }
            source.resume()
            sources.append(source)
        }
    }

    var wasInterrupted: Bool { interrupts.load(ordering: .relaxed) > 0 }

    /// Asks for a stop.
    func request(_ cause: Cause) { continuation.yield(cause) }

    /// The first reason to stop.
    func wait() async -> Cause {
        var iterator = causes.makeAsyncIterator()
        return await iterator.next() ?? .terminate
    }

    private func received(_ cause: Cause) {
        if cause == .interrupt, interrupts.add(1, ordering: .relaxed).newValue > 1 {
            exit(ExitStatus.interrupted.rawValue)
        }
        request(cause)
    }
}
