import DHT
import Logging
import Multiformats
import NIOCore
import NIOPosix
import SansIO
import Storage
import Transport

/// Tells the network what this node has: the shell of the `Reprovider`, on the control loop.
///
/// The reprovider's effects are carried out in order, and what it wants persisted is on its way to the disk before
/// anything that follows it; so a key that was accepted is announced even if the process dies meanwhile.
actor ProvideService {
    private enum Step: Sendable {
        case effect(Reprovider.Effect)
        /// Somebody waits for all that came before.
        case reached(CheckedContinuation<Void, Never>)
    }

    static let table = "provide"

    private let plane: ControlPlane
    private let records: RecordStore
    private let configuration: NodeConfiguration
    private let logger: Logger
    private var driver: CoreDriver<Reprovider>
    private var line = CircularBuffer<Step>()
    private var isWriting = false
    /// The routing's numbers of our queries.
    private var queries: [QueryID: UInt64] = [:]
    private weak var routing: RoutingService?
    private let sources: ProvideSources
    private var survey: RepeatedTask?
    private var stopped = false

    nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe plane.controlLoop.executor.asUnownedSerialExecutor()
    }

    init(
        peer: PeerID, configuration: NodeConfiguration, sources: ProvideSources, records: RecordStore,
        plane: ControlPlane, logger: Logger
    ) {
        self.configuration = configuration
        self.sources = sources
        self.records = records
        self.plane = plane
        self.logger = logger
        var settings = ReproviderConfiguration()
        settings.cycle = configuration.provide.interval
        settings.strategy = ProvideStrategy(rawValue: configuration.provide.strategy) ?? .roots
        driver = CoreDriver(Reprovider(settings, peer: peer, epoch: KadTime.now(), start: ControlPlane.now))
    }

    nonisolated func onControl(_ body: @escaping @Sendable (isolated ProvideService) -> Void) {
        plane.controlLoop.execute { self.assumeIsolated(body) }
    }

    // MARK: Life

    /// Begins with what was persisted, then looks what there is to provide, and again each time a cycle is over.
    func start(asking routing: RoutingService, _ saved: [ProvideRecord]) {
        self.routing = routing
        if !saved.isEmpty { feed(.restored(saved)) }
        let interval = TimeAmount(configuration.provide.interval)
        survey = plane.controlLoop.scheduleRepeatedTask(initialDelay: .zero, delay: interval) { [weak self] _ in
            self?.lookAround()
        }
    }

    /// What was persisted. May block.
    nonisolated func load() -> [ProvideRecord] {
        ((try? records.all(in: Self.table)) ?? []).compactMap {
            ProvideRecord(storedKey: $0.key, value: $0.value)
        }
    }

    func stop() {
        stopped = true
        driver.stop()
        survey?.cancel()
        for step in line { if case .reached(let continuation) = step { continuation.resume() } }
        line.removeAll()
    }

    func networkChanged(isOnline: Bool) { feed(.networkChanged(isOnline: isOnline)) }

    // MARK: Keys

    /// Provides `keys`; when this returns they are accepted for good. With `urgently` they go out at once.
    func provide(_ keys: [Multihash], urgently: Bool) async {
        guard !stopped, !keys.isEmpty else { return }
        feed(.provide(keys, urgently: urgently))
        await reachEnd()
    }

    /// Provides `keys` no longer.
    func withdraw(_ keys: [Multihash]) async {
        guard !stopped else { return }
        feed(.withdraw(keys))
        await reachEnd()
    }

    /// Tells the network everything again, now.
    func provideEverything() { feed(.provideEverything) }

    /// How providing goes.
    var status: ProvideStatus {
        let now = ControlPlane.now
        let status = driver.core.status(now: now)
        let left =
            status.cycleEnds.milliseconds > status.now.milliseconds
            ? status.cycleEnds.milliseconds - status.now.milliseconds : 0
        return ProvideStatus(
            strategy: status.strategy.rawValue, queued: status.queued + status.failing,
            provided: UInt64(driver.core.statistics.provided), keys: status.total, ratePerHour: status.ratePerHour,
            lastCycle: status.lastCycle.map { last in
                .milliseconds(
                    Int64(clamping: status.cycle.began.milliseconds) - Int64(clamping: last.began.milliseconds))
            },
            cycleEnds: status.total > 0 ? .milliseconds(Int64(clamping: left)) : nil,
            failures: UInt64(driver.core.statistics.failed), summary: status.summary)
    }

    /// Compares what there is with what is provided.
    private nonisolated func lookAround() {
        plane.pool.submit { [weak self] _ in
            guard let self else { return }
            do {
                try self.sources.changes(since: self.load()) { new in
                    self.onControl { $0.feed(.provide(new, urgently: false)) }
                } gone: { gone in
                    self.onControl { $0.feed(.withdraw(gone)) }
                }
            } catch {
                self.logger.warning("cannot list what to provide", metadata: ["error": "\(error)"])
            }
        }
    }

    // MARK: The core

    private func feed(_ input: consuming Reprovider.Input) {
        guard !stopped else { return }
        line.append(contentsOf: driver.handle(input).map { .effect($0) })
        carryOn()
    }

    private func tick() {
        guard !stopped else { return }
        line.append(contentsOf: driver.tick().map { .effect($0) })
        carryOn()
    }

    /// Carries out what stands in line, until something must be written first.
    private func carryOn() {
        while !isWriting, let step = line.popFirst() {
            switch step {
            case .effect(.persist(let new)): write { try $0.set(new.map(\.stored), in: ProvideService.table) }
            case .effect(.forget(let gone)):
                write { for key in gone { try $0.delete(key.bytes, in: ProvideService.table) } }
            case .effect(.start(let id, let query)): ask(id, query)
            case .effect(.cancel(let id)):
                guard let number = queries.removeValue(forKey: id) else { break }
                routing?.assumeIsolated { $0.cancel(number) }
            case .reached(let continuation): continuation.resume()
            }
        }
        driver.schedule(on: plane.controlLoop) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { $0.tick() }
        }
    }

    private func write(_ body: @escaping @Sendable (RecordStore) throws -> Void) {
        isWriting = true
        let records = records
        let logger = logger
        plane.pool.submit { _ in
            do { try body(records) } catch {
                logger.warning("cannot save what is provided", metadata: ["error": "\(error)"])
            }
            self.onControl {
                $0.isWriting = false
                $0.carryOn()
            }
        }
    }

    private func reachEnd() async {
        await withCheckedContinuation { continuation in
            line.append(.reached(continuation))
            carryOn()
        }
    }

    private func ask(_ id: QueryID, _ query: Query) {
        guard let routing else { return }
        let number = routing.assumeIsolated { routing in
            routing.start(query) { [weak self] news in
                guard case .finished(let result) = news else { return }
                // It can be over at once.
                self?.onControl { $0.finished(id, result) }
            }
        }
        queries[id] = number
    }

    private func finished(_ id: QueryID, _ result: QueryResult) {
        guard queries.removeValue(forKey: id) != nil else { return }
        feed(.finished(id, result))
    }
}

extension ProvideRecord {
    fileprivate var stored: RecordStore.Record { RecordStore.Record(key: key.bytes, value: storedValue) }
}
