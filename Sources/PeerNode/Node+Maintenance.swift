import MerkleDAG
package import Multiformats
import NIOCore
package import Storage

extension Node {
    /// Deletes every block that nothing keeps: no pin, no import or fetch in flight.
    package func collectGarbage(progress: @escaping @Sendable (GCProgress) -> Void = { _ in }) async throws -> GCReport
    {
        let blocks = blocks
        return try await plane.blocking {
            try blocks.collectGarbage(links: { (try? Links.of($0, $1)) ?? [] }, progress: progress)
        }
    }

    /// What a verification found, and what could be mended.
    package struct Verification: Sendable {
        package let report: VerifyReport
        /// Every block that is known to be damaged, found now or before.
        package let damaged: [CID]
        /// Damaged blocks that a peer has sent again.
        package let refetched: [CID]

        /// Whether every block is whole now.
        package var isClean: Bool { damaged.count == refetched.count }
    }

    /// Reads and hashes every block. A damaged one is quarantined, and fetched again when a peer has it.
    package func verify(
        progress: @escaping @Sendable (VerifyReport) -> Void = { _ in }
    ) async throws -> Verification {
        let blocks = blocks
        // What a read found damaged before counts as much as what this pass finds.
        let (report, damaged) = try await plane.blocking {
            let report = try blocks.verify(progress: progress)
            return (
                report,
                Set(report.damaged + (try blocks.quarantined()).map(\.cid)).sorted {
                    $0.bytes.lexicographicallyPrecedes($1.bytes)
                }
            )
        }
        var refetched: [CID] = []
        if isOnline, !damaged.isEmpty {
            let session = fetchSession(timeout: .seconds(5))
            defer { session.close() }
            // Peers look blocks up by multihash; so the codec, which the store does not know, does not matter.
            for cid in damaged where (try? await session.get(cid)) != nil { refetched.append(cid) }
            try await session.sync()
        }
        return Verification(report: report, damaged: damaged, refetched: refetched)
    }
}
