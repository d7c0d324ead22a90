import Catalog
import Multiformats
import NIOCore
import SansIO
import Testing

/// Asking for single updates by name.
@Suite struct SyncAskTests {
    private static func samples(_ count: Int) -> [SyncSample] {
        var generator = SeededGenerator(seed: 51)
        return SyncSample.some(count, using: &generator)
    }

    /// What the other holds comes, known or not; the rest is left out without harm.
    @Test func bringsWhatIsHeld() {
        let samples = SyncAskTests.samples(600)
        let names = samples.prefix(400).map(\.key.digest)
        let one = SyncShelf(samples.prefix(10))
        let other = SyncShelf(samples.dropFirst(5).prefix(300))
        var pair = SyncPair(one, other, seed: 1, opening: .ask(names))
        pair.run()
        #expect(pair.outcomes.map { $0?.result } == [.whole, .whole])
        #expect(Set(pair.arrived[0]) == Set(samples.dropFirst(5).prefix(300).map(\.key)))
        #expect(pair.arrived[1].isEmpty && pair.sessions[0].figures.useless == 0)
    }

    /// At most 1,024 names, each once, in order.
    @Test func namesAreBounded() {
        let names = SyncAskTests.samples(1_500).map(\.key.digest)
        var pair = SyncPair(SyncShelf(), SyncShelf(), seed: 1, opening: .ask(names + names))
        pair.run()
        #expect(pair.outcomes.map { $0?.result } == [.whole, .whole])
        #expect(pair.sessions[1].figures.ids == 1_024)
        for payload in [
            [2] + [UInt8](repeating: 1, count: 64), [1] + [UInt8](repeating: 1, count: 31),
            Varint.bytes(1_025) + [UInt8](repeating: 0, count: 1_025 * 32), [255], [],
        ] {
            var session = SyncSession(role: .responder, opening: .ask([]), generator: SeededGenerator(seed: 1))
            #expect(SyncAskTests.fault(of: &session, [9] + payload) != nil, "\(payload.prefix(2))")
        }
    }

    /// The two protocols do not mix, and only what was asked for is taken.
    @Test func othersAreRefused() {
        let block = SyncAskTests.samples(1)[0].block
        let update = [5] + SyncVictim.bytes(of: block)
        var asking = SyncSession(
            role: .initiator, opening: .ask([UpdateID(words: (1, 2, 3, 4))]), generator: SeededGenerator(seed: 1),
            time: SyncSample.time)
        var effects: [SyncSession.Effect] = []
        asking.handle(.open, set: SumTree(), now: .zero, into: &effects)
        #expect(SyncAskTests.fault(of: &asking, [4, 1]) == nil)
        #expect(SyncAskTests.fault(of: &asking, update) == .unexpectedFrame)
        var comparing = SyncSession(role: .responder, generator: SeededGenerator(seed: 1))
        #expect(SyncAskTests.fault(of: &comparing, [9, 0]) == .unexpectedFrame)
        var asked = SyncSession(role: .responder, opening: .ask([]), generator: SeededGenerator(seed: 1))
        #expect(SyncAskTests.fault(of: &asked, [1, 0, 0, 0, 0, 0, 0, 0, 1, 0]) == .unexpectedFrame)
    }

    private static func fault(of session: inout SyncSession, _ frame: [UInt8]) -> SyncFault? {
        var effects: [SyncSession.Effect] = []
        let bytes = ByteBuffer(bytes: Varint.bytes(UInt64(frame.count)) + frame)
        session.handle(.received(bytes), set: SumTree(), now: .zero, into: &effects)
        for case .finished(let outcome) in effects {
            if case .failed(let fault) = outcome.result { return fault }
        }
        return nil
    }
}
