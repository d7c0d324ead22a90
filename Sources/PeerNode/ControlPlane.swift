package import NIOCore
package import NIOPosix
package import SansIO

/// The threads of a node: a few event loops for bytes, one for decisions, and a pool for work that blocks.
///
/// Connections live on the data loops. Every protocol core lives on the one control loop, so calls between
/// services cost a function call and their state needs no lock. Disk and hashing go to the pool.
package final class ControlPlane: Sendable {
    /// Where connections live.
    package let dataLoops: MultiThreadedEventLoopGroup
    /// Where all cores live; the executor of the service actors.
    package let controlLoop: any EventLoop
    /// Where reads, writes and hashing block.
    package let pool: NIOThreadPool
    private let controlGroup: MultiThreadedEventLoopGroup

    /// Starts the threads: `dataThreads` loops and `poolThreads` workers.
    package init(dataThreads: Int, poolThreads: Int) {
        dataLoops = MultiThreadedEventLoopGroup(numberOfThreads: dataThreads)
        controlGroup = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        controlLoop = controlGroup.next()
        pool = NIOThreadPool(numberOfThreads: poolThreads)
        pool.start()
    }

    /// Monotonic time as the cores count it.
    package static var now: Instant { Instant(nanoseconds: NIODeadline.now().uptimeNanoseconds) }

    /// Runs blocking `body` on the pool.
    package func blocking<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
        try await pool.runIfActive(body)
    }

    /// Ends all threads. Nothing may use the plane afterwards.
    package func shutdown() async {
        try? await dataLoops.shutdownGracefully()
        try? await controlGroup.shutdownGracefully()
        try? await pool.shutdownGracefully()
    }
}
