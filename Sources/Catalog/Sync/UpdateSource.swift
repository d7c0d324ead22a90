import NIOCore

/// Where the updates of a session are read: the log, or what stands for it in a test.
package protocol UpdateSource: Sendable {
    /// The updates with these names in their order: header and body, and the length of the header; `nil` for one
    /// that is not held.
    func blocks(_ ids: [UpdateID]) throws -> [(block: [UInt8], headerLength: Int)?]
}

extension UpdateSource {
    /// What a session that says `read` is told with `blocks`; it blocks, so not on the control loop.
    package func answer(_ ids: [UpdateID]) -> SyncSession.Input {
        guard let found = try? blocks(ids), found.count == ids.count else { return .unreadable }
        return .blocks(
            found.map { update in
                update.map { SyncBlock(bytes: ByteBuffer(bytes: $0.block), headerLength: $0.headerLength) }
            })
    }
}

extension UpdateLog: UpdateSource {}

extension SumTree {
    /// The set of all updates that a log knows of, held or not: once, at the start. It blocks on the disk.
    ///
    /// From then on the shell inserts what reports of the log name as `added`.
    package init(_ log: UpdateLog) throws {
        var keys: [UpdateKey] = []
        keys.reserveCapacity(try log.totals().updates)
        try log.forEachID { keys.append(UpdateKey(time: $0, digest: $1)) }
        self.init(unsorted: keys)
    }

    /// A set of keys in any order. Sorting them first takes half the time of inserting them as they come.
    package init(unsorted keys: consuming [UpdateKey]) {
        keys.sort()
        self.init(keys)
    }
}
