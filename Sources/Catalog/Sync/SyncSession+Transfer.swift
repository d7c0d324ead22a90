import Multiformats
import NIOCore
import PeerCrypto
import SansIO

/// What a session has yet to send.
struct Outgoing: Sendable {
    /// Ranges of keys that the peer lacks: in order and apart once there is a plan.
    var ranges: [(lower: UpdateKey, upper: UpdateKey)] = []
    /// Keys that it asked for by id.
    var wanted: Set<UpdateKey> = []
    /// Ids that it asked for and that are not held.
    var absent: [ShortID] = []
    /// What a peer asked for by name, when that is all it asks.
    var asked: [UpdateID] = []
    /// The range that is being read, or the first name that was not.
    var position = 0
    /// Keys that the shell is reading.
    var reading: [UpdateKey] = []
    /// Bytes sent since the stream was last drained.
    var waiting = 0
    /// Bytes of updates sent.
    var bytes = 0
    var isDone = false

    /// The peer asks for an id; `key` is what it means, if anything.
    mutating func want(_ id: ShortID, _ key: UpdateKey?) {
        guard let key else { return absent.append(id) }
        if wanted.insert(key).inserted { ranges.append((key, key.next)) }
    }

    /// Puts the ranges in order and joins those that touch.
    mutating func arrange() {
        ranges.sort { $0.lower < $1.lower }
        var joined: [(lower: UpdateKey, upper: UpdateKey)] = []
        for range in ranges {
            if let last = joined.last, range.lower <= last.upper {
                joined[joined.count - 1].upper = max(last.upper, range.upper)
            } else {
                joined.append(range)
            }
        }
        ranges = joined
    }

    /// The next that were asked for by name, without their times.
    mutating func nextAsked(_ limit: Int) -> [UpdateKey] {
        let some = asked[position...].prefix(limit)
        position += some.count
        return some.map { UpdateKey(time: 0, digest: $0) }
    }

    /// The next keys to read, at most `limit`.
    mutating func next(_ limit: Int, of set: SumTree) -> [UpdateKey] {
        var keys: [UpdateKey] = []
        while position < ranges.count, keys.count < limit {
            let range = ranges[position]
            keys += set.keys(from: range.lower, to: range.upper, limit: limit - keys.count)
            if keys.count < limit {
                position += 1
            } else if let last = keys.last {
                ranges[position].lower = last.next
            }
        }
        return keys
    }
}

extension SyncSession {
    /// Says how much will be sent.
    mutating func plan(_ set: SumTree, into effects: inout [Effect]) {
        outgoing.arrange()
        var count = 0
        for range in outgoing.ranges { count += set.totals(from: range.lower, to: range.upper).count }
        figures.updatesToSend = count
        send(.plan, number: UInt64(count), into: &effects)
    }

    /// Reads and sends more if there is more and the stream takes it; ends what is complete.
    mutating func advance(_ set: SumTree, into effects: inout [Effect]) throws(SyncFault) {
        guard phase == .transferring else { return }
        if !outgoing.isDone, outgoing.reading.isEmpty, outgoing.waiting < limits.window {
            let isOverdrawn = outgoing.bytes >= limits.sentBytes
            let keys =
                isAsking
                ? outgoing.nextAsked(limits.readAtOnce) : outgoing.next(isOverdrawn ? 1 : limits.readAtOnce, of: set)
            if keys.isEmpty || isOverdrawn {
                if !keys.isEmpty { isPartial = true }
                sendAbsent(into: &effects)
                outgoing.isDone = true
                send(.done, number: isPartial ? 1 : 0, into: &effects)
            } else {
                outgoing.reading = keys
                effects.append(.read(keys.map(\.digest)))
            }
        }
        if outgoing.isDone, isPeerDone { finish(isPartial ? .partial : .whole, into: &effects) }
    }

