package import DHT
import Foundation
import Multiformats
import PeerCrypto
package import Storage

/// Points names to content, and finds out where others point theirs.
///
/// Publishing is durable before anything leaves: a sequence number never goes back, whatever happens to the process.
/// What is published is published again every four hours. Resolving keeps the last valid record of a name and
/// never believes an older one. Works offline with what is here.
package actor NameService {
    /// How the service reaches the network.
    package struct Network: Sendable {
        /// Stores a record with the peers closest to its key: how many took it, of how many that were told.
        package var put: @Sendable (_ key: [UInt8], _ value: [UInt8]) async throws -> (stored: Int, of: Int)
        /// The values that peers have under a key, as they come; the end is the end of the lookup.
        package var get: @Sendable (_ key: [UInt8]) async throws -> AsyncThrowingStream<[UInt8], any Error>

        package init(
            put: @escaping @Sendable (_ key: [UInt8], _ value: [UInt8]) async throws -> (stored: Int, of: Int),
            get: @escaping @Sendable (_ key: [UInt8]) async throws -> AsyncThrowingStream<[UInt8], any Error>
        ) {
            self.put = put
            self.get = get
        }
    }

    /// What was published.
    package struct Publication: Sendable {
        package var name: IPNSName
        package var record: IPNSRecord
        /// How many peers took the record, of how many that were told; none offline.
        package var stored: Int
        package var of: Int
    }

    /// How long a name holds unless it is published again; how long others may remember it.
    package static let lifetime = Duration.seconds(48 * 3600)
    package static let timeToLive = Duration.seconds(5 * 60)
    /// When a name is published again, and again after a failure.
    package static let republishInterval = Duration.seconds(4 * 3600)
    package static let retryInterval = Duration.seconds(5 * 60)
    /// After so many values the best of them is taken for the best there is.
    package static let quorum = 16
    /// The most names that are followed one after the other.
    package static let maximumDepth = 32
    /// The most names that are published again at a time.
    private static let parallelPuts = 8
    /// The most names that are remembered without asking.
    private static let maximumCached = 4096

    private let keys: KeyStore
    private let store: NameStore
    private let plane: ControlPlane
    private let now: @Sendable () -> KadTime
    private var network: Network?
    private var cache: [IPNSName: (record: IPNSRecord, fetched: KadTime)] = [:]
    /// When our own names are next due, where it is not what their records say.
    private var retries: [IPNSName: KadTime] = [:]
    private var republishing: Task<Void, Never>?
    private var sleep: Task<Void, Never>?

    /// - Parameter now: the time of the calendar.
    package init(
        keys: KeyStore, records: RecordStore, plane: ControlPlane,
        now: @escaping @Sendable () -> KadTime = { .now() }
    ) {
        self.keys = keys
        self.store = NameStore(records)
        self.plane = plane
        self.now = now
    }

    // MARK: Life

    /// Goes online: names are published again when they are due, until `stop`, which must come.
    package func start(_ network: Network) {
        attach(network)
        guard republishing == nil else { return }
        republishing = Task { await run() }
    }

    /// Goes online without publishing anything by itself.
    package func attach(_ network: Network) { self.network = network }

    /// Goes offline; what is under way is cancelled and waited for.
    package func stop() async {
        network = nil
        let task = republishing
        republishing = nil
        task?.cancel()
        sleep?.cancel()
        await task?.value
    }

    private func run() async {
        while !Task.isCancelled {
            let wait = await republish()
            guard !Task.isCancelled else { return }
            let sleep = Task { _ = try? await Task.sleep(for: wait) }
            self.sleep = sleep
            await sleep.value
        }
    }

    // MARK: Publishing

    /// Makes the name of a key point to `path`. The key is named as in the key store, or by its PeerID.
    ///
    /// The sequence number grows only when the path is another one. The record is on the disk before the network
    /// hears of it; when the network cannot be told, this throws, and it is tried again every five minutes.
    package func publish(
        _ path: String, key: String = KeyStore.identityName, lifetime: Duration = NameService.lifetime,
        timeToLive: Duration = NameService.timeToLive
    ) async throws -> Publication {
        let pair = try await plane.blocking { [keys] in try keys.key(key) }
        let name = IPNSName(pair.peerID)
        guard lifetime > .zero else { throw NameError.badLifetime }
        guard path.hasPrefix("/ipfs/") || path.hasPrefix("/ipns/"), path.utf8.count <= IPNSRecord.maximumValueLength
        else { throw NameError.badPath(path) }
        // Somebody else with the same key, or we before we lost our repo, may be further on.
        if try await blocking({ try $0.own(name) }) == nil, network != nil {
            _ = try? await latest(name, noCache: true)
        }
        let moment = now()
        let record = try await blocking { store in
            try store.sign(Array(path.utf8), lifetime, timeToLive, by: pair, now: moment)
        }
        remember(name, record)
        // When it is due again may be sooner than the loop thinks.
        defer { sleep?.cancel() }
        return try await send(record, of: name)
    }

    private func send(_ record: IPNSRecord, of name: IPNSName) async throws -> Publication {
        guard let network else { return Publication(name: name, record: record, stored: 0, of: 0) }
        retries[name] = now() + Self.retryInterval
        let (stored, of) = try await network.put(name.recordKey, record.bytes)
        guard stored > 0 else { throw NameError.notStored(name.description, of: of) }
        retries[name] = nil
        return Publication(name: name, record: record, stored: stored, of: of)
    }

    /// Publishes again what is due, with the sequence number that it has and a new end of life.
    ///
    /// Returns how long to wait until more is due.
    @discardableResult
    package func republish() async -> Duration {
        let moment = now()
        var next = moment + Self.republishInterval
        var due: [NameStore.Own] = []
        for own in (try? await blocking { try $0.allOwn() }) ?? [] {
            let time = retries[own.name] ?? own.due
            if time <= moment { due.append(own) } else { next = min(next, time) }
        }
        while network != nil, !due.isEmpty, !Task.isCancelled {
            await withTaskGroup(of: KadTime.self) { group in
                for own in due.prefix(Self.parallelPuts) { group.addTask { await self.republish(own, moment) } }
                for await time in group { next = min(next, time) }
            }
            due.removeFirst(min(due.count, Self.parallelPuts))
        }
        let current = now()
        return .milliseconds(
            next > current ? max(1000, Int64(clamping: next.milliseconds - current.milliseconds)) : 1000)
    }

    /// Publishes one name again; returns when to look at it next.
    private func republish(_ own: NameStore.Own, _ moment: KadTime) async -> KadTime {
        do {
            // A key that was removed, and a name that somebody with the same key has moved on, are left alone.
            guard let key = try await plane.blocking({ [keys] in try keys.key(of: own.name.peer) }),
                let best = try await blocking({ try $0.best(own.name) }), best.sequence <= own.record.sequence
            else { return moment + Self.republishInterval }
            let record = try await blocking { store in
                try store.sign(own.record.value, own.lifetime, own.record.timeToLive, by: key, now: moment)
            }
            remember(own.name, record)
            _ = try await send(record, of: own.name)
            return moment + own.interval
        } catch {
            let time = now() + Self.retryInterval
            retries[own.name] = time
            return time
        }
    }

    // MARK: Resolving

    /// What a name points to in the end: a path that starts with no other name, such as `/ipfs/...`.
    ///
    /// - Parameter name: `k51...` or another form, with or without `/ipns/`; a path behind it is kept.
    /// - Parameter depth: how many names are followed; with 1 what the first points to is returned, whatever it is.
    /// - Parameter noCache: asks the network even when what is remembered is fresh.
    package func resolve(
        _ name: String, depth: Int = NameService.maximumDepth, noCache: Bool = false
    ) async throws -> String {
        var path = name.hasPrefix("/ipns/") ? name : "/ipns/" + name
        for _ in 0..<max(1, min(depth, Self.maximumDepth)) {
            let parts = path.dropFirst(6).split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            guard let first = parts.first, let target = try? IPNSName(String(first)) else {
                throw NameError.badName(String(parts.first ?? ""))
            }
            let record = try await latest(target, noCache: noCache)
            guard let value = String(validating: record.value, as: UTF8.self), value.hasPrefix("/") else {
                throw NameError.badValue(target.description)
            }
            path = parts.count > 1 && !parts[1].isEmpty ? value + "/" + parts[1] : value
            if !path.hasPrefix("/ipns/") { return path }
        }
        guard depth == 1 else { throw NameError.tooDeep(name) }
        return path
    }

    /// The best record of a name that can be had, from memory while it is fresh, else from the network.
    package func latest(_ name: IPNSName, noCache: Bool = false) async throws -> IPNSRecord {
        let moment = now()
        if !noCache, let (record, fetched) = cache[name], record.isAlive(at: moment),
            moment < fetched + record.timeToLive
        {
            return record
        }
        let known = try await blocking { try $0.best(name) }
        var best = known
        var count = 0
        if let network {
            do {
                for try await value in try await network.get(name.recordKey) {
                    count += 1
                    if let found = try? IPNSRecord(verifying: value, of: name, now: moment),
                        best.map({ $0 < found }) ?? true
                    {
                        best = found
                    }
                    if count >= Self.quorum { break }
                }
            } catch {
                guard best?.isAlive(at: moment) == true else { throw error }
            }
        }
        guard let best, best.isAlive(at: moment) else {
            throw network == nil ? NameError.offline(name.description) : NameError.notFound(name.description)
        }
        if best != known { try await blocking { try $0.keep(best, of: name) } }
        remember(name, best)
        return best
    }

    private func remember(_ name: IPNSName, _ record: IPNSRecord) {
        if cache.count >= Self.maximumCached, cache[name] == nil,
            let oldest = cache.min(by: { ($0.value.fetched, $0.key) < ($1.value.fetched, $1.key) })?.key
        {
            cache[oldest] = nil
        }
        cache[name] = (record, now())
    }

    private func blocking<R: Sendable>(_ body: @escaping @Sendable (NameStore) throws -> R) async throws -> R {
        try await plane.blocking { [store] in try body(store) }
    }
}
