import Multiformats
import NIOCore
import Synchronization

/// Walks a DAG in order while fetching ahead: a window of blocks is asked for at once, answers may come in
/// any order, and results are given out in the order of the walk.
///
/// The walk is a stack of slots, its top the next in order. A slot's block is fetched, `expand` says what it
/// yields and which slots take its place, and those come before everything below. Every file range, folder
/// walk and export is this one machine with another `expand`.
///
/// Used by one consumer; `cancel` ends what is under way.
final class OrderedFetch<Item: Sendable, Output: Sendable>: Sendable {
    /// A block to visit.
    struct Visit: Sendable {
        var cid: CID
        var item: Item
        /// When false, `expand` gets no bytes and nothing is fetched.
        var fetches = true
    }

    /// What visiting a block gave.
    struct Expansion: Sendable {
        var output: Output?
        /// What follows it in the walk, in order.
        var children: [Visit] = []
    }

    /// Runs on the fetching task, so that blocks are parsed in parallel.
    typealias Expand = @Sendable (Visit, ByteBuffer) throws -> Expansion

    private enum Phase {
        case waiting
        case fetching
        case done(Expansion)
        case failed(any Error)
    }

    private struct Slot {
        let id: UInt64
        let visit: Visit
        var phase: Phase = .waiting
        /// The length of the block while it is held here.
        var bytes = 0
    }

    private struct State {
        /// The walk; the last slot is the next in order.
        var slots: [Slot] = []
        var nextID: UInt64 = 0
        /// The blocks that are asked for; their number never passes the window.
        var tasks: [UInt64: Task<Void, Never>] = [:]
        /// The bytes of blocks that came and were not given out yet.
        var heldBytes = 0
        var waiter: CheckedContinuation<Void, Never>?
        var seen: Set<Multihash> = []
        var isCancelled = false
    }

    /// Looking ahead stops while so many bytes, per block of the window, wait to be given out.
    private static var heldBytesPerBlock: Int { 1 << 20 }

    /// The most slots that looking ahead may pile up; above it only the top is expanded.
    private static var slotLimit: Int { 1 << 16 }

    private let get: BlockGet
    private let expand: Expand
    private let window: Int
    /// Whether each block is visited once only, however often it is linked.
    private let visitsOnce: Bool
    /// The most blocks that are remembered as visited.
    private let seenLimit: Int
    private let state = Mutex(State())

    init(
        _ roots: [Visit], window: Int, visitsOnce: Bool = false, seenLimit: Int = .max, get: @escaping BlockGet,
        expand: @escaping Expand
    ) {
        self.get = get
        self.expand = expand
        self.window = max(1, window)
        self.visitsOnce = visitsOnce
        self.seenLimit = seenLimit
        state.withLock { Self.push(roots, at: 0, &$0) }
    }

    /// The next result; `nil` at the end of the walk.
    func next() async throws -> Output? {
        while true {
            try Task.checkCancellation()
            switch try state.withLock({ try step(&$0) }) {
            case .output(let output): return output
            case .end: return nil
            case .again: continue
            case .wait:
                await withTaskCancellationHandler {
                    await withCheckedContinuation { continuation in
                        let isReady = state.withLock { state in
                            if state.isCancelled || Self.topIsReady(state) { return true }
                            state.waiter = continuation
                            return false
                        }
                        if isReady { continuation.resume() }
                    }
                } onCancel: {
                    self.cancel()
                }
            }
        }
    }

    /// Ends everything that is under way; `next` then throws or ends.
    func cancel() {
        let (tasks, waiter) = state.withLock { state in
            state.isCancelled = true
            defer {
                state.tasks = [:]
                state.waiter = nil
            }
            return (Array(state.tasks.values), state.waiter)
        }
        for task in tasks { task.cancel() }
        waiter?.resume()
    }

    private enum Step {
        case output(Output)
        case again
        case wait
        case end
    }

    private static func topIsReady(_ state: State) -> Bool {
        switch state.slots.last?.phase {
        case .done, .failed, nil: true
        case .waiting, .fetching: false
        }
    }

