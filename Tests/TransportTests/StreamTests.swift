import Multiformats
import NIOCore
import PeerCrypto
import Synchronization
import Testing
import Transport

/// A handler that keeps a log and does what it is told.
final class Recorder: StreamHandler, Sendable {
    struct Log {
        var received = 0
        var events: [String] = []
    }

    let log = Mutex(Log())
    let isManual: Bool

    init(isManual: Bool = false) { self.isManual = isManual }

    func opened(_ stream: PeerStream) {
        stream.manualCredit = isManual
        note("opened \(stream.protocolID)")
    }
    func received(_ bytes: ByteBuffer, on stream: PeerStream) {
        log.withLock { $0.received += bytes.readableBytes }
    }
    func inputClosed(_ stream: PeerStream) {
        note("input closed")
        stream.closeWrite()
    }
    func writable(_ stream: PeerStream) { note("writable") }
    func failed(_ error: StreamError, on stream: PeerStream) { note("failed \(error)") }

    var received: Int { log.withLock { $0.received } }
    var events: [String] { log.withLock { $0.events } }
    private func note(_ event: String) { log.withLock { $0.events.append(event) } }
}

/// What a stream promises its users.
@Suite struct StreamTests {
    /// Two connected hosts; the second records what it gets on `/record`.
    static func withRecorder(
        isManual: Bool = false, _ body: (Host, Host, Recorder) async throws -> Void
    ) async throws {
        try await withHosts([quiet(), quiet()]) { hosts in
            let recorder = Recorder(isManual: isManual)
            hosts[1].handle("/record") { _ in recorder }
            _ = try await hosts[0].connect(hosts[1].dialAddress)
            try await body(hosts[0], hosts[1], recorder)
        }
    }

    @Test("Without credit the sender stops at one window, and goes on as it comes back")
    func manualCredit() async throws {
        try await Self.withRecorder(isManual: true) { one, two, recorder in
            let taken = Mutex<PeerStream?>(nil)
            two.handle("/manual") { stream in
                taken.withLock { $0 = stream }
                return recorder
            }
            let stream = try await one.openStream(to: two.peerID, protocols: ["/manual"])
            stream.write(ByteBuffer(repeating: 1, count: 1 << 20))
            stream.closeWrite()
            #expect(try await eventually { recorder.received > 262_000 })
            #expect(recorder.received <= 262_144)
            #expect(two.unreadBytes == recorder.received)
            let other = try #require(taken.withLock { $0 })
            var returned = 0
            while recorder.received < 1 << 20 {
                let now = recorder.received
                other.consumed(now - returned)
                returned = now
                #expect(try await eventually { recorder.received > now })
            }
            other.consumed(recorder.received - returned)
            #expect(try await eventually { two.unreadBytes == 0 })
            #expect(recorder.events.contains("input closed"))
        }
    }

    @Test("A writer hears when it may go on, once per pause")
    func writable() async throws {
        try await Self.withRecorder { one, two, _ in
            let writer = Recorder()
            let stream = try await one.openStream(to: two.peerID, protocols: ["/record"]) { _ in writer }
            stream.write(ByteBuffer(repeating: 1, count: 3 << 20))
            #expect(!stream.isWritable)
            #expect(try await eventually { writer.events == ["opened /record", "writable"] })
            #expect(try await eventually { stream.bufferedBytes == 0 })
        }
    }

    @Test("A reset reaches both sides, with its code, and drops what was waiting")
    func reset() async throws {
        try await Self.withRecorder(isManual: true) { one, two, recorder in
            let mine = Recorder()
            let stream = try await one.openStream(to: two.peerID, protocols: ["/record"]) { _ in mine }
            stream.write(ByteBuffer(repeating: 1, count: 2 << 20))
            #expect(try await eventually { recorder.received > 0 })
            stream.reset(code: 7)
            #expect(try await eventually { recorder.events.last == "failed \(StreamError.reset(code: 7))" })
            #expect(mine.events.last == "failed \(StreamError.cancelled)")
            #expect(stream.bufferedBytes == 0)
            #expect(try await eventually { two.unreadBytes == 0 })
        }
    }