    /// Puts what the shell read into frames.
    mutating func send(_ blocks: [SyncBlock?], into effects: inout [Effect]) throws(SyncFault) {
        let keys = outgoing.reading
        guard !keys.isEmpty, blocks.count == keys.count else { throw .unreadable }
        outgoing.reading = []
        var payload = ByteBuffer()
        for (key, block) in zip(keys, blocks) {
            // Twice 32 KiB is what fits a frame; nothing that is valid is longer.
            guard let block, (1...block.size).contains(block.headerLength), block.size < SyncLimits.frameLength - 16
            else {
                if outgoing.wanted.contains(key) { outgoing.absent.append(ShortID(key)) }
                continue
            }
            if payload.readableBytes + block.size + 16 > SyncLimits.frameLength { flush(&payload, into: &effects) }
            payload.writeVarint(UInt64(block.headerLength))
            payload.writeVarint(UInt64(block.size - block.headerLength))
            payload.writeImmutableBuffer(block.bytes)
            figures.updatesSent += 1
            outgoing.bytes += block.size
        }
        flush(&payload, into: &effects)
    }

    private mutating func flush(_ payload: inout ByteBuffer, into effects: inout [Effect]) {
        guard payload.readableBytes > 0 else { return }
        let frame = SyncFrame.updates.bytes(payload)
        outgoing.waiting += frame.readableBytes
        send(frame, into: &effects)
        payload = ByteBuffer()
    }

    private mutating func sendAbsent(into effects: inout [Effect]) {
        var rest = outgoing.absent.sorted { $0.lowest < $1.lowest }[...]
        while !rest.isEmpty {
            let some = rest.prefix(SyncLimits.listCapacity)
            rest = rest.dropFirst(some.count)
            var payload = ByteBuffer()
            payload.writeVarint(UInt64(some.count))
            var time: UInt64 = 0
            for id in some {
                id.write(to: &payload, after: time)
                time = id.time
            }
            send(SyncFrame.absent.bytes(payload), into: &effects)
        }
        outgoing.absent = []
    }

    // MARK: Receiving

    /// Takes the updates of one frame.
    mutating func take(_ payload: inout ByteBuffer, _ set: SumTree, _ blocks: inout [SyncBlock]) throws(SyncFault) {
        guard payload.readableBytes > 0 else { throw .malformed }
        while payload.readableBytes > 0 {
            let headerLength = try payload.syncNumber()
            let bodyLength = try payload.syncNumber()
            let room = UInt64(payload.readableBytes)
            guard headerLength > 0, headerLength <= room, bodyLength <= room - headerLength,
                let bytes = payload.readSlice(length: Int(headerLength + bodyLength))
            else { throw .malformed }
            let block = SyncBlock(bytes: bytes, headerLength: Int(headerLength))
            let header = block.header
            guard let time = time(header), let digest = Digest32(ContentHash.sha256(header)) else { throw .malformed }
            figures.updatesReceived += 1
            receivedBytes += block.size
            guard receivedBytes <= limits.receivedBytes else { throw .budget(.receivedBytes) }
            let key = UpdateKey(time: time, digest: digest)
            if isAsking {
                guard asked.remove(digest) != nil else { throw .unexpectedFrame }
            } else if wanted.remove(ShortID(key)) == nil, set.contains(key) {
                figures.useless += 1
                guard figures.useless <= limits.useless + figures.updatesReceived / 8 else { throw .budget(.useless) }
                continue
            }
            blocks.append(block)
        }
    }

    /// The peer offered what it does not hold. It may, a little: a log that is full keeps ids without updates.
    mutating func noteAbsent(_ payload: inout ByteBuffer) throws(SyncFault) {
        let count = try payload.syncNumber()
        guard count <= UInt64(SyncLimits.listCapacity) else { throw .malformed }
        var time: UInt64 = 0
        for _ in 0..<count {
            let id = try ShortID(reading: &payload, after: time)
            time = id.time
            guard wanted.remove(id) != nil else { throw .unexpectedFrame }
            figures.absent += 1
            guard figures.absent <= limits.absent else { throw .budget(.absent) }
        }
    }
}
