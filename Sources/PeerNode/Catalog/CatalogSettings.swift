import Catalog

extension NodeConfiguration {
    /// The catalog of everybody's updates.
    package struct Catalog: Sendable, Equatable {
        /// The most that updates may take, in bytes. Beyond it only those of authors whom somebody here follows are
        /// kept; nearly there, the farthest authors' go.
        package var quota = 4 << 30
        /// Updates, and bytes, that are kept of an author whom nobody here follows.
        package var authorUpdates = 20_000
        package var authorQuota = 32 << 20
        /// After a start peers are asked whether they know more of this node's authors than it does; publishing
        /// waits for that so long.
        package var settleTime = Duration.seconds(10)
        /// How often rankings are computed when something has changed; 0 for never.
        package var trendingInterval = Duration.seconds(300)
        /// How often it is looked whether bodies can go; 0 for never.
        package var sweepInterval = Duration.seconds(3600)
        /// Whether the author in use announces this node, at most hourly.
        package var announce = false
        /// What the node is announced as, and the URL where its HTTP API can be reached; empty for nowhere.
        package var roles: [String] = []
        package var endpoint = ""
    }
}

extension NodeConfiguration.Catalog {
    /// The limits of the log.
    var logLimits: LogLimits {
        var limits = LogLimits()
        limits.totalBytes = Int64(clamping: quota)
        limits.authorUpdates = authorUpdates
        limits.authorBytes = Int64(clamping: authorQuota)
        return limits
    }
}

extension Setting {
    /// The keys of the catalog.
    static let catalog: [Setting] = [
        .size(
            "catalog.quota", \.catalog.quota, minimum: 1 << 20,
            "most disk space for updates; beyond it only authors whom somebody here follows are kept"),
        .number(
            "catalog.author_updates", \.catalog.authorUpdates, 1...100_000_000,
            "most updates kept of an author whom nobody here follows"),
        .size(
            "catalog.author_quota", \.catalog.authorQuota, minimum: 64 << 10,
            "most bytes of updates kept of such an author"),
        .time(
            "catalog.settle_time", \.catalog.settleTime, minimum: .zero,
            "time that publishing waits after a start for what peers know of the own authors"),
        .time(
            "catalog.trending_interval", \.catalog.trendingInterval, minimum: .zero,
            "time between computations of the rankings; 0 for never"),
        .time(
            "catalog.sweep_interval", \.catalog.sweepInterval, minimum: .zero,
            "time between looks for bodies that may be erased; 0 for never"),
        .flag("catalog.announce", \.catalog.announce, "whether the author in use announces this node, at most hourly"),
        .list("catalog.roles", \.catalog.roles, "what the node is announced as, such as landlord") {
            (1...UpdateLimits.word).contains($0.unicodeScalars.count) ? nil : "a word of at most 64 characters"
        },
        .text("catalog.endpoint", \.catalog.endpoint, "URL of the HTTP API that is announced; empty for none") {
            $0.unicodeScalars.count <= UpdateLimits.website ? nil : "a URL of at most 256 characters"
        },
    ]
}
