/// How a repository is to be kept; every number has its unit and reason.
package struct RepositoryOptions: Sendable {
    /// Blocks below this many bytes go to small packs, the rest to large ones (64 KiB: above it the page that
    /// alignment wastes is under 6 %).
    package var smallBlockLimit = 64 << 10
    /// A large pack is sealed at this many bytes (1 GiB: few files, and a whole one is soon deleted).
    package var packLimit: Int64 = 1 << 30
    /// A small pack is sealed at this many bytes (128 MiB: that much is copied at most when it is rewritten).
    package var smallPackLimit: Int64 = 128 << 20
    /// A background flush starts when this many bytes wait (16 MiB).
    package var flushBytes = 16 << 20
    /// A background flush starts when this many blocks or touches wait (4,096).
    package var flushCount = 4096
    /// `put` waits for the disk when more bytes than this wait (64 MiB), so that dirty memory stays bounded.
    package var maximumUnsynced = 64 << 20
    /// Blocks put or touched less than this many seconds ago are not collected, lease or not.
    package var graceSeconds: UInt32 = 60
    /// The most bytes that blocks may take; `nil` for no limit.
    package var quota: Int64?
    /// Blocks are refused when less than this many bytes would stay free on the disk.
    package var minimumFree: Int64 = 0
    /// The same as a percentage of the disk; the larger of the two counts.
    package var minimumFreePercent = 0
    /// Bytes kept allocated in a file that is given up when the disk is full, so that GC and SQLite can work.
    package var ballast: Int64 = 0
    /// Pack files that are kept open at most.
    package var maximumOpenPacks = 128
    /// Connections that read the index at the same time.
    package var readers = 4
    /// What a test wants to go wrong.
    package var faults: FaultPlan?
    /// Seconds since 1970; a test may stop the clock.
    package var now: @Sendable () -> UInt32 = { secondsNow() }

    package init() {}
}
