import Multiformats
import NIOCore
import SansIO

extension SyncSession {
    /// The initiator's hello and first message.
    mutating func open(_ set: SumTree, into effects: inout [Effect]) {
        guard role == .initiator, phase == .waiting else { return }
        if case .ask(let ids) = opening { return ask(ids, into: &effects) }
        phase = .comparing
        salt = generator.next()
        var hello = ByteBuffer()
        hello.writeInteger(salt)
        hello.writeVarint(UInt64(set.count))
        send(SyncFrame.hello.bytes(hello), into: &effects)
        switch opening {
        case .everything(let first): writer.list(min(first, .end), .end, [])
        case .compare, .ask: cutAtRandom(set)
        }
        sendMessage(into: &effects)
    }

    /// The whole set in ranges that nobody could foresee.
    private mutating func cutAtRandom(_ set: SumTree) {
        guard set.count > limits.listed else { return writer.list(.first, .end, set.keys()) }
        let wish = min(limits.cuts, max(1, set.count / limits.listed))
        var ranks: Set<Int> = []
        for _ in 0..<wish { ranks.insert(Int.random(in: 1..<set.count, using: &generator)) }
        var lower = UpdateKey.first
        var before = SumTree.Totals()
        for rank in ranks.sorted() {
            guard let cut = set.cut(at: rank) else { continue }
            writer.fingerprint(lower, cut.bound, fingerprint(cut.before - before))
            (lower, before) = (cut.bound, cut.before)
        }
        writer.fingerprint(lower, .end, fingerprint(set.totals - before))
    }

    private mutating func fingerprint(_ totals: SumTree.Totals) -> UInt64 {
        SumTree.fingerprint(totals, salt: salt, scratch: &scratch)
    }

    /// Answers the ranges of one frame.
    mutating func compare(_ payload: inout ByteBuffer, _ set: SumTree) throws(SyncFault) {
        // What lies before the bound that was read last: ranges mostly touch.
        var edge: (bound: UpdateKey, before: SumTree.Totals)?
        while payload.readableBytes > 0 {
            let (mode, lower, upper) = try reader.next(&payload)
            figures.ranges += 1
            guard figures.ranges <= limits.ranges else { throw .budget(.ranges) }
            switch mode {
            case .skip: break
            case .fingerprint:
                guard let theirs: UInt64 = payload.readInteger() else { throw .malformed }
                isAsked = true
                let start = edge?.bound == lower ? edge?.before ?? SumTree.Totals() : set.totals(before: lower)
                let end = upper == .end ? set.totals : set.totals(before: upper)
                edge = (upper, end)
                if fingerprint(end - start) != theirs { narrow(lower, upper, start, end, set) }
            case .list:
                let ids = try readIDs(&payload, lower, upper)
                isAsked = true
                answer(ids, lower, upper, set)
            case .want:
                for id in try readIDs(&payload, lower, upper) { outgoing.want(id, id.key(in: set)) }
            }
        }
    }

    private mutating func readIDs(
        _ payload: inout ByteBuffer, _ lower: UpdateKey, _ upper: UpdateKey
    ) throws(SyncFault) -> [ShortID] {
        let ids = try RangeReader.ids(&payload, lower, upper)
        figures.ids += ids.count
        guard figures.ids <= limits.ids else { throw .budget(.ids) }
        return ids
    }

    /// Cuts a range that differs, or lists it when it is small.
    private mutating func narrow(
        _ lower: UpdateKey, _ upper: UpdateKey, _ start: SumTree.Totals, _ end: SumTree.Totals, _ set: SumTree
    ) {
        guard writer.ranges + limits.parts <= limits.rangesInMessage else { return isPartial = true }
        let count = end.count - start.count
        guard count > limits.listed else {
            return writer.list(lower, upper, count == 0 ? [] : set.keys(from: lower, to: upper))
        }
        var from = (bound: lower, before: start)
        for part in 1..<limits.parts {
            guard let cut = set.cut(at: start.count + count * part / limits.parts) else { continue }
            writer.fingerprint(from.bound, cut.bound, fingerprint(cut.before - from.before))
            from = cut
        }
        writer.fingerprint(from.bound, upper, fingerprint(end - from.before))
    }

    /// What the list lacks will be sent; what it has beyond this set is asked for.
    private mutating func answer(_ ids: [ShortID], _ lower: UpdateKey, _ upper: UpdateKey, _ set: SumTree) {
        var missing: [ShortID] = []
        var from = lower
        for id in ids {
            // Around every id, those that are missing too: what comes is not to be sent back.
            give(from, max(from, id.lowest), set)
            from = id.behind
            if id.key(in: set) != nil { continue }
            if wanted.count < limits.wanted, writer.ranges < limits.rangesInMessage {
                if wanted.insert(id).inserted { missing.append(id) }
            } else {
                isPartial = true
            }
        }
        give(from, upper, set)
        if !missing.isEmpty { writer.want(lower, upper, missing) }
    }

    private mutating func give(_ lower: UpdateKey, _ upper: UpdateKey, _ set: SumTree) {
        // Of most lists everything is known: look before counting.
        guard lower < upper, let next = set.first(from: lower), next < upper else { return }
        if outgoing.ranges.count < limits.ids {
            outgoing.ranges.append((next, upper))
        } else {
            isPartial = true
        }
    }

    /// The peer's message is whole: ours goes out, or the comparing is over.
    mutating func endMessage(_ set: SumTree, into effects: inout [Effect]) throws(SyncFault) {
        figures.rounds += 1
        guard figures.rounds <= limits.rounds else { throw .budget(.rounds) }
        reader = RangeReader()
        if isAsked {
            isAsked = false
            sendMessage(into: &effects)
            if phase == .comparing { return }
        } else {
            phase = .transferring
        }
        plan(set, into: &effects)
    }

    /// Sends the message that was written; one that asks nothing is the last.
    private mutating func sendMessage(into effects: inout [Effect]) {
        let isLast = !writer.isOpen
        for frame in writer.finish() { send(frame, into: &effects) }
        writer = RangeWriter()
        if isLast { phase = .transferring }
    }
}
