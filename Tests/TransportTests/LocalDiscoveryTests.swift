import Multiformats
import PeerCrypto
import SansIO
import TestSupport
import Testing
import Transport

/// A core, its time and what it did.
struct Neighbour {
    static let lan = LocalDiscovery.Link(id: 2, addresses: [IPAddress([192, 168, 1, 5]), IPAddress([127, 0, 0, 1])])
    static let ours = try! Multiaddr("/ip4/192.168.1.5/tcp/4001")
    static let source = IPAddress([192, 168, 1, 9])

    let peer: PeerID
    var core: LocalDiscovery
    var now = Instant(nanoseconds: 1_000_000_000)
    var sent: [(message: DNSMessage, link: Int)] = []
    var found: [(peer: PeerID, addresses: [Multiaddr])] = []

    init(_ number: UInt8, fingerprint: String? = nil) throws {
        peer = KeyPair(seed: [UInt8](repeating: number, count: 32)).peerID
        core = try LocalDiscovery(peer: peer, fingerprint: fingerprint, seed: UInt64(number))
    }

    mutating func feed(_ input: LocalDiscovery.Input) throws {
        var effects: [LocalDiscovery.Effect] = []
        core.handle(input, now: now, into: &effects)
        try note(effects)
    }

    mutating func listen(_ addresses: [Multiaddr] = [ours], on links: [LocalDiscovery.Link] = [lan]) throws {
        try feed(.network(links, addresses))
    }

    mutating func hear(_ bytes: [UInt8], from source: IPAddress = source) throws {
        try feed(.packet(bytes, link: 2, from: source))
    }

    /// Lets time pass, tick by tick.
    mutating func pass(_ time: Duration) throws {
        let end = now + time
        while let deadline = core.deadline, deadline <= end {
            now = max(now, deadline)
            var effects: [LocalDiscovery.Effect] = []
            core.tick(now: now, into: &effects)
            try note(effects)
        }
        now = end
    }

    private mutating func note(_ effects: [LocalDiscovery.Effect]) throws {
        for effect in effects {
            switch effect {
            case .send(let bytes, let link):
                #expect(bytes.count <= 1400, "a packet that many networks cannot carry")
                sent.append((try DNSMessage(decoding: bytes), link))
            case .found(let peer, let addresses): found.append((peer, addresses))
            }
        }
    }

    var questions: [DNSMessage] { sent.map(\.message).filter { !$0.isResponse } }
    var answers: [DNSMessage] { sent.map(\.message).filter(\.isResponse) }
}

/// An answer of another peer that names `addresses`.
func told(_ peer: PeerID, label: String = "abc", timeToLive: UInt8 = 120, _ addresses: String...) -> [UInt8] {
    let texts = addresses.map { "dnsaddr=\($0)/p2p/\(peer)" }
    return DNSMessageTests.zeroconfAnswer(label: label, texts: texts, timeToLive: timeToLive)
}

@Suite struct LocalDiscoveryTests {
    let other = KeyPair(seed: [UInt8](repeating: 77, count: 32)).peerID

    func query(_ name: DNSName, _ type: UInt16, knowing: [DNSMessage.Record] = []) -> [UInt8] {
        var message = DNSMessage(isResponse: false)
        message.questions = [DNSMessage.Question(name, type: type)]
        message.answers = knowing
        return message.encoded
    }

