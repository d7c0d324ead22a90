import NIOCore
import SansIO
import TestSupport
import Testing
import Transport

/// The rules of yamux, one by one, on a session that is fed bytes.
@Suite struct YamuxSessionTests {
    static func session(
        _ role: YamuxSession.Role = .server, budget: MemoryBudget? = nil,
        _ change: (inout YamuxLimits) -> Void = { _ in }
    ) -> YamuxSession {
        var limits = YamuxLimits()
        change(&limits)
        return YamuxSession(role: role, limits: limits, budget: budget, now: .zero)
    }

    /// Everything that `frames`, each with its body, makes the session say.
    static func feed(
        _ session: inout YamuxSession, _ frames: (YamuxFrame, [UInt8])..., now: Instant = .zero
    ) throws -> [YamuxSession.Event] {
        var input = ByteBuffer()
        for (frame, body) in frames {
            frame.write(to: &input)
            input.writeBytes(body)
        }
        return try drain(&session, &input, now: now)
    }

    static func drain(
        _ session: inout YamuxSession, _ input: inout ByteBuffer, now: Instant = .zero
    ) throws -> [YamuxSession.Event] {
        var events: [YamuxSession.Event] = []
        while let event = try session.receive(&input, now: now) { events.append(event) }
        return events
    }

    static func sent(_ session: inout YamuxSession) throws -> [YamuxFrame] {
        var frames: [YamuxFrame] = []
        while let frame = try YamuxFrame(reading: &session.outbox) { frames.append(frame) }
        return frames
    }

    static func text(_ events: [YamuxSession.Event]) -> [String] {
        events.map { event in
            switch event {
            case .opened(let id): "opened \(id)"
            case .data(let id, let bytes): "data \(id) \(bytes.readableBytes)"
            case .inputClosed(let id): "closed \(id)"
            case .reset(let id, let code): "reset \(id) \(code)"
            case .credit(let id): "credit \(id)"
            case .pong(let value): "pong \(value)"
            case .goAway: "goAway"
            }
        }
    }

    static func syn(_ id: UInt32, _ flags: YamuxFrame.Flags = []) -> (YamuxFrame, [UInt8]) {
        (YamuxFrame(.windowUpdate, flags.union(.syn), stream: id, length: 0), [])
    }

    static func data(_ id: UInt32, _ bytes: [UInt8], _ flags: YamuxFrame.Flags = []) -> (YamuxFrame, [UInt8]) {
        (YamuxFrame(.data, flags, stream: id, length: UInt32(bytes.count)), bytes)
    }

    // MARK: Bytes

    @Test("Frames have the bytes of the specification")
    func workedBytes() throws {
        let rows: [(YamuxFrame, String)] = [
            (YamuxFrame(.windowUpdate, .syn, stream: 1, length: 0), "000100010000000100000000"),
            (YamuxFrame(.windowUpdate, .ack, stream: 1, length: 0), "000100020000000100000000"),
            (YamuxFrame(.windowUpdate, .fin, stream: 1, length: 0), "000100040000000100000000"),
            (YamuxFrame(.data, stream: 1, length: 5), "000000000000000100000005"),
            (YamuxFrame(.ping, .syn, stream: 0, length: 7), "000200010000000000000007"),
            (YamuxFrame(.ping, .ack, stream: 0, length: 7), "000200020000000000000007"),
            (YamuxFrame(.goAway, stream: 0, length: 0), "000300000000000000000000"),
        ]
        for (frame, bytes) in rows {
            var output = ByteBuffer()
            frame.write(to: &output)
            #expect(output.readableBytesView.hexText == bytes)
            #expect(try YamuxFrame(reading: &output) == frame)
        }
    }

