import Multiformats

extension Setting {
    /// Every key there is, in the order in which `config show` prints them.
    package static let all: [Setting] = network + api + limits + storage + content + routing + catalog + log

    private static let network: [Setting] = [
        .text(
            "network.name", \.network.name, "the network's name; 'ipfs' is the public one", Check.networkName),
        .list(
            "network.listen", \.network.listen,
            "addresses to listen on, /tcp/ for streams and /udp/ for datagrams; empty to only dial", Check.address),
        .list(
            "network.announce", \.network.announce, "addresses to tell peers instead of those found",
            Check.address),
        .list(
            "network.bootstrap", \.network.bootstrap, "peers to dial at the start", Check.peerAddress),
        .text(
            "network.swarm_key_file", \.network.swarmKeyFile,
            "file with a private network's key; empty for swarm.key of the repository, if there"),
    ]

    private static let api: [Setting] = [
        .text("api.listen", \.api.listen, "HOST:PORT of the HTTP API; port 0 takes a free one", Check.hostAndPort),
        .flag(
            "api.require_token", \.api.requireToken,
            "whether the API wants the token of api-token; only a loopback address may go without"),
        .list(
            "api.allowed_hosts", \.api.allowedHosts, "host names that requests may carry besides loopback",
            Check.hostName),
        .list(
            "api.allowed_origins", \.api.allowedOrigins, "origins of web pages that may use the API", Check.origin),
    ]

    private static let limits: [Setting] = [
        .number(
            "limits.connections_low", \.limits.connectionsLow, 0...100_000, "connections kept without trimming"),
        .number(
            "limits.connections_high", \.limits.connectionsHigh, 1...100_000,
            "connections at which trimming starts"),
        .number("limits.connections_in", \.limits.connectionsIn, 0...100_000, "most connections accepted"),
        .number("limits.connections_out", \.limits.connectionsOut, 0...100_000, "most connections dialled"),
        .number("limits.connections_total", \.limits.connectionsTotal, 1...100_000, "most connections at all"),
        .number(
            "limits.pending_in", \.limits.pendingIn, 1...100_000, "most unfinished handshakes accepted"),
        .number(
            "limits.pending_total", \.limits.pendingTotal, 1...100_000, "most unfinished handshakes at all"),
        .number(
            "limits.connections_per_address", \.limits.connectionsPerAddress, 1...100_000,
            "most connections of one IPv4 address or IPv6 /56"),
        .list(
            "limits.exempt", \.limits.exempt, "address ranges without limits per address", Check.addressRange),
        .number("limits.streams_in", \.limits.streamsIn, 1...100_000, "most streams one peer may open"),
        .number("limits.streams_out", \.limits.streamsOut, 1...100_000, "most streams opened to one peer"),
        .time(
            "limits.upgrade_timeout", \.limits.upgradeTimeout, minimum: .milliseconds(100),
            "time for a connection to be secured and multiplexed"),
        .time(
            "limits.negotiation_timeout", \.limits.negotiationTimeout, minimum: .milliseconds(100),
            "time for one protocol negotiation"),
        .size("limits.memory", \.limits.memory, minimum: 8 << 20, "memory for buffers of connections"),
        .number("limits.wantlist", \.limits.wantlist, 1...1_000_000, "most wants of one peer"),
        .size(
            "limits.outstanding_bytes", \.limits.outstandingBytes, minimum: 64 << 10,
            "most bytes in flight to one peer"),
    ]

    private static let storage: [Setting] = [
        .size("storage.quota", \.storage.quota, minimum: 0, "most disk space of blocks; 0 for no limit"),
        .size("storage.min_free", \.storage.minFree, minimum: 0, "disk space left to others"),
        .number(
            "storage.gc_watermark", \.storage.gcWatermark, 1...100,
            "percent of the quota at which garbage is collected"),
        .time(
            "storage.gc_interval", \.storage.gcInterval, minimum: .zero,
            "time between looks at the quota; 0 for never"),
    ]

