package import Multiformats
package import SansIO

/// Who is answered next, and with how much.
///
/// Each peer has a lane: its answers by priority, and what the shell holds for it. Lanes take turns by
/// start-time fair queueing: the one that was served the fewest bytes, counted from when it last had work,
/// goes first, so that one greedy peer cannot slow the others down. A lane rests while its outstanding
/// bytes or envelopes are at their limit; that limit grows for peers whose messages leave quickly.
/// Source: Goyal, Vin, Cheng, "Start-time Fair Queuing" (SIGCOMM 1996).
package struct ServeQueue: Sendable {
    /// A block that is to be sent.
    package struct Task: Comparable, Sendable {
        package let cid: CID
        package let size: Int
        package let priority: Int32
        package let sequence: UInt64

        package init(cid: CID, size: Int, priority: Int32, sequence: UInt64) {
            self.cid = cid
            self.size = size
            self.priority = priority
            self.sequence = sequence
        }

        package static func < (left: Task, right: Task) -> Bool {
            left.priority == right.priority ? left.sequence < right.sequence : left.priority > right.priority
        }
    }

    /// A HAVE or DONT_HAVE that is to be sent.
    package struct Answer: Sendable {
        package let cid: CID
        package let has: Bool
        package let sequence: UInt64

        var kind: Kind { has ? .have : .dontHave }

        package init(cid: CID, has: Bool, sequence: UInt64) {
            self.cid = cid
            self.has = has
            self.sequence = sequence
        }
    }

    /// What goes into one envelope.
    package struct Batch: Sendable {
        package let lane: Int
        package var tasks: [Task] = []
        package var answers: [Answer] = []
        package var bytes = 0
    }

    private struct Lane {
        var isOpen = false
        var tasks = Heap<Task>()
        /// Tasks in the heap that nobody wants any more.
        var staleTasks = 0
        var answers: [Answer] = []
        /// Answers before this index are done.
        var head = 0
        var queuedBytes = 0
        var outstandingBytes = 0
        var envelopes = 0
        var limit = 0
        /// Bytes served, on a scale that is common to all lanes.
        var served = 0.0
        var isActive = false
        var restsUntil = Instant.zero

        var isEmpty: Bool { tasks.isEmpty && head == answers.count }
    }

    /// Answers that may wait in a lane; a peer that asks again and again without reading gets no more.
    private static let answersPerLane = 4_096

    private var lanes: [Lane] = []
    private var active: [Int] = []
    private var floor = 0.0
    private let configuration: BitswapConfiguration
    package private(set) var outstandingBytes = 0
    package private(set) var envelopes = 0

    package init(_ configuration: BitswapConfiguration) {
        self.configuration = configuration
    }

    /// Opens the lane with that number.
    package mutating func open(_ lane: Int) {
        while lanes.count <= lane { lanes.append(Lane()) }
        lanes[lane] = Lane()
        lanes[lane].isOpen = true
        lanes[lane].limit = configuration.outstandingBytesPerPeer
    }

    /// Drops a lane with everything in it; its envelopes no longer count.
    package mutating func close(_ lane: Int) {
        outstandingBytes -= lanes[lane].outstandingBytes
        envelopes -= lanes[lane].envelopes
        lanes[lane] = Lane()
        active.removeAll { $0 == lane }
    }

    /// Block bytes that wait in a lane.
    package func queuedBytes(_ lane: Int) -> Int { lanes[lane].queuedBytes }
    /// Block bytes of a lane that the shell holds.
    package func outstandingBytes(_ lane: Int) -> Int { lanes[lane].outstandingBytes }

    package mutating func push(_ task: Task, to lane: Int) {
        lanes[lane].tasks.push(task)
        lanes[lane].queuedBytes += task.size
        activate(lane)
    }

    package mutating func push(_ answer: Answer, to lane: Int) {
        guard lanes[lane].answers.count - lanes[lane].head < Self.answersPerLane else { return }
        if lanes[lane].head > Self.answersPerLane {
            lanes[lane].answers.removeFirst(lanes[lane].head)
            lanes[lane].head = 0
        }
        lanes[lane].answers.append(answer)
        activate(lane)
    }

    /// What is queued under a CID.
    package enum Kind: Hashable, Sendable {
        case block, have, dontHave
    }

    /// Tells whether what is queued under a CID and a sequence number is still wanted.
    package typealias Liveness = (_ lane: Int, _ cid: CID, _ sequence: UInt64, _ kind: Kind) -> Bool

    /// Says that a queued task of `size` has become stale.
    package mutating func forget(size: Int, of lane: Int, isLive: Liveness) {
        lanes[lane].queuedBytes -= size
        lanes[lane].staleTasks += 1
        guard lanes[lane].staleTasks > 64 + lanes[lane].tasks.count / 2 else { return }
        lanes[lane].tasks.removeAll { !isLive(lane, $0.cid, $0.sequence, .block) }
        lanes[lane].staleTasks = 0
    }

    /// A lane takes no turn until then.
    package mutating func rest(_ lane: Int, until: Instant) { lanes[lane].restsUntil = until }

    private mutating func activate(_ lane: Int) {
        guard !lanes[lane].isActive else { return }
        lanes[lane].isActive = true
        lanes[lane].served = max(lanes[lane].served, floor)
        active.append(lane)
    }

    /// Takes the next batch; `nil` when nobody may be served now. What is stale vanishes here.
    package mutating func next(now: Instant, isLive: Liveness) -> Batch? {
        guard envelopes < configuration.envelopes else { return nil }
        var chosen: Int?
        var emptied = false
        for lane in active {
            prune(lane, isLive: isLive)
            if lanes[lane].isEmpty {
                lanes[lane].isActive = false
                emptied = true
            } else if mayServe(lane, now: now), chosen.map({ lanes[lane].served < lanes[$0].served }) ?? true {
                chosen = lane
            }
        }
        if emptied { active.removeAll { !lanes[$0].isActive } }
        guard let lane = chosen else { return nil }
        floor = max(floor, lanes[lane].served)
        return fill(lane, isLive: isLive)
    }

    private mutating func prune(_ lane: Int, isLive: Liveness) {
        while let task = lanes[lane].tasks.first, !isLive(lane, task.cid, task.sequence, .block) {
            lanes[lane].tasks.pop()
            lanes[lane].staleTasks = max(0, lanes[lane].staleTasks - 1)
        }
        while lanes[lane].head < lanes[lane].answers.count {
            let answer = lanes[lane].answers[lanes[lane].head]
            if isLive(lane, answer.cid, answer.sequence, answer.kind) { return }
            lanes[lane].head += 1
        }
        lanes[lane].answers.removeAll(keepingCapacity: true)
        lanes[lane].head = 0
    }

    private func mayServe(_ lane: Int, now: Instant) -> Bool {
        guard lanes[lane].restsUntil <= now, lanes[lane].envelopes < configuration.envelopesPerPeer else {
            return false
        }
        if lanes[lane].head < lanes[lane].answers.count { return true }
        return lanes[lane].tasks.first.map { fits($0.size, in: lane) } ?? false
    }

    /// Whether a block may be handed out: a single one always may when nothing else is.
    private func fits(_ size: Int, in lane: Int) -> Bool {
        let outstanding = lanes[lane].outstandingBytes
        return (outstanding == 0 || outstanding + size <= lanes[lane].limit)
            && (outstandingBytes == 0 || outstandingBytes + size <= configuration.outstandingBytes)
    }

    private mutating func fill(_ lane: Int, isLive: Liveness) -> Batch {
        var batch = Batch(lane: lane)
        while lanes[lane].head < lanes[lane].answers.count, batch.answers.count < configuration.envelopeItems {
            let answer = lanes[lane].answers[lanes[lane].head]
            lanes[lane].head += 1
            if isLive(lane, answer.cid, answer.sequence, answer.kind) { batch.answers.append(answer) }
        }
        while let task = lanes[lane].tasks.first {
            if !isLive(lane, task.cid, task.sequence, .block) {
                lanes[lane].tasks.pop()
                lanes[lane].staleTasks = max(0, lanes[lane].staleTasks - 1)
                continue
            }
            guard batch.tasks.count < configuration.envelopeItems, fits(task.size, in: lane),
                batch.tasks.isEmpty || batch.bytes + task.size <= configuration.envelopeBytes
            else { break }
            lanes[lane].tasks.pop()
            lanes[lane].outstandingBytes += task.size
            lanes[lane].queuedBytes -= task.size
            outstandingBytes += task.size
            batch.bytes += task.size
            batch.tasks.append(task)
        }
        lanes[lane].envelopes += 1
        envelopes += 1
        lanes[lane].served += Double(batch.bytes + 64 * batch.answers.count + 256)
        return batch
    }

    /// An envelope of `bytes` left after `took`, or failed (`nil`): its room is free again.
    package mutating func finished(_ lane: Int, bytes: Int, took: Duration?) {
        guard lanes[lane].isOpen else { return }
        lanes[lane].outstandingBytes -= bytes
        lanes[lane].envelopes -= 1
        outstandingBytes -= bytes
        envelopes -= 1
        guard let took, bytes > 0 else { return }
        if took <= configuration.fastEnvelope {
            lanes[lane].limit = min(2 * lanes[lane].limit, configuration.outstandingBytesFastPeer)
        } else if took >= configuration.fastEnvelope * 10 {
            lanes[lane].limit = max(lanes[lane].limit / 2, configuration.outstandingBytesPerPeer)
        }
    }
}