    /// 1, 2, 4 ... 60 seconds apart, without end.
    @Test func asksMoreAndMoreSeldom() throws {
        var node = try Neighbour(1)
        try node.listen()
        try node.pass(.seconds(4))
        #expect(node.questions.count == 3)
        #expect(
            node.questions.allSatisfy { $0.questions == [DNSMessage.Question(node.core.service, type: DNSMessage.ptr)] }
        )
        try node.pass(.seconds(3600))
        #expect((60...72).contains(node.questions.count))
    }

    /// What goes out by itself and as an answer holds all that Go's resolver wants.
    @Test func answersWithEverything() throws {
        var node = try Neighbour(1)
        try node.listen([
            Neighbour.ours, try Multiaddr("/ip4/10.9.9.9/tcp/4001"), try Multiaddr("/ip4/127.0.0.1/tcp/1"),
        ])
        try node.pass(.seconds(10))
        #expect(node.answers.count == 2, "announced twice, then silent")
        try node.hear(query(node.core.service, DNSMessage.ptr))
        try node.pass(.milliseconds(120))
        #expect(node.answers.count == 3)
        let answer = try #require(node.answers.last)
        let instance = node.core.instance
        #expect(answer.answers == [DNSMessage.Record(node.core.service, timeToLive: 120, .ptr(instance))])
        let text = "dnsaddr=/ip4/192.168.1.5/tcp/4001/p2p/\(node.peer)"
        let texts = answer.additionals.filter { $0.data.type == DNSMessage.txt }
        #expect(texts == [DNSMessage.Record(instance, flushes: true, timeToLive: 120, .txt([Array(text.utf8)]))])
        guard case .srv(_, _, _, let host) = answer.additionals.first?.data else { throw DNSError.malformed }
        #expect(answer.additionals.contains { $0.name == host && $0.data == .a([192, 168, 1, 5]) && $0.flushes })
        #expect(instance.parent == node.core.service)
        let label = try #require(instance.labels.first)
        #expect(label.count >= 32 && label.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) })
        #expect(!String(decoding: label, as: UTF8.self).contains(node.peer.description.lowercased()))
    }

    /// Questions about our single records, in any case of letters; nothing for questions about others.
    @Test func answersSeparateQuestions() throws {
        var node = try Neighbour(1)
        try node.listen()
        try node.pass(.seconds(10))
        let label = try #require(node.core.instance.labels.first)
        let host = try DNSName(labels: [label, Array("LOCAL".utf8)])
        let cases: [(DNSName, UInt16, [UInt16])] = [
            (node.core.instance, DNSMessage.srv, [DNSMessage.srv]),
            (node.core.instance, DNSMessage.txt, [DNSMessage.txt]),
            (node.core.instance, DNSMessage.any, [DNSMessage.srv, DNSMessage.txt]),
            (host, DNSMessage.a, [DNSMessage.a, DNSMessage.a]),
            (try DNSName("_services._dns-sd._udp.local"), DNSMessage.ptr, [DNSMessage.ptr]),
        ]
        for (name, type, expected) in cases {
            let before = node.answers.count
            try node.hear(query(name, type))
            try node.pass(.seconds(2))
            #expect(node.answers.count == before + 1, "\(name) \(type)")
            #expect(node.answers.last?.answers.map(\.data.type) == expected, "\(name) \(type)")
        }
        let before = node.answers.count
        for (name, type) in [
            (host, DNSMessage.aaaa), (try DNSName("_ipp._tcp.local"), DNSMessage.ptr),
            (node.core.service, DNSMessage.txt),
        ] { try node.hear(query(name, type)) }
        try node.pass(.seconds(2))
        #expect(node.answers.count == before)
    }

    /// An asker that knows us is not told again; one that will soon forget is.
    @Test func knownAnswersAreSpared() throws {
        var node = try Neighbour(1)
        try node.listen()
        try node.pass(.seconds(10))
        let before = node.answers.count
        for (age, more) in [(UInt32(60), 0), (59, 1)] {
            let known = DNSMessage.Record(node.core.service, timeToLive: age, .ptr(node.core.instance))
            try node.hear(query(node.core.service, DNSMessage.ptr, knowing: [known]))
            try node.pass(.seconds(2))
            #expect(node.answers.count == before + more)
        }
    }

    /// Questions without end get an answer a second.
    @Test func questionFlood() throws {
        var node = try Neighbour(1)
        try node.listen()
        try node.pass(.seconds(10))
        let before = node.answers.count
        let question = query(node.core.service, DNSMessage.ptr)
        for _ in 0..<1000 {
            for _ in 0..<20 { try node.hear(question) }
            try node.pass(.milliseconds(10))
        }
        #expect((9...11).contains(node.answers.count - before))
    }

    /// Loopback alone, relays, addresses of other interfaces: nothing is ever sent, whatever comes.
    @Test func loopbackOnlyIsSilent() throws {
        let relayed = "/ip4/192.168.1.5/tcp/4001/p2p/\(other)/p2p-circuit"
        for address in [
            "/ip4/127.0.0.1/tcp/4001", "/ip6/::1/tcp/4001", relayed, "/ip4/192.168.7.7/tcp/1", "/ip4/0.0.0.0/tcp/1",
        ] {
            var node = try Neighbour(1)
            try node.listen([try Multiaddr(address)])
            for _ in 0..<10 {
                try node.hear(query(node.core.service, DNSMessage.ptr))
                try node.hear(told(other, "/ip4/192.168.1.9/tcp/1"))
                try node.pass(.seconds(100))
            }
            try node.feed(.stop)
            #expect(node.sent.isEmpty && node.found.isEmpty && node.core.deadline == nil, "\(address)")
        }
    }

    /// Found once, again when it moves, again after a minute; gone with its time or its goodbye.
    @Test func findsPeers() throws {
        var node = try Neighbour(1)
        try node.listen()
        let zone = "/ip6/fe80::1/tcp/1"
        try node.hear(told(other, "/ip4/192.168.1.9/tcp/1", "/ip4/127.0.0.1/tcp/1", zone, "/ip6/fd00::9/tcp/1"))
        let expected = [try Multiaddr("/ip4/192.168.1.9/tcp/1"), try Multiaddr("/ip6/fd00::9/tcp/1")]
        #expect(node.found.map(\.peer) == [other])
        #expect(node.found.first?.addresses == expected)
        try node.hear(told(other, "/ip4/192.168.1.9/tcp/1", "/ip6/fd00::9/tcp/1"))
        #expect(node.found.count == 1)
        try node.hear(told(other, "/ip4/192.168.1.9/tcp/2"))
        #expect(node.found.count == 2)
        // Our questions name it, so that it need not answer.
        try node.pass(.seconds(3))
        let known = try #require(node.questions.last?.answers.first)
        #expect(known.data == .ptr(try node.core.service.below("abc")) && known.timeToLive > 60)
        try node.pass(.seconds(60))
        try node.hear(told(other, "/ip4/192.168.1.9/tcp/2"))
        #expect(node.found.count == 3)
        try node.pass(.seconds(119))
        #expect(node.core.knownPeers == 1)
        try node.pass(.seconds(2))
        #expect(node.core.knownPeers == 0)
        try node.hear(told(other, "/ip4/192.168.1.9/tcp/2"))
        #expect(node.found.count == 4)
        try node.hear(told(other, timeToLive: 0, "/ip4/192.168.1.9/tcp/2"))
        #expect(node.core.knownPeers == 0)
    }

    /// Our own packets come back to us, and others may claim our name: neither is a peer.
    @Test func ignoresItself() throws {
        var node = try Neighbour(1)
        try node.listen()
        try node.pass(.seconds(2))
        for (message, _) in node.sent { try node.hear(message.encoded) }
        try node.hear(told(node.peer, "/ip4/192.168.1.9/tcp/1"))
        #expect(node.found.isEmpty)
    }

    /// Two cores on one wire meet; a private network and an open one do not.
    @Test func privateNetworksAreApart() throws {
        let fingerprint = String(repeating: "ab", count: 16)
        for (theirs, meets) in [(fingerprint as String?, true), (nil, false)] {
            var one = try Neighbour(1, fingerprint: fingerprint)
            var two = try Neighbour(2, fingerprint: theirs)
            try one.listen()
            try two.listen()
            try one.pass(.seconds(2))
            try two.pass(.seconds(2))
            for (message, _) in one.sent { try two.hear(message.encoded) }
            #expect((two.found.map(\.peer) == [one.peer]) == meets)
        }
        #expect(try Neighbour(1, fingerprint: fingerprint).core.service.description == "_p2p-\(fingerprint)._udp.local")
        #expect(throws: DNSError.self) { try Neighbour(1, fingerprint: String(repeating: "ab", count: 40)) }
    }

    /// A link that goes takes its peers along; one whose address changes starts anew; the end says goodbye.
    @Test func linksComeAndGo() throws {
        var node = try Neighbour(1)
        try node.listen()
        try node.hear(told(other, "/ip4/192.168.1.9/tcp/1"))
        try node.pass(.seconds(100))
        let before = node.questions.count
        try node.listen()
        try node.pass(.seconds(1))
        #expect(node.questions.count == before, "nothing has changed")
        let moved = LocalDiscovery.Link(id: 2, addresses: [IPAddress([192, 168, 1, 6])])
        try node.listen([try Multiaddr("/ip4/192.168.1.6/tcp/4001")], on: [moved])
        try node.pass(.seconds(1))
        #expect(node.questions.count == before + 1, "as if it started")
        try node.listen([], on: [moved])
        #expect(node.core.activeLinks == [] && node.core.knownPeers == 0)
        try node.listen()
        try node.pass(.seconds(1))
        try node.feed(.stop)
        let goodbye = DNSMessage.Record(node.core.service, timeToLive: 0, .ptr(node.core.instance))
        #expect(node.answers.last?.answers == [goodbye])
        #expect(node.core.deadline == nil)
    }

    /// Made-up peers: bounded for each source, in all, in a packet and in addresses; and they leave with their time.
    @Test func madeUpPeersAreBounded() throws {
        var node = try Neighbour(1)
        try node.listen()
        func someone(_ number: Int) -> PeerID {
            KeyPair(seed: [UInt8](repeating: UInt8(number & 255), count: 31) + [UInt8(number >> 8)]).peerID
        }
        for number in 0..<64 { try node.hear(told(someone(number), "/ip4/192.168.1.9/tcp/1")) }
        #expect(node.core.knownPeers == 32)
        for number in 64..<700 {
            let source = IPAddress([192, 168, UInt8(number >> 8), UInt8(number & 255)])
            try node.hear(told(someone(number), "/ip4/192.168.1.9/tcp/1"), from: source)
            try node.pass(.milliseconds(20))
        }
        #expect(node.core.knownPeers == 512 && node.found.count == 512)
        try node.pass(.seconds(200))
        #expect(node.core.knownPeers == 0)

        var fresh = try Neighbour(2)
        try fresh.listen()
        let texts = (1...40).map { "dnsaddr=/ip4/192.168.1.9/tcp/\($0)/p2p/\(other)" }
        try fresh.hear(DNSMessageTests.zeroconfAnswer(label: "abc", texts: texts))
        #expect(fresh.found.first?.addresses.count == 16)
        let crowd = (0..<40).map { "dnsaddr=/ip4/192.168.1.9/tcp/1/p2p/\(someone($0))" }
        try fresh.hear(DNSMessageTests.zeroconfAnswer(label: "abd", texts: crowd))
        #expect(fresh.core.knownPeers == 9)
    }

    /// Names that would be looked up, addresses that lead nowhere, text that is none, another's service.
    @Test func uselessTextIsIgnored() throws {
        var node = try Neighbour(1)
        try node.listen()
        let texts = [
            "dnsaddr=/dns4/victim.example/tcp/1/p2p/\(other)", "dnsaddr=/ip4/0.0.0.0/tcp/1/p2p/\(other)",
            "dnsaddr=/ip4/224.0.0.1/tcp/1/p2p/\(other)", "dnsaddr=/ip4/192.168.1.9/tcp/1", "dnsaddr=", "x",
            "dnsaddr=/ip4/192.168.1.9/tcp/1/p2p/\(other)/p2p-circuit/p2p/\(other)",
            "/ip4/192.168.1.9/tcp/1/p2p/\(other)",
        ]
        try node.hear(DNSMessageTests.zeroconfAnswer(label: "abc", texts: texts))
        var answer = DNSMessage(isResponse: true)
        let text = Array("dnsaddr=/ip4/192.168.1.9/tcp/1/p2p/\(other)".utf8)
        answer.answers = [DNSMessage.Record(try DNSName("abc._ipp._tcp.local"), timeToLive: 120, .txt([text]))]
        try node.hear(answer.encoded)
        #expect(node.found.isEmpty)
        // The same, where it belongs, but with an error code.
        answer.answers[0].name = try node.core.service.below("abc")
        answer.flags |= 3
        try node.hear(answer.encoded)
        #expect(node.found.isEmpty)
        answer.flags &= ~3
        try node.hear(answer.encoded)
        #expect(node.found.count == 1)
    }
}
