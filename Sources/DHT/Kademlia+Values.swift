import Multiformats
import SansIO

// Values under signed keys: what is believed of them, and how stale ones are mended.

extension Kademlia {
    func validator(of key: [UInt8]) -> RecordValidator? {
        RecordValidator.namespace(of: key).flatMap { configuration.validators[$0] }
    }

    func isValid(_ value: [UInt8], for key: [UInt8], now: Instant) -> Bool {
        guard value.count <= configuration.valueBytes, let validator = validator(of: key) else { return false }
        return validator.validate(key, value, wallTime(now).milliseconds)
    }

    mutating func getValue(
        _ key: [UInt8], quorum: Int, for id: QueryID, now: Instant, into effects: inout [Effect]
    ) {
        guard let validator = validator(of: key), key.count <= KadMessage.Limits.keyBytes else {
            refuse(id, .invalid("values of this kind cannot be checked here"), into: &effects)
            return
        }
        var found = FoundValues()
        if let own = values.value(of: key, now: wallTime(now)), isValid(own.bytes, for: key, now: now) {
            _ = found.add(own.bytes, from: -1, voice: .own, select: validator.select)
            effects.append(.progress(id, .value(own.bytes, from: nil)))
        }
        search(
            id, .getValue(quorum: max(0, quorum)), KadMessage(.getValue, key: key), prepare: { $0.values = found },
            now: now, into: &effects)
    }

    mutating func putValue(
        _ key: [UInt8], _ value: [UInt8], for id: QueryID, now: Instant, into effects: inout [Effect]
    ) {
        guard let validator = validator(of: key), key.count <= KadMessage.Limits.keyBytes,
            isValid(value, for: key, now: now)
        else {
            refuse(id, .invalid("the value is not valid for its key"), into: &effects)
            return
        }
        let wall = wallTime(now)
        if let own = values.value(of: key, now: wall), own.bytes != value, isValid(own.bytes, for: key, now: now),
            validator.select([own.bytes, value]) == 0
        {
            refuse(id, .invalid("a better value is known"), into: &effects)
            return
        }
        for change in values.set(value, for: key, source: .own, received: wall) { effects.append(.store(change)) }
        search(
            id, .putValue, KadMessage(.findNode, key: key), prepare: { $0.value = value }, now: now, into: &effects)
    }

    /// Takes a value from an answer, if it is valid.
    func takeValue(
        _ message: KadMessage, _ query: inout RunningQuery, _ contact: Int, _ known: Lookup.Contact, _ voice: IPGroup,
        now: Instant, into effects: inout [Effect]
    ) {
        guard let record = message.record, record.key == query.key, let validator = validator(of: query.key),
            isValid(record.value, for: query.key, now: now)
        else { return }
        let isBest = query.values.add(record.value, from: contact, voice: voice, select: validator.select)
        if isBest, let user = query.user { effects.append(.progress(user, .value(record.value, from: known.peer))) }
    }

    /// Sends the best value to those who gave an older one, and to the closest who should have had it.
    mutating func correct(_ query: RunningQuery, now: Instant, into effects: inout [Effect]) {
        guard let best = query.values.best, let value = query.values.bestValue, let lane = query.lanes.first else {
            return
        }
        let current = Set(query.values.list[best].holders)
        var stale: [Int] = []
        for (index, entry) in query.values.list.enumerated() where index != best { stale += entry.holders }
        if lane.isFinished {
            stale += lane.closest(configuration.k).compactMap { lane.index(of: $0.peer) }
        }
        let message = KadMessage(.putValue, key: query.key, record: KadRecord(key: query.key, value: value))
        var told: Set<Int> = []
        for index in stale.prefix(2 * configuration.k)
        where index >= 0 && !current.contains(index) && told.insert(index).inserted {
            let contact = lane.contacts[index]
            _ = send(
                message, to: KadPeer(contact.peer, contact.addresses), key: contact.key, .none, now: now, into: &effects
            )
        }
    }
}
