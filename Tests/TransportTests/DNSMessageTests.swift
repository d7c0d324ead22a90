import TestSupport
import Testing
import Transport

/// The bytes of `text` behind their length, as labels and TXT strings are sent.
func counted(_ text: String) -> [UInt8] { [UInt8(text.utf8.count)] + Array(text.utf8) }

/// Labels and the zero behind them.
func wireName(_ text: String) -> [UInt8] { text.split(separator: ".").flatMap { counted(String($0)) } + [0] }

/// Two bytes, the higher first.
func word(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 255), UInt8(value & 255)] }

@Suite struct DNSMessageTests {
    static let service = "_p2p._udp.local"

    /// A question as `avahi-browse -r _p2p._udp` sends it, with what it knows already.
    static let avahiQuery =
        word(0) + word(0) + word(1) + word(1) + word(0) + word(0)  // header
        + wireName(service) + word(12) + word(1)
        + [0xc0, 12] + word(12) + word(1) + [0, 0, 0, 100] + word(4) + [1, 0x41, 0xc0, 12]

    /// An answer as Go's zeroconf composes it: the pointer, then SRV, TXT and the addresses as additional records,
    /// with names cut short.
    static func zeroconfAnswer(
        label: String, texts: [String], timeToLive: UInt8 = 120, ip: [UInt8] = [192, 0, 2, 7]
    ) -> [UInt8] {
        let text = texts.flatMap(counted)
        // "_p2p._udp.local" stands at 12, "local" at 22; the instance at 12 + 17 + 10.
        let instance: [UInt8] = [0xc0, 39]
        let host = wireName(label + ".local")
        return word(0) + word(0x8400) + word(0) + word(1) + word(0) + word(3)
            + wireName(service) + word(12) + word(1) + [0, 0, 0, timeToLive]
            + word(label.utf8.count + 3) + counted(label) + [0xc0, 12]
            + instance + word(33) + word(0x8001) + [0, 0, 0, timeToLive] + word(6 + host.count) + word(0) + word(0)
            + word(4001) + host
            + instance + word(16) + word(0x8001) + [0, 0, 0, timeToLive] + word(text.count) + text
            + host + word(1) + word(0x8001) + [0, 0, 0, timeToLive] + word(4) + ip
    }

    @Test func avahiQuestionReads() throws {
        let message = try DNSMessage(decoding: Self.avahiQuery)
        let service = try DNSName(Self.service)
        #expect(!message.isResponse && message.isOrdinary)
        #expect(message.questions == [DNSMessage.Question(service, type: DNSMessage.ptr)])
        let known = DNSMessage.Record(service, timeToLive: 100, .ptr(try service.below("a")))
        #expect(message.answers == [known])
    }

    @Test func zeroconfAnswerReads() throws {
        let message = try DNSMessage(decoding: Self.zeroconfAnswer(label: "abc", texts: ["dnsaddr=/x", "y"]))
        let service = try DNSName(Self.service)
        let instance = try service.below("abc")
        let host = try DNSName("abc.local")
        #expect(message.isResponse)
        #expect(message.answers == [DNSMessage.Record(service, timeToLive: 120, .ptr(instance))])
        let additionals = [
            DNSMessage.Record(
                instance, flushes: true, timeToLive: 120, .srv(priority: 0, weight: 0, port: 4001, host: host)),
            DNSMessage.Record(
                instance, flushes: true, timeToLive: 120, .txt([Array("dnsaddr=/x".utf8), Array("y".utf8)])),
            DNSMessage.Record(host, flushes: true, timeToLive: 120, .a([192, 0, 2, 7])),
        ]
        #expect(message.additionals == additionals)
        #expect(try DNSMessage(decoding: message.encoded) == message)
    }

    /// What we write is what a reader of our own and the rules of compression expect.
    @Test func writesShortNames() throws {
        let service = try DNSName(Self.service)
        var message = DNSMessage(isResponse: true)
        message.answers = [DNSMessage.Record(service, timeToLive: 1, .ptr(try service.below("ab")))]
        let expected =
            word(0) + word(0x8400) + word(0) + word(1) + word(0) + word(0) + wireName(Self.service) + word(12)
            + word(1) + [0, 0, 0, 1] + word(5) + [2, 0x61, 0x62, 0xc0, 12]
        #expect(message.encoded == expected)
    }

    @Test func namesIgnoreCaseAndHaveLimits() throws {
        #expect(try DNSName("_P2P._UDP.Local.") == DNSName(Self.service))
        #expect(throws: DNSError.malformed) { try DNSName(String(repeating: "a", count: 64)) }
        let longest = Array(repeating: String(repeating: "a", count: 49), count: 5).joined(separator: ".")
        #expect(try DNSName(longest).length == 251)
        #expect(throws: DNSError.malformed) { try DNSName(longest + ".bcde") }
        #expect(try DNSName(longest + ".bc").length == 254)
        #expect(try DNSName("a.b").parent == DNSName("b"))
    }

    /// A pointer to itself, to what follows, in a circle, into the header; a name that pointers make too long.
    @Test func hostilePointers() throws {
        let head = word(0) + word(0) + word(1) + word(0) + word(0) + word(0)
        let end = word(12) + word(1)
        for name: [UInt8] in [
            [0xc0, 12], [1, 0x61, 0xc0, 12], [0xc0, 14, 0], [0xc0, 14, 0xc0, 12], [0xc0, 0], [0xff, 0xff], [0x40, 0],
            [0x80, 0],
        ] {
            #expect(throws: DNSError.malformed, "\(name)") { try DNSMessage(decoding: head + name + end) }
        }
        // Each question is a long label and a pointer to the one before: 255 bytes are soon full.
        var bytes = word(0) + word(0) + word(100) + word(0) + word(0) + word(0)
        var last: Int?
        for _ in 0..<100 {
            let place = bytes.count
            bytes +=
                counted(String(repeating: "a", count: 50))
                + (last.map { [0xc0 | UInt8($0 >> 8), UInt8($0 & 255)] } ?? [0])
            bytes += end
            last = place
        }
        #expect(throws: DNSError.malformed) { try DNSMessage(decoding: bytes) }
    }

    /// Counts beyond the limit are refused before anything is read; counts beyond the bytes end in an error.
    @Test func hostileCounts() throws {
        #expect(throws: DNSError.tooLarge) {
            try DNSMessage(decoding: word(0) + word(0) + word(0xffff) + word(0xffff) + word(0xffff) + word(0xffff))
        }
        #expect(throws: DNSError.truncated) {
            try DNSMessage(decoding: word(0) + word(0) + word(256) + word(0) + word(0) + word(0))
        }
        #expect(throws: DNSError.tooLarge) {
            try DNSMessage(decoding: [UInt8](repeating: 0, count: DNSMessage.maximumLength + 1))
        }
        // A record's length that says more than its data, or less.
        let answer = Self.zeroconfAnswer(label: "abc", texts: ["x"])
        let length = 12 + 17 + 9
        for wrong in [5, 7, 200] as [UInt8] {
            var bytes = answer
            bytes[length] = wrong
            #expect(throws: DNSError.self) { try DNSMessage(decoding: bytes) }
        }
        for cut in 0..<answer.count {
            #expect(throws: DNSError.truncated) { try DNSMessage(decoding: Array(answer[..<cut])) }
        }
    }
}