    private static let content: [Setting] = [
        .choice(
            "content.profile", \.content.profile, ["unixfs-v1-2025", "unixfs-v0-2015"], "how files become blocks"),
        .time(
            "content.fetch_timeout", \.content.fetchTimeout, minimum: .milliseconds(1),
            "time to wait for a block before giving up"),
    ]

    private static let routing: [Setting] = [
        .choice(
            "dht.mode", \.dht.mode, ["auto", "client", "server"], "whether the node answers the DHT's questions"),
        .number("dht.paths", \.dht.paths, 1...20, "disjoint paths of a look-up; more are harder to mislead"),
        .choice(
            "provide.strategy", \.provide.strategy, ["roots", "pinned", "all"],
            "what the network is told that the node has"),
        .time("provide.interval", \.provide.interval, minimum: .seconds(60), "time after which it is told again"),
        .flag("discovery.mdns", \.discovery.mdns, "whether nodes of the local network find each other"),
        .flag("pubsub.enabled", \.pubsub.enabled, "whether messages of topics are published, read and passed on"),
        .choice(
            "pubsub.scoring", \.pubsub.scoring, ["auto", "off", "small", "large"],
            "how peers are judged, by the size of the swarm"),
        .list(
            "pubsub.direct", \.pubsub.direct, "peers that get every message whatever meshes and scores say",
            Check.peerAddress),
    ]

    private static let log: [Setting] = [
        .choice(
            "log.level", \.log.level, ["trace", "debug", "info", "notice", "warning", "error", "critical"],
            "what is logged"),
        .choice("log.format", \.log.format, ["text", "json"], "how it is logged"),
    ]
}

/// Checks of texts: nil when a text is right, else what it must be.
private enum Check {
    static func networkName(_ text: String) -> String? {
        let allowed = text.utf8.allSatisfy {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
        }
        return allowed && (1...64).contains(text.utf8.count)
            ? nil : "1 to 64 small letters, digits, '-' or '_'"
    }

    static func address(_ text: String) -> String? {
        (try? Multiaddr(text)) == nil ? "a multiaddr such as /ip4/0.0.0.0/tcp/4101" : nil
    }

    static func peerAddress(_ text: String) -> String? {
        (try? Multiaddr(text))?.peerID == nil
            ? "a multiaddr with a peer, such as /ip4/192.0.2.1/tcp/4101/p2p/12D3KooW..." : nil
    }

    static func hostAndPort(_ text: String) -> String? {
        let expected = "HOST:PORT such as 127.0.0.1:5101"
        guard let colon = text.lastIndex(of: ":"), UInt16(text[text.index(after: colon)...]) != nil else {
            return expected
        }
        return hostName(String(text[..<colon])) == nil ? nil : expected
    }

    /// A host without port; IPv6 in brackets.
    static func hostName(_ text: String) -> String? {
        let inner = text.hasPrefix("[") && text.hasSuffix("]") ? text.dropFirst().dropLast() : text[...]
        let allowed = inner.utf8.allSatisfy {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".")
                || ($0 == UInt8(ascii: ":") && text.hasPrefix("["))
        }
        return allowed && (1...253).contains(inner.utf8.count) ? nil : "a host name without port"
    }

    static func origin(_ text: String) -> String? {
        let expected = "an origin as browsers send it, such as https://example.org:8443"
        for scheme in ["http://", "https://"] where text.hasPrefix(scheme) {
            let rest = text.dropFirst(scheme.count)
            return hostName(String(rest)) == nil || hostAndPort(String(rest)) == nil ? nil : expected
        }
        return expected
    }

    static func addressRange(_ text: String) -> String? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        let widest = text.contains(":") ? 128 : 32
        let isAddress = parts.first.map { $0.utf8.allSatisfy { "0123456789abcdefABCDEF:.".utf8.contains($0) } } ?? false
        guard parts.count == 2, isAddress, let bits = Int(parts[1]), (0...widest).contains(bits) else {
            return "an address range such as 10.0.0.0/8 or fd00::/8"
        }
        return nil
    }
}
