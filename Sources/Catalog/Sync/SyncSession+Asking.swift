import Multiformats
import NIOCore

extension SyncSession {
    /// The initiator's only frame: the names of what it lacks.
    mutating func ask(_ ids: [UpdateID], into effects: inout [Effect]) {
        let names = Set(ids).sorted().prefix(SyncLimits.listCapacity)
        asked = Set(names)
        phase = .transferring
        outgoing.isDone = true
        var payload = ByteBuffer()
        payload.reserveCapacity(4 + 32 * names.count)
        payload.writeVarint(UInt64(names.count))
        for name in names { payload.writeMultipleIntegers(name.word0, name.word1, name.word2, name.word3) }
        send(SyncFrame.ask.bytes(payload), into: &effects)
    }

    /// The responder's plan for what it is asked; what it does not hold is left out.
    mutating func readAsk(_ payload: inout ByteBuffer, into effects: inout [Effect]) throws(SyncFault) {
        let count = try payload.syncNumber()
        guard count <= UInt64(SyncLimits.listCapacity), payload.readableBytes == Int(count) * 32 else {
            throw .malformed
        }
        var names: [UpdateID] = []
        names.reserveCapacity(Int(count))
        while let words = payload.readMultipleIntegers(as: (UInt64, UInt64, UInt64, UInt64).self) {
            let name = UpdateID(words: words)
            if let last = names.last, name <= last { throw .disorder }
            names.append(name)
        }
        outgoing.asked = names
        figures.ids = names.count
        figures.updatesToSend = names.count
        phase = .transferring
        isPeerDone = true
        send(.plan, number: UInt64(names.count), into: &effects)
    }
}
