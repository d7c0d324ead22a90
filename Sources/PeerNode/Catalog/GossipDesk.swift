import Catalog
package import Multiformats
import NIOCore
import Synchronization

/// Where updates go out to the topic of all nodes. Whoever speaks gossip gives the catalog one of these.
package protocol UpdateGossip: AnyObject, Sendable {
    /// Sends an update, header and body, to the peers of the topic. Any thread; never waits.
    func publish(_ block: [UInt8])
}

/// What the catalog found out about a gossiped update.
package enum UpdateVerdict: Hashable, Sendable {
    /// New and valid: others should hear of it.
    case accept
    /// Known, too early, too many or waiting in vain: nobody is to blame.
    case ignore
    /// Invalid, whoever looks at it.
    case reject
}

/// An update as gossip brought it.
package struct GossipedUpdate: Sendable {
    /// Header and body.
    package let block: [UInt8]
    /// Who sent it here.
    package let peer: PeerID
    /// To be called once, on any thread: at once, or within a minute while ancestors are fetched.
    package let answer: @Sendable (UpdateVerdict) -> Void

    package init(block: [UInt8], peer: PeerID, answer: @escaping @Sendable (UpdateVerdict) -> Void) {
        self.block = block
        self.peer = peer
        self.answer = answer
    }
}

/// Judges what gossip brings: takes updates into the log in batches, and answers each when it is settled.
///
/// Whatever comes while a batch is being stored makes up the next one; so the more there is, the fewer transactions
/// it takes. What is beyond the limits is ignored unseen, and comes by pull.
final class GossipDesk: Sendable {
    /// Updates that may wait for their batch, and their bytes.
    private static let mostQueued = 4_096
    private static let mostQueuedBytes = 32 << 20
    /// Updates of one batch.
    private static let batch = 512
    /// How long an answer waits for missing ancestors: less than gossip waits for it.
    private static let patience = Duration.seconds(50)

    private struct Waiting {
        let answer: @Sendable (UpdateVerdict) -> Void
        let since: NIODeadline
    }

    private struct State {
        var queue: [GossipedUpdate] = []
        var queuedBytes = 0
        var isRunning = false
        /// Answers that wait for missing ancestors.
        var waiting: [UpdateID: [Waiting]] = [:]
        var counts = CatalogGossipCounts()
        /// Asks a peer for updates.
        var ask: (@Sendable ([UpdateID], PeerID) -> Void)?
    }

    private let store: CatalogStore
    private let state = Mutex(State())

    init(_ store: CatalogStore) { self.store = store }

    var counts: CatalogGossipCounts {
        state.withLock { state in
            var counts = state.counts
            counts.waiting = state.waiting.values.reduce(0) { $0 + $1.count }
            return counts
        }
    }

    /// Lets `ask` fetch what is missing, from now on; `nil` when there is nobody to ask.
    func ask(by ask: (@Sendable ([UpdateID], PeerID) -> Void)?) { state.withLock { $0.ask = ask } }

    func published(_ count: Int) { state.withLock { $0.counts.published += count } }

    /// Takes what gossip brought; every answer is given, now or later.
    func take(_ updates: [GossipedUpdate]) {
        var refused: [GossipedUpdate] = []
        let begins = state.withLock { state in
            state.counts.received += updates.count
            for update in updates {
                guard state.queue.count < Self.mostQueued,
                    state.queuedBytes + update.block.count <= Self.mostQueuedBytes
                else {
                    refused.append(update)
                    continue
                }
                state.queue.append(update)
                state.queuedBytes += update.block.count
            }
            defer { state.isRunning = state.isRunning || !state.queue.isEmpty }
            return !state.isRunning && !state.queue.isEmpty
        }
        if !refused.isEmpty {
            store.log.dropped(refused.count, .busy)
            answer(refused.map(\.answer), .ignore)
        }
        if begins { Task { await run() } }
    }

    private func run() async {
        while true {
            let batch = state.withLock { state in
                let batch = Array(state.queue.prefix(Self.batch))
                state.queue.removeFirst(batch.count)
                state.queuedBytes -= batch.reduce(0) { $0 + $1.block.count }
                state.isRunning = !batch.isEmpty
                return batch
            }
            if batch.isEmpty { return }
            await judge(batch)
        }
    }

