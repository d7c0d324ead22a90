import SansIO
import Testing

/// The deadlines that drive every core, against the obvious slow ones.
@Suite struct TimersTests {
    /// A sorted list with the same rules.
    private struct Model {
        var entries: [(key: Int, deadline: Instant, sequence: Int)] = []
        var sequence = 0

        mutating func set(_ key: Int, _ deadline: Instant) {
            sequence += 1
            entries.removeAll { $0.key == key }
            entries.append((key, deadline, sequence))
            entries.sort { ($0.deadline, $0.sequence) < ($1.deadline, $1.sequence) }
        }

        mutating func popDue(_ now: Instant) -> Int? {
            guard let first = entries.first, first.deadline <= now else { return nil }
            return entries.removeFirst().key
        }
    }

    /// Random sets, moves, cancels and pops agree with the model at every step.
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func agreesWithModel(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var timers = Timers<Int>()
        var model = Model()
        var now = Instant.zero
        for _ in 0..<2_000 {
            let key = Int.random(in: 0..<60, using: &generator)
            let deadline = now + .nanoseconds(Int.random(in: 0..<40, using: &generator))
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<5:
                timers.set(key, at: deadline)
                model.set(key, deadline)
            case 5:
                timers.setEarlier(key, at: deadline)
                let old = model.entries.first { $0.key == key }
                if old.map({ deadline < $0.deadline }) ?? true { model.set(key, deadline) }
            case 6:
                let expected = model.entries.contains { $0.key == key }
                let cancelled = timers.cancel(key)
                #expect(cancelled == expected, "seed \(seed)")
                model.entries.removeAll { $0.key == key }
            default:
                now = now + .nanoseconds(Int.random(in: 0..<8, using: &generator))
                while true {
                    let fired = timers.popDue(now)
                    let expected = model.popDue(now)
                    #expect(fired == expected, "seed \(seed)")
                    if fired == nil { break }
                }
            }
            #expect(timers.next == model.entries.first?.deadline, "seed \(seed)")
            #expect(timers.count == model.entries.count, "seed \(seed)")
            #expect(timers.deadline(of: key) == model.entries.first { $0.key == key }?.deadline, "seed \(seed)")
        }
    }

    /// What is due at one instant fires in the order in which it was set.
    @Test func tiesInOrder() {
        var timers = Timers<String>()
        for key in ["c", "a", "b"] { timers.set(key, at: Instant(nanoseconds: 5)) }
        timers.set("c", at: Instant(nanoseconds: 5))
        var fired: [String] = []
        while let key = timers.popDue(Instant(nanoseconds: 5)) { fired.append(key) }
        #expect(fired == ["a", "b", "c"])
        #expect(timers.isEmpty)
    }

    /// A heap gives back what was pushed in order, with lazy deletion in between.
    @Test(arguments: 1...5 as ClosedRange<UInt64>)
    func heapSorts(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var heap = Heap<Int>()
        var expected: [Int] = []
        for _ in 0..<500 {
            let value = Int.random(in: 0..<300, using: &generator)
            heap.push(value)
            expected.append(value)
        }
        heap.removeAll { $0 % 3 == 0 }
        expected.removeAll { $0 % 3 == 0 }
        expected.sort()
        var popped: [Int] = []
        while let value = heap.pop() { popped.append(value) }
        #expect(popped == expected, "seed \(seed)")
    }
}

/// Time that cannot be made to trap.
@Suite struct InstantTests {
    /// Sums and differences stop at the ends of what fits.
    @Test func saturates() {
        let late = Instant(nanoseconds: .max - 5)
        let long = Duration.seconds(Int64.max / 2)
        #expect(late + .nanoseconds(10) == .distantFuture)
        #expect(late + long == .distantFuture)
        #expect(Instant(nanoseconds: 5) + .nanoseconds(-10) == .zero)
        #expect(Instant(nanoseconds: 5) + (.zero - long) == .zero)
        #expect(Instant.distantFuture - .zero == .nanoseconds(Int64.max))
        #expect(Instant.zero - .distantFuture == .nanoseconds(-Int64.max))
        #expect(Instant(nanoseconds: 7) - Instant(nanoseconds: 9) == .nanoseconds(-2))
        #expect(long.wholeNanoseconds == .max)
        #expect((.zero - long).wholeNanoseconds == .min)
    }

    /// The generator's numbers are those of the published algorithm, so that seeds mean the same for ever.
    @Test func splitMix() {
        var generator = SeededGenerator(seed: 1_234_567)
        let expected: [UInt64] = [
            6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
            4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
        ]
        let drawn = (0..<5).map { _ in generator.next() }
        #expect(drawn == expected)
    }
}

/// Maps that forget.
@Suite struct ExpiringMapTests {
    /// Entries vanish at the end of their lifetime, also before they are swept.
    @Test func expires() {
        var map = ExpiringMap<Int, String>(capacity: 4, lifetime: .seconds(10))
        map.set(1, "one", now: .zero)
        map.set(2, "two", now: .zero + .seconds(5))
        #expect(map.value(of: 1, now: .zero + .seconds(9)) == "one")
        #expect(map.value(of: 1, now: .zero + .seconds(10)) == nil)
        #expect(map.count == 2)
        #expect(map.next == .zero + .seconds(10))
        map.expire(now: .zero + .seconds(12))
        #expect(map.count == 1)
        #expect(map.value(of: 2, now: .zero + .seconds(12)) == "two")
        let removed = map.remove(2)
        #expect(removed == "two")
        #expect(map.next == nil)
    }

    /// A full map gives up the entry nearest to its end, and never grows.
    @Test func capacity() {
        var map = ExpiringMap<Int, Int>(capacity: 100, lifetime: .seconds(10))
        var most = 0
        for key in 0..<10_000 {
            map.set(key, key, now: Instant(nanoseconds: UInt64(key)))
            most = max(most, map.count)
        }
        #expect(most == 100)
        let now = Instant(nanoseconds: 10_000)
        #expect(map.value(of: 9_899, now: now) == nil)
        #expect(map.value(of: 9_900, now: now) == 9_900)
    }

    /// A seen cache knows what is new, once.
    @Test func seen() {
        var cache = SeenCache<Int>(capacity: 2, lifetime: .seconds(1))
        let answers = [
            cache.insert(1, now: .zero), cache.insert(1, now: .zero + .milliseconds(999)),
            cache.insert(1, now: .zero + .seconds(1)), cache.insert(2, now: .zero + .seconds(1)),
            cache.insert(3, now: .zero + .seconds(1)),
        ]
        #expect(answers == [true, false, true, true, true])
        #expect(!cache.contains(1, now: .zero + .seconds(1)))
        #expect(cache.count == 2)
    }
}
