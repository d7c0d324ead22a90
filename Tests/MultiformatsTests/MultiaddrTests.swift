import Multiformats
import SansIO
import TestSupport
import Testing

/// Multiaddrs: text, bytes, and what the node asks of them.
@Suite struct MultiaddrTests {
    struct File: Decodable {
        let valid, invalid: [String]
        let string_to_bytes_hex: [[String]]
    }

    /// Spellings that are read but printed otherwise.
    private func canonical(_ text: String) -> Bool {
        // Slashes at the end, the older name of /p2p, PeerIDs as CIDs, certificate hashes in other bases, and a
        // /garlic32 with bits set behind its last byte.
        !text.hasSuffix("/") && !text.contains("/ipfs/") && !text.contains("/p2p/k") && !text.contains("/p2p/baf")
            && !text.contains("/certhash/") && !text.hasSuffix("zwassw")
    }

    @Test(.enabled(if: Vectors.present, "\(Vectors.skipped)"))
    func vectors() throws {
        let file = try Vectors.json("multiformats/multiaddr-vectors.json", as: File.self)
        #expect(file.valid.count == 93 && file.invalid.count == 65)
        for text in file.valid {
            let address = try #require(try? Multiaddr(text), "\(text)")
            #expect(try Multiaddr(address.bytes) == address)
            #expect(try Multiaddr(address.description) == address)
            if canonical(text) { #expect(address.description == text) }
        }
        for text in file.invalid {
            #expect(throws: MultiformatError.self, "\(text)") { try Multiaddr(text) }
        }
        for row in file.string_to_bytes_hex {
            #expect(try Multiaddr(row[0]).bytes.hexText == row[1])
            #expect(try Multiaddr(hex(row[1])).description == row[0])
        }
    }

    /// Every row of the protocol table is known by code and by name.
    @Test(.enabled(if: Vectors.present, "\(Vectors.skipped)"))
    func table() throws {
        let rows = try Vectors.csv("multiformats/multiaddr-protocols.csv")
        #expect(rows.count == 41)
        for row in rows {
            let code = try #require(UInt64(row[0]))
            let proto = try #require(Multiaddr.Proto(name: row[2]), "\(row[2])")
            #expect(proto.code == code)
            #expect(Multiaddr.Proto(code: code) == proto)
        }
    }

    @Test func examples() throws {
        let peer = try PeerID("12D3KooWLU2znyJMtDiHArqAGbZn8CgUGp92kxDBtefftEEaHSZS")
        let address = try Multiaddr("/ip4/127.0.0.1/tcp/4321")
        #expect(address.bytes.hexText == "047f0000010610e1")
        #expect(address.tcp?.host == "127.0.0.1" && address.tcp?.port == 4321)
        #expect(address.peerID == nil && address.isLoopback && !address.isPrivate && !address.isPublic)
        let full = address.appending(peer)
        #expect(full.description == "/ip4/127.0.0.1/tcp/4321/p2p/\(peer)")
        #expect(full.peerID == peer && full.withoutPeerID == address && full.appending(peer) == full)
        #expect(full.tcp?.port == 4321)
        #expect(full.components.map(\.proto) == [.ip4, .tcp, .p2p])
        #expect(try Multiaddr(components: full.components) == full)
        #expect(try Multiaddr("/ipfs/\(peer)") == Multiaddr("/p2p/\(peer.cid)"))
        #expect(try Multiaddr("/p2p/\(peer)").withoutPeerID.peerID == peer)
        #expect(try Multiaddr(ip: "::1", tcp: 0).description == "/ip6/::1/tcp/0")
        #expect(try Multiaddr(ip: "fe80::1%eth0", tcp: 9).description == "/ip6zone/eth0/ip6/fe80::1/tcp/9")
        #expect(try Multiaddr("/ip6zone/eth0/ip6/fe80::1/tcp/9").tcp?.host == "fe80::1%eth0")
        #expect(throws: MultiformatError.self) { try Multiaddr(ip: "localhost", tcp: 1) }
        #expect(throws: MultiformatError.self) { try Multiaddr(ip: "1.2.3.4%eth0", tcp: 1) }
    }

    @Test func whatCanBeDialled() throws {
        let yes = ["/ip4/1.2.3.4/tcp/1", "/ip6/::1/tcp/1", "/dns/a.b/tcp/1", "/dns4/a.b/tcp/1", "/dns6/a.b/tcp/1"]
        for text in yes { #expect(try Multiaddr(text).tcp != nil, "\(text)") }
        let no = [
            "/ip4/1.2.3.4/udp/1/quic-v1", "/ip4/1.2.3.4/tcp/1/ws", "/ip4/1.2.3.4/tcp/1/tls/sni/a/ws",
            "/dnsaddr/a.b/tcp/1",
            "/dnsaddr/a.b", "/tcp/1", "/ip4/1.2.3.4", "/unix/a/b", "/memory/1", "/ip6zone/x/ip4/1.2.3.4/tcp/1",
            "/ip4/1.2.3.4/tcp/1/p2p/12D3KooWLU2znyJMtDiHArqAGbZn8CgUGp92kxDBtefftEEaHSZS/p2p-circuit",
        ]
        for text in no { #expect(try Multiaddr(text).tcp == nil, "\(text)") }
    }

    @Test func relays() throws {
        let relay = "/ip4/1.2.3.4/tcp/1/p2p/12D3KooWLU2znyJMtDiHArqAGbZn8CgUGp92kxDBtefftEEaHSZS"
        let target = "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq"
        let address = try Multiaddr("\(relay)/p2p-circuit/p2p/\(target)")
        #expect(address.isRelayed && address.peerID?.description == target)
        #expect(address.relay?.address.description == relay && address.relay?.target?.description == target)
        let bare = try Multiaddr("\(relay)/p2p-circuit")
        #expect(bare.isRelayed && bare.relay?.target == nil && bare.peerID == nil)
        let twice = try Multiaddr("\(relay)/p2p-circuit/p2p/\(target)/p2p-circuit/p2p/\(target)")
        #expect(twice.relay?.address == address)
        #expect(try Multiaddr(relay).relay == nil && Multiaddr("/p2p-circuit").relay == nil)
    }

    @Test func scopes() throws {
        let loopback = [
            "/ip4/127.0.0.1", "/ip4/127.9.9.9", "/ip6/::1", "/ip6/::ffff:127.0.0.1", "/dns/localhost",
            "/dns4/a.localhost.",
        ]
        let inside = [
            "/ip4/10.0.0.1", "/ip4/172.16.0.1", "/ip4/172.31.9.9", "/ip4/192.168.1.1", "/ip4/169.254.1.1",
            "/ip4/100.64.0.1", "/ip6/fe80::1", "/ip6/fd00::1", "/ip6/::ffff:10.0.0.1", "/ip6zone/eth0/ip6/fe80::1",
            "/dns/nas.local",
        ]
        let outside = [
            "/ip4/1.1.1.1", "/ip4/172.32.0.1", "/ip4/100.128.0.1", "/ip6/2a00::1", "/ip6/64:ff9b::101:101",
            "/dns/example.com", "/dnsaddr/a.b",
        ]
        let nowhere = [
            "/ip4/0.0.0.0", "/ip4/224.0.0.1", "/ip4/255.255.255.255", "/ip4/192.0.2.1", "/ip6/::", "/ip6/ff02::1",
            "/ip6/2001:db8::1", "/unix/a",
        ]
        func scope(_ text: String) throws -> [Bool] {
            let address = try Multiaddr(text)
            return [address.isLoopback, address.isPrivate, address.isPublic]
        }
        for text in loopback { #expect(try scope(text) == [true, false, false], "\(text)") }
        for text in inside { #expect(try scope(text) == [false, true, false], "\(text)") }
        for text in outside { #expect(try scope(text) == [false, false, true], "\(text)") }
        for text in nowhere { #expect(try scope(text) == [false, false, false], "\(text)") }
        #expect(try Multiaddr("/ip4/0.0.0.0/tcp/1").isUnspecified && Multiaddr("/ip6/::/tcp/1").isUnspecified)
        #expect(try !Multiaddr("/ip4/0.0.0.1/tcp/1").isUnspecified && !Multiaddr("/dns/a/tcp/1").isUnspecified)
    }

    /// RFC 5952, section 4 and 5.
    @Test(arguments: [
        ("2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"), ("2001:DB8::1", "2001:db8::1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
        ("0:0:0:0:0:0:0:0", "::"),
        ("::ffff:1.2.3.4", "::ffff:1.2.3.4"), ("0:0:0:0:0:FFFF:102:304", "::ffff:1.2.3.4"), ("1::", "1::"),
        ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
        ("64:ff9b::1.2.3.4", "64:ff9b::102:304"), ("fe80::", "fe80::"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
    ])
    func ipv6(text: String, printed: String) throws {
        #expect(try Multiaddr("/ip6/\(text)").description == "/ip6/\(printed)")
    }

    @Test(arguments: [
        ":", ":::", "1", "1:2", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::", ":1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:",
        "1:2:3:4:5:6:7::8", "::1.2.3", "::1.2.3.4.5", "1.2.3.4::", "::256.1.1.1", "::1%eth0", "1.2.3.4",
    ])
    func notIPv6(text: String) {
        #expect(throws: MultiformatError.self) { try Multiaddr("/ip6/\(text)") }
    }

    @Test(arguments: [
        "01.2.3.4", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.", "a.b.c.d", "+1.2.3.4", "1..2.3", "1.2.3.0004",
    ])
    func notIPv4(text: String) {
        #expect(throws: MultiformatError.self) { try Multiaddr("/ip4/\(text)") }
    }

    @Test func oddities() throws {
        // A number's text is digits only; a value never contains what would end it.
        for text in [
            "/tcp/+1", "/tcp/", "/tcp/0x1", "/memory/18446744073709551616", "/dns//tcp/1", "ip4/1.2.3.4",
            "//ip4/1.2.3.4", "/http-path/%2", "/http-path/%zz",
        ] {
            #expect(throws: MultiformatError.self, "\(text)") { try Multiaddr(text) }
        }
        #expect(try Multiaddr("/memory/18446744073709551615").bytes.hexText == "8906ffffffffffffffff")
        #expect(try Multiaddr("/http-path/a%2Fb+c%20d").description == "/http-path/a%2Fb%2Bc%20d")
        // A combining mark behind a slash makes one Character with it, but stays a value of its own.
        let mark = try Multiaddr("/dns/\u{338}x/tcp/1")
        #expect(mark.components.count == 2 && mark.tcp?.host == "\u{338}x")
        // Unknown code, cut value, wrong length, a slash inside a name, text that is not UTF-8, nothing.
        for bytes in [
            "cf8f03", "047f0000", "3505612e", "3503612f62", "3502c328", "", "8906040000000000",
            "bc0300000000000000000000000000",
        ] {
            #expect(throws: MultiformatError.self, "\(bytes)") { try Multiaddr(hex(bytes)) }
        }
        #expect(throws: MultiformatError.unknownProtocol("12345678")) { try Multiaddr(Varint.bytes(12_345_678)) }
        #expect(throws: MultiformatError.invalidLength) { try Multiaddr([UInt8](repeating: 0, count: 4097)) }
        #expect(throws: MultiformatError.invalidLength) { try Multiaddr("/dns/" + String(repeating: "a", count: 5000)) }
        #expect(throws: MultiformatError.invalidLength) { try Multiaddr(String(repeating: "/tls", count: 100_000)) }
    }

    /// Random addresses of all protocols: text and bytes lead back to the same address.
    @Test(arguments: [21, 22, 23] as [UInt64])
    func roundTrip(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<500 {
            let components = (0..<Int.random(in: 1...5, using: &random)).map { _ in randomComponent(using: &random) }
            let address = try Multiaddr(components: components)
            #expect(address.components == components)
            #expect(try Multiaddr(address.bytes) == address)
            #expect(try Multiaddr(address.description) == address, "\(address)")
        }
    }

    private func randomComponent(using random: inout SeededGenerator) -> Multiaddr.Component {
        while true {
            let proto = Multiaddr.Proto.all.randomElement(using: &random) ?? .tls
            // A path takes everything behind it with it, so it has a test of its own.
            guard proto != .unix else { continue }
            let length = [0, 1, 2, 4, 8, 12, 16, 32, 37, 40, 390].randomElement(using: &random) ?? 0
            var value = (0..<length).map { _ in UInt8.random(in: 33...126, using: &random) }
            if proto == .p2p || proto == .certhash { value = [0x12, 0x20] + value }
            if let component = try? Multiaddr.Component(proto, value) { return component }
        }
    }

    @Test func paths() throws {
        for text in ["/unix/a", "/unix/a/b c/d", "/ip4/1.2.3.4/unix/tcp/x"] {
            #expect(try Multiaddr(text).description == text)
        }
        #expect(try Multiaddr("/unix/a/b").components.first?.value == Array("/a/b".utf8))
    }
}