    private func step(_ state: inout State) throws -> Step {
        guard !state.isCancelled else { throw CancellationError() }
        guard let top = state.slots.last else { return .end }
        switch top.phase {
        case .waiting:
            pump(&state)
            return Self.topIsReady(state) ? .again : .wait
        case .fetching: return .wait
        case .failed(let error): throw error
        case .done(let expansion):
            state.slots.removeLast()
            state.heldBytes -= top.bytes
            if visitsOnce {
                guard state.seen.insert(top.visit.cid.multihash).inserted else { return .again }
                guard state.seen.count <= seenLimit else { throw DAGReadError.limit("more than \(seenLimit) blocks") }
            }
            Self.push(expansion.children, at: state.slots.count, &state)
            pump(&state)
            return expansion.output.map { .output($0) } ?? .again
        }
    }

    private static func push(_ visits: [Visit], at index: Int, _ state: inout State) {
        guard !visits.isEmpty else { return }
        var slots: [Slot] = []
        slots.reserveCapacity(visits.count)
        for visit in visits.reversed() {
            slots.append(Slot(id: state.nextID, visit: visit))
            state.nextID += 1
        }
        state.slots.insert(contentsOf: slots, at: index)
    }

    /// Asks for the first blocks in order that nobody asked for yet, as far as the window goes.
    private func pump(_ state: inout State) {
        while visitsOnce, let top = state.slots.last, case .waiting = top.phase,
            state.seen.contains(top.visit.cid.multihash)
        {
            state.slots.removeLast()
        }
        // Slots that are passed over (come already, or on their way twice) must not make this long.
        let end = max(0, state.slots.count - window * 4)
        var underWay: Set<Multihash> = []
        var index = state.slots.count
        while index > end, state.tasks.count < window || index == state.slots.count {
            index -= 1
            let isTop = index == state.slots.count - 1
            guard isTop || state.heldBytes < window * Self.heldBytesPerBlock else { return }
            let hash = state.slots[index].visit.cid.multihash
            // What needs no block waits for nothing either.
            if !isTop, !state.slots[index].visit.fetches { continue }
            if case .waiting = state.slots[index].phase {
                if visitsOnce, underWay.contains(hash) || state.seen.contains(hash) { continue }
                start(index, &state)
            }
            if visitsOnce { underWay.insert(hash) }
        }
    }

    private func start(_ index: Int, _ state: inout State) {
        let visit = state.slots[index].visit
        let id = state.slots[index].id
        if !visit.fetches || visit.cid.isIdentity {
            let data = visit.fetches ? ByteBuffer(bytes: visit.cid.multihash.digest) : ByteBuffer()
            do { state.slots[index].phase = .done(try expand(visit, data)) } catch {
                state.slots[index].phase = .failed(error)
            }
            return
        }
        state.slots[index].phase = .fetching
        state.tasks[id] = Task { [get, expand] in
            let result: Phase
            var bytes = 0
            do {
                let data = try await get(visit.cid)
                bytes = data.readableBytes
                result = .done(try expand(visit, data))
            } catch {
                result = .failed(error)
            }
            self.arrived(id, result, bytes)
        }
    }

    private func arrived(_ id: UInt64, _ phase: Phase, _ bytes: Int) {
        let waiter: CheckedContinuation<Void, Never>? = state.withLock { state in
            state.tasks[id] = nil
            guard !state.isCancelled, let index = state.slots.lastIndex(where: { $0.id == id }) else { return nil }
            let isTop = index == state.slots.count - 1
            if case .done(let expansion) = phase, expansion.output == nil, !visitsOnce, !expansion.children.isEmpty,
                isTop || state.slots.count < Self.slotLimit
            {
                // An inner node yields nothing itself: its children take its place and are fetched ahead.
                state.slots.remove(at: index)
                Self.push(expansion.children, at: index, &state)
            } else {
                state.slots[index].phase = phase
                state.slots[index].bytes = bytes
                state.heldBytes += bytes
            }
            pump(&state)
            guard Self.topIsReady(state) else { return nil }
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }
}