    @Test("A session says these frames: open, acknowledge, close, ping, go away")
    func ownFrames() throws {
        var client = Self.session(.client)
        #expect(client.open(now: .zero) == 1)
        #expect(client.open(now: .zero) == 3)
        let end = client.claim(1, length: 0, isLast: true)
        client.ping(7)
        client.goAway(code: 0)
        #expect(
            client.outbox.readableBytesView.hexText == "000100010000000100000000" + "000100010000000300000000"
                + "000200010000000000000007" + "000300000000000000000000")
        #expect(end == YamuxFrame(.windowUpdate, .fin, stream: 1, length: 0))
        var server = Self.session()
        _ = try Self.feed(&server, Self.syn(1))
        server.acknowledgeInbound(1)
        server.acknowledgeInbound(1)
        #expect(try Self.sent(&server) == [YamuxFrame(.windowUpdate, .ack, stream: 1, length: 0)])
    }

    @Test("Events are the same wherever the bytes are cut")
    func everySplit() throws {
        var whole = ByteBuffer()
        for (frame, body) in [
            Self.syn(1), Self.data(1, [1, 2, 3]), Self.data(3, [4, 5], [.syn, .fin]),
            (YamuxFrame(.ping, .syn, stream: 0, length: 9), []),
            Self.data(1, [6], .fin),
        ] {
            frame.write(to: &whole)
            whole.writeBytes(body)
        }
        for cut in 0...whole.readableBytes {
            var session = Self.session()
            var rest = whole
            var input = rest.readSlice(length: cut)!
            var events = try Self.drain(&session, &input)
            input.writeImmutableBuffer(rest)
            events += try Self.drain(&session, &input)
            var log: [String] = []
            var received: [UInt32: [UInt8]] = [:]
            for event in events {
                if case .data(let id, let bytes) = event {
                    received[id, default: []] += Array(bytes.readableBytesView)
                } else {
                    log += Self.text([event])
                }
            }
            #expect(log == ["opened 1", "opened 3", "closed 3", "closed 1"])
            #expect(received == [1: [1, 2, 3, 6], 3: [4, 5]])
            #expect(try Self.sent(&session) == [YamuxFrame(.ping, .ack, stream: 0, length: 9)])
        }
    }

    // MARK: Rules

    @Test(
        "A frame that breaks the rules ends the session",
        arguments: [
            ("010000000000000100000000", YamuxError.unknownVersion(1)),
            ("000400000000000100000000", .unknownType(4)),
            ("000100010000000200000000", .wrongStreamID(2)),
            ("000000010000000000000000", .wrongStreamID(0)),
            ("000200010000000100000000", .wrongStreamID(1)),
            ("000300000000000000000002", .goAway(2)),
        ])
    func violations(_ bytes: String, _ error: YamuxError) {
        var input = ByteBuffer(bytes: hex(bytes))
        #expect(throws: error) {
            var session = Self.session()
            _ = try session.receive(&input, now: .zero)
        }
    }

    @Test("Opening an open stream again ends the session")
    func duplicate() throws {
        var session = Self.session()
        _ = try Self.feed(&session, Self.syn(1))
        #expect(throws: YamuxError.duplicateStream(1)) { try Self.feed(&session, Self.syn(1)) }
    }

    @Test("CVE-2026-31814: credit that overflows 32 bits ends the session, without a crash")
    func creditOverflow() throws {
        var session = Self.session()
        _ = try Self.feed(&session, Self.syn(1))
        #expect(throws: YamuxError.creditOverflow(1)) {
            try Self.feed(&session, (YamuxFrame(.windowUpdate, stream: 1, length: 0xffff_0000), []))
        }
        var fresh = Self.session()
        #expect(throws: YamuxError.creditOverflow(1)) {
            try Self.feed(&fresh, (YamuxFrame(.windowUpdate, .syn, stream: 1, length: 0xffff_0000), []))
        }
    }

    @Test("CVE-2026-32314: a new stream with a byte too much, ten thousand times")
    func oversizeOpening() throws {
        for id in stride(from: UInt32(1), to: 20_000, by: 2) {
            var session = Self.session()
            #expect(throws: YamuxError.windowExceeded(id)) {
                try Self.feed(&session, (YamuxFrame(.data, .syn, stream: id, length: 262_145), []))
            }
            session.removeAll()
        }
    }

    @Test("More data than credit ends the session; exactly the credit does not")
    func windowExceeded() throws {
        var session = Self.session()
        let bytes = [UInt8](repeating: 1, count: 262_144)
        #expect(Self.text(try Self.feed(&session, Self.syn(1), Self.data(1, bytes))) == ["opened 1", "data 1 262144"])
        #expect(throws: YamuxError.windowExceeded(1)) { try Self.feed(&session, Self.data(1, [1])) }
    }

    @Test("Data of streams that are gone is read and dropped, and never resets anything")
    func forgotten() throws {
        var session = Self.session()
        let events = try Self.feed(
            &session, Self.data(7, [1, 2, 3]), (YamuxFrame(.windowUpdate, stream: 9, length: 5), []),
            (YamuxFrame(.windowUpdate, .rst, stream: 11, length: 0), []), Self.syn(1), Self.data(1, [4]))
        #expect(Self.text(events) == ["opened 1", "data 1 1"])
        #expect(session.outbox.readableBytes == 0)
    }

    @Test("What follows a FIN is ignored quietly; both FINs end the stream")
    func halfClose() throws {
        var session = Self.session()
        let events = try Self.feed(
            &session, Self.syn(1), Self.data(1, [1], .fin), Self.data(1, [2, 3]),
            (YamuxFrame(.windowUpdate, .fin, stream: 1, length: 0), []))
        #expect(Self.text(events) == ["opened 1", "data 1 1", "closed 1"])
        #expect(session.credit(of: 1) == 262_144)
        _ = session.claim(1, length: 10, isLast: true)
        #expect(session.isGone(1))
        #expect(Self.text(try Self.feed(&session, Self.data(1, [1]))) == [])
    }

    @Test("A reset comes with its code and frees the stream")
    func reset() throws {
        var session = Self.session()
        let events = try Self.feed(
            &session, Self.syn(1), (YamuxFrame(.windowUpdate, .rst, stream: 1, length: 0x1001), []))
        #expect(Self.text(events) == ["opened 1", "reset 1 4097"])
        #expect(session.streamCount == 0)
    }

    @Test("A stream reset here in the middle of a body swallows the rest of it")
    func resetInsideBody() throws {
        var session = Self.session()
        var input = ByteBuffer()
        Self.syn(1).0.write(to: &input)
        YamuxFrame(.data, stream: 1, length: 10).write(to: &input)
        input.writeBytes([1, 2, 3])
        #expect(Self.text(try Self.drain(&session, &input)) == ["opened 1", "data 1 3"])
        session.reset(1)
        input.writeBytes([4, 5, 6, 7, 8, 9, 10])
        Self.syn(3).0.write(to: &input)
        #expect(Self.text(try Self.drain(&session, &input)) == ["opened 3"])
    }

    // MARK: Limits

    @Test("Streams beyond the backlog get RST, and room comes back with accept")
    func backlog() throws {
        var session = Self.session { $0.backlog = 2 }
        #expect(Self.text(try Self.feed(&session, Self.syn(1), Self.syn(3), Self.syn(5))) == ["opened 1", "opened 3"])
        #expect(try Self.sent(&session) == [YamuxFrame(.windowUpdate, .rst, stream: 5, length: 0)])
        session.accept(1)
        #expect(Self.text(try Self.feed(&session, Self.syn(7))) == ["opened 7"])
    }

    @Test("A flood of stream opens is refused, then ends the session")
    func openFlood() throws {
        var session = Self.session()
        var refused = 0
        #expect(throws: YamuxError.flood) {
            for id in stride(from: UInt32(1), to: 200_001, by: 2) {
                _ = try Self.feed(&session, Self.syn(id))
                refused += 1
            }
        }
        #expect(session.streamCount == 64)
        #expect(refused < 1_000)
    }

    @Test("Open and reset, ten thousand a second, ends the session; two hundred a second do not")
    func rapidReset() throws {
        func run(perSecond rate: Int) throws {
            var session = Self.session()
            for index in 0..<5_000 {
                let now = Instant(nanoseconds: UInt64(index) * 1_000_000_000 / UInt64(rate))
                let id = UInt32(index * 2 + 1)
                _ = try Self.feed(
                    &session, Self.syn(id), (YamuxFrame(.windowUpdate, .rst, stream: id, length: 0), []), now: now)
            }
        }
        #expect(throws: YamuxError.flood) { try run(perSecond: 10_000) }
        try run(perSecond: 200)
    }

    @Test("A ping flood ends the session, whether its answers are read or not")
    func pingFlood() throws {
        for isRead in [true, false] {
            var session = Self.session()
            var answered = 0
            #expect(throws: YamuxError.flood) {
                for value in 0..<10_000 {
                    _ = try Self.feed(&session, (YamuxFrame(.ping, .syn, stream: 0, length: UInt32(value)), []))
                    answered += 1
                    if isRead { session.outbox.clear() }
                }
            }
            #expect(answered <= 400)
        }
    }

    @Test("A million frames that say nothing end the session early")
    func idleFlood() throws {
        for frame in [YamuxFrame(.data, stream: 1, length: 0), YamuxFrame(.windowUpdate, stream: 1, length: 0)] {
            var session = Self.session()
            _ = try Self.feed(&session, Self.syn(1))
            var count = 0
            #expect(throws: YamuxError.flood) {
                for _ in 0..<1_000_000 {
                    _ = try Self.feed(&session, (frame, []))
                    count += 1
                }
            }
            #expect(count <= 20_000)
        }
    }

    @Test("After our go-away new streams get RST; after theirs we open none, and the rest goes on")
    func goAway() throws {
        var session = Self.session()
        _ = try Self.feed(&session, Self.syn(1))
        session.goAway(code: 0)
        #expect(Self.text(try Self.feed(&session, Self.syn(3), Self.data(1, [1]))) == ["data 1 1"])
        #expect(try Self.sent(&session).last == YamuxFrame(.windowUpdate, .rst, stream: 3, length: 0))
        var other = Self.session(.client)
        #expect(other.open(now: .zero) == 1)
        #expect(Self.text(try Self.feed(&other, (YamuxFrame(.goAway, stream: 0, length: 0), []))) == ["goAway"])
        #expect(other.open(now: .zero) == nil)
        #expect(other.credit(of: 1) == 262_144)
    }

    @Test("At most 256 of our streams wait for an acknowledgement")
    func unacknowledged() throws {
        var session = Self.session(.client) { $0.outboundStreams = 1_000 }
        for _ in 0..<256 { #expect(session.open(now: .zero) != nil) }
        #expect(session.open(now: .zero) == nil)
        _ = try Self.feed(&session, (YamuxFrame(.windowUpdate, .ack, stream: 1, length: 0), []))
        #expect(session.open(now: .zero) == 513)
    }
}
