import DHT
import Multiformats
import NIOCore
import SansIO

extension RoutingService {
    /// How names are put and got: over these tables.
    nonisolated var nameNetwork: NameService.Network {
        NameService.Network(
            put: { [weak self] key, value in
                guard let self else { throw NodeError.shuttingDown }
                switch try await self.result(of: .putValue(key: key, value: value)) {
                case .stored(let count, let all): return (count, all)
                case .failed(let failure): throw NodeError.routing(failure)
                default: return (0, 0)
                }
            },
            get: { [weak self] key in
                guard let self else { throw NodeError.shuttingDown }
                let events = self.ask(.getValue(key: key, quorum: NameService.quorum))
                let (values, continuation) = AsyncThrowingStream<[UInt8], any Error>.makeStream()
                // Owned by the stream: it ends with the query, and with whoever reads.
                let reader = Task {
                    do {
                        for try await event in events {
                            if case .value(let value, _) = event { continuation.yield(value) }
                        }
                        continuation.finish()
                    } catch {
                        continuation.finish(throwing: error)
                    }
                }
                continuation.onTermination = { _ in reader.cancel() }
                return values
            })
    }
}
