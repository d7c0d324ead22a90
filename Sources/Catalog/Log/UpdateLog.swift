import GRDB
import Multiformats
import Synchronization

/// All updates that this node knows of: verified, stored, and with what each may do settled.
///
/// `ingest` takes what peers send, in batches: one transaction for each. An update is valid by its bytes and its
/// ancestors alone, so the same set gives the same log everywhere, whatever the order of arrival. What counts goes
/// to the sink in the same transaction. `publish` adds what this node's authors say.
package final class UpdateLog: Sendable {
    package let database: CatalogDatabase
    package let limits: LogLimits
    let sink: (any UpdateSink)?
    /// What only the database's writer touches, one transaction at a time.
    let state: LogState
    private let counts = Mutex(LogCounts())

    /// Opens the log in `database`. `sink` is given what counts, in the same transactions.
    package init(
        _ database: CatalogDatabase, limits: LogLimits = LogLimits(), sink: (any UpdateSink)? = nil
    ) throws(CatalogError) {
        self.database = database
        self.limits = limits
        self.sink = sink
        state = LogState(limits)
        let state = state
        try database.write { try state.authors.load(from: $0) }
    }

    /// What has become of updates since the start, by result and reason.
    package var counters: LogCounts { counts.withLock { $0 } }

    /// Counts updates that were dropped before the log saw them.
    package func dropped(_ count: Int, _ reason: IgnoreReason) { counts.withLock { $0.add(count, reason) } }

    /// Verifies a batch on several threads and stores what is new. `now` is in milliseconds since 1970.
    package func ingest(
        _ blocks: [[UInt8]], from origin: UpdateOrigin, now: UInt64
    ) async throws(CatalogError) -> IngestReport {
        let verified = await VerifiedUpdate.verify(blocks)
        return try store(verified, from: origin, now: now)
    }

    /// Stores what is new of a verified batch: one transaction. It blocks on the disk.
    package func store(
        _ batch: [VerifiedUpdate], from origin: UpdateOrigin, now: UInt64
    ) throws(CatalogError) -> IngestReport {
        let report = try transaction(now: now) { writer, state in
            var report = IngestReport()
            report.results.reserveCapacity(batch.count)
            for item in batch {
                switch item.outcome {
                case .failure(let error): report.results.append((nil, .rejected(error)))
                case .success(let update):
                    let result = try state.take(update, from: origin, writer, &report)
                    report.results.append((update.id, result))
                }
            }
            report.expired = state.held.expire(now: now)
            report.added = writer.added
            return report
        }
        counts.withLock { $0.add(report) }
        return report
    }

    /// One transaction with a writer of the log; durable before it returns if asked for.
    func transaction<T>(
        now: UInt64, durable: Bool = false, _ body: (LogWriter, LogState) throws -> T
    ) throws(CatalogError) -> T {
        let (state, limits, sink) = (state, limits, sink)
        func run(_ database: Database) throws -> T {
            do {
                let writer = LogWriter(database, limits: limits, now: now, authors: state.authors)
                let result = try body(writer, state)
                try writer.finish(sink)
                return result
            } catch {
                // The transaction is undone, and what was remembered of it must be.
                state.needsLoading = true
                throw error
            }
        }
        func prepared(_ database: Database) throws -> T {
            if state.needsLoading {
                try state.authors.load(from: database)
                state.needsLoading = false
            }
            return try run(database)
        }
        do throws(CatalogError) {
            return durable ? try database.durably(prepared) : try database.write(prepared)
        } catch {
            // A commit that failed undoes just as much.
            try? database.write { _ in state.needsLoading = true }
            throw error
        }
    }
}

/// What the log keeps in memory between transactions.
///
/// Sendable: only the database's one writer touches it, inside its transactions.
final class LogState: @unchecked Sendable {
    let authors = AuthorStates()
    var held: HeldUpdates
    var rates: AuthorRates
    /// Whether a transaction has failed since `authors` was loaded.
    var needsLoading = false
    private let limits: LogLimits

    init(_ limits: LogLimits) {
        self.limits = limits
        held = HeldUpdates(limits)
        rates = AuthorRates(limits)
    }

    /// Puts one update into the log, and then all that have waited for it.
    func take(
        _ update: Update, from origin: UpdateOrigin, _ writer: LogWriter, _ report: inout IngestReport
    ) throws -> IngestResult {
        if case .push(let peer) = origin, let reason = try refuse(update, from: peer, writer) {
            return .ignored(reason)
        }
        var result = try writer.add(update)
        if case .held(let missing) = result {
            if case .push(let peer) = origin, try isStranger(update, writer),
                !rates.chargeNewAuthor(from: peer, now: writer.now)
            {
                result = .ignored(.newAuthors)
            } else if !held.hold(update, missing: missing, now: writer.now) {
                result = .ignored(.missingAncestors)
            }
        }
        guard result.isNews else { return result }
        var ready = held.release(by: update.id)
        while let next = ready.popLast() {
            let result = try writer.add(next)
            report.released.append((next.id, result))
            if result.isNews { ready += held.release(by: next.id) }
        }
        return result
    }

    /// Why gossip of this update is dropped, if it is. Charged only once the signature has been checked, so that
    /// nobody uses up another's rate.
    private func refuse(
        _ update: Update, from peer: PeerID, _ writer: LogWriter
    ) throws -> IgnoreReason? {
        if update.body == nil { return .noBody }
        if update.time > writer.now, update.time - writer.now > limits.ahead { return .ahead }
        if authors.blocked.contains(update.author) { return .blocked }
        // A repeat costs nobody anything.
        if try writer.row(of: update.id) != nil { return nil }
        guard rates.charge(update.header.signer, bytes: update.block.count, now: writer.now) else {
            return .authorRate
        }
        if update.header.author == nil, !rates.chargeNewAuthor(from: peer, now: writer.now) { return .newAuthors }
        return nil
    }

    /// Whether an update that waits may be anybody's: not signed by a key that is known to be its author's. So
    /// that one peer cannot fill the places where others wait, it counts as a new author does.
    private func isStranger(_ update: Update, _ writer: LogWriter) throws -> Bool {
        guard let state = try authors.state(of: update.author, in: writer.database) else { return true }
        return state.era.key != update.header.key
    }
}

/// How many updates had which fate since the start.
package struct LogCounts: Sendable {
    package private(set) var accepted = 0
    package private(set) var notHeld = 0
    package private(set) var completed = 0
    package private(set) var known = 0
    package private(set) var held = 0
    package private(set) var ignored: [IgnoreReason: Int] = [:]
    /// By the name of the error, without what it carries.
    package private(set) var rejected: [String: Int] = [:]

    mutating func add(_ report: IngestReport) {
        for (_, result) in report.results { add(result) }
        for (_, result) in report.released { add(result) }
        if !report.expired.isEmpty { add(report.expired.count, .missingAncestors) }
    }

    mutating func add(_ count: Int, _ reason: IgnoreReason) { ignored[reason, default: 0] += count }

    private mutating func add(_ result: IngestResult) {
        switch result {
        case .accepted: accepted += 1
        case .notHeld: notHeld += 1
        case .completed: completed += 1
        case .known: known += 1
        case .held: held += 1
        case .ignored(let reason): ignored[reason, default: 0] += 1
        case .rejected(let error): rejected[error.name, default: 0] += 1
        }
    }
}