    /// What is missing, by the peer that knows of it.
    private typealias Questions = [(peer: PeerID, ids: [UpdateID])]

    private func judge(_ batch: [GossipedUpdate]) async {
        let verified = await VerifiedUpdate.verify(batch.map(\.block))
        let store = store
        let asked: Questions?
        do {
            asked = try await store.writing { [self] in
                var questions: Questions = []
                for (peer, places) in Self.byPeer(batch) {
                    let updates = places.map { batch[$0] }
                    let report = try? store.log.store(
                        places.map { verified[$0] }, from: .push(from: peer), now: store.now())
                    guard let report else {
                        // A disk that fails is nobody's fault but ours.
                        answer(updates.map(\.answer), .ignore)
                        continue
                    }
                    let missing = settle(updates, report)
                    if !missing.isEmpty { questions.append((peer, missing)) }
                    store.took(report)
                }
                return questions
            }
        } catch {
            // The catalog was closed meanwhile.
            answer(batch.map(\.answer), .ignore)
            asked = nil
        }
        guard let ask = state.withLock({ $0.ask }) else { return }
        for (peer, ids) in asked ?? [] { ask(ids, peer) }
    }

    /// Places in the batch by peer, peers in the order of their first update.
    private static func byPeer(_ batch: [GossipedUpdate]) -> [(PeerID, [Int])] {
        var groups: [(PeerID, [Int])] = []
        var numbers: [PeerID: Int] = [:]
        for (place, update) in batch.enumerated() {
            if let number = numbers[update.peer] {
                groups[number].1.append(place)
            } else {
                numbers[update.peer] = groups.count
                groups.append((update.peer, [place]))
            }
        }
        return groups
    }

    /// Answers for what is decided, and remembers the rest; gives the updates that are missing.
    private func settle(_ updates: [GossipedUpdate], _ report: IngestReport) -> [UpdateID] {
        var missing: [UpdateID] = []
        for (update, (id, result)) in zip(updates, report.results) {
            if case .held(let ids) = result, let id {
                missing += ids
                let entry = Waiting(answer: update.answer, since: .now())
                state.withLock { $0.waiting[id, default: []].append(entry) }
            } else {
                answer([update.answer], Self.verdict(result))
            }
        }
        return missing
    }

    /// Answers what has waited for something in a batch that was stored, wherever that came from.
    func note(_ report: IngestReport) {
        guard state.withLock({ !$0.waiting.isEmpty }) else { return }
        for (id, result) in report.results {
            if case .held = result { continue }
            if let id { answer(take(id), Self.verdict(result, waited: true)) }
        }
        for (id, result) in report.released { answer(take(id), Self.verdict(result, waited: true)) }
        for id in report.expired { answer(take(id), .ignore) }
    }

    /// Gives up on what has waited too long.
    func expire() {
        let limit = NIODeadline.now() - TimeAmount(Self.patience)
        let overdue = state.withLock { state in
            let ids = state.waiting.filter { $0.value.contains { $0.since < limit } }.map(\.key)
            return ids.flatMap { state.waiting.removeValue(forKey: $0) ?? [] }
        }
        answer(overdue.map(\.answer), .ignore)
    }

    private func take(_ id: UpdateID) -> [@Sendable (UpdateVerdict) -> Void] {
        (state.withLock { $0.waiting.removeValue(forKey: id) } ?? []).map(\.answer)
    }

    private func answer(_ answers: [@Sendable (UpdateVerdict) -> Void], _ verdict: UpdateVerdict) {
        guard !answers.isEmpty else { return }
        state.withLock { state in
            switch verdict {
            case .accept: state.counts.accepted += answers.count
            case .ignore: state.counts.ignored += answers.count
            case .reject: state.counts.rejected += answers.count
            }
        }
        for answer in answers { answer(verdict) }
    }

    /// What gossip is told. An update that waited and is known now came by a pull meanwhile: still news to others.
    private static func verdict(_ result: IngestResult, waited: Bool = false) -> UpdateVerdict {
        switch result {
        case .accepted, .notHeld, .completed: .accept
        case .known: waited ? .accept : .ignore
        case .held, .ignored: .ignore
        case .rejected: .reject
        }
    }
}