    @Test("A deadline fails the stream unless it is taken back")
    func deadline() async throws {
        try await Self.withRecorder { one, two, _ in
            let stream = try await one.openStream(to: two.peerID, protocols: ["/record"])
            let kept = try await one.openStream(to: two.peerID, protocols: ["/record"])
            stream.setDeadline(.milliseconds(10))
            kept.setDeadline(.milliseconds(10))
            kept.setDeadline(nil)
            await #expect(throws: StreamError.timeout) { try await stream.read() }
            kept.closeWrite()
            #expect(try await kept.read() == nil)
        }
    }

    @Test("Each half closes on its own: answers come after the question's end")
    func halfClose() async throws {
        try await withHosts([quiet(), quiet()]) { hosts in
            hosts[1].handle("/length") { stream in
                Task {
                    let all = try await stream.readToEnd(maximum: 1 << 20)
                    try await stream.sendMessage(ByteBuffer(string: "\(all.readableBytes)"))
                    stream.closeWrite()
                }
                return nil
            }
            _ = try await hosts[0].connect(hosts[1].dialAddress)
            let stream = try await hosts[0].openStream(to: hosts[1].peerID, protocols: ["/length"])
            try await stream.send(ByteBuffer(repeating: 0, count: 123_456))
            stream.closeWrite()
            #expect(try await stream.readMessage(maximum: 10).map { String(buffer: $0) } == "123456")
            #expect(try await stream.readMessage(maximum: 10) == nil)
        }
    }

    @Test("A closed stream takes nothing more and goes away when the other side ends")
    func close() async throws {
        try await withHosts([quiet(), quiet()]) { hosts in
            let connection = try await hosts[0].connect(hosts[1].dialAddress)
            let stream = try await hosts[0].openStream(to: hosts[1].peerID, protocols: [Echo.protocolID])
            stream.write(ByteBuffer(repeating: 0, count: 2 << 20))
            stream.close()
            stream.write(ByteBuffer(string: "too late"))
            #expect(try await eventually { await !connection.streams().contains { $0.protocolID == Echo.protocolID } })
            #expect(try await eventually { stream.bufferedBytes == 0 })
            #expect(hosts[0].unreadBytes == 0)
        }
    }

    @Test("A cancelled reader gives its stream up")
    func cancellation() async throws {
        try await Self.withRecorder { one, two, recorder in
            let stream = try await one.openStream(to: two.peerID, protocols: ["/record"])
            let reader = Task { try await stream.read() }
            stream.write(ByteBuffer(string: "x"))
            #expect(try await eventually { recorder.received == 1 })
            reader.cancel()
            await #expect(throws: StreamError.cancelled) { try await reader.value }
            #expect(try await eventually { recorder.events.last == "failed \(StreamError.reset(code: 0))" })
        }
    }

    @Test("Two hundred streams of different sizes at once, each with its own bytes")
    func many() async throws {
        try await withHosts([quiet(), quiet { $0.limits.inboundStreamsPerProtocol = 128 }]) { hosts in
            _ = try await hosts[0].connect(hosts[1].dialAddress)
            for _ in 0..<2 {
                try await withThrowingTaskGroup(of: Bool.self) { group in
                    let (from, to) = (hosts[0], hosts[1].peerID)
                    for index in 0..<100 {
                        group.addTask {
                            let data = ByteBuffer(bytes: RandomBytes.make(index * 997))
                            let stream = try await from.openStream(to: to, protocols: [Echo.protocolID])
                            stream.write(data)
                            stream.closeWrite()
                            return try await stream.readToEnd(maximum: 1 << 20) == data
                        }
                    }
                    for try await isRight in group { #expect(isRight) }
                }
            }
        }
    }
}
