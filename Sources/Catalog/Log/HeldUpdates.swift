/// Valid updates that wait for ancestors which are not here yet: for a minute, and only so many.
struct HeldUpdates {
    private struct Entry {
        let update: Update
        let expires: UInt64
        var missing: Set<UpdateID>
    }

    private let limits: LogLimits
    private var entries: [UpdateID: Entry] = [:]
    /// Who waits for what is missing.
    private var waiting: [UpdateID: [UpdateID]] = [:]
    /// By the key that signed: whose an update says to be cannot be checked before its ancestors are here.
    private var perAuthor: [Digest32: Int] = [:]
    private var bytes = 0
    /// Ids in the order of their expiry, which is that of arrival; some may have gone already.
    private var queue: [(id: UpdateID, expires: UInt64)] = []
    private var first = 0

    init(_ limits: LogLimits) { self.limits = limits }

    /// The number of updates that wait.
    var count: Int { entries.count }

    /// Keeps an update until all of `missing` have come; `false` when there is no room.
    mutating func hold(_ update: Update, missing: [UpdateID], now: UInt64) -> Bool {
        if entries[update.id] != nil { return true }
        guard !missing.isEmpty, entries.count < limits.held, bytes + update.block.count <= limits.heldBytes,
            perAuthor[update.header.signer, default: 0] < limits.heldPerAuthor
        else { return false }
        let expires = now + limits.heldTime
        entries[update.id] = Entry(update: update, expires: expires, missing: Set(missing))
        for id in missing { waiting[id, default: []].append(update.id) }
        perAuthor[update.header.signer, default: 0] += 1
        bytes += update.block.count
        queue.append((update.id, expires))
        if queue.count - first > 2 * limits.held + 1_024 { forgetReleased() }
        return true
    }

    /// The updates for which `id` was the last that was missing, in the order in which they came.
    mutating func release(by id: UpdateID) -> [Update] {
        guard let ids = waiting.removeValue(forKey: id) else { return [] }
        var ready: [Update] = []
        for waiter in ids {
            guard var entry = entries[waiter] else { continue }
            entry.missing.remove(id)
            if entry.missing.isEmpty {
                remove(waiter)
                ready.append(entry.update)
            } else {
                entries[waiter] = entry
            }
        }
        return ready
    }

    /// Drops and returns what has waited too long, in the order in which it came.
    mutating func expire(now: UInt64) -> [UpdateID] {
        var expired: [UpdateID] = []
        while first < queue.count, queue[first].expires <= now {
            let id = queue[first].id
            first += 1
            if let entry = entries[id], entry.expires <= now {
                remove(id)
                expired.append(id)
            }
        }
        if first > 1_024, first * 2 > queue.count {
            queue.removeSubrange(..<first)
            first = 0
        }
        return expired
    }

    /// Drops what was released long before its time from the queue.
    private mutating func forgetReleased() {
        queue = queue[first...].filter { entries[$0.id]?.expires == $0.expires }
        first = 0
    }

    private mutating func remove(_ id: UpdateID) {
        guard let entry = entries.removeValue(forKey: id) else { return }
        bytes -= entry.update.block.count
        let signer = entry.update.header.signer
        let left = perAuthor[signer, default: 1] - 1
        perAuthor[signer] = left > 0 ? left : nil
        for missing in entry.missing {
            waiting[missing]?.removeAll { $0 == id }
            if waiting[missing]?.isEmpty == true { waiting[missing] = nil }
        }
    }
}
