/// Every setting of a node, with its default.
///
/// A value comes from the first of: command line flag, environment (`PEERNODE_SECTION_KEY`), the
/// repository's `config.toml`, the default written here; `origins` remembers which. The keys, their help
/// and their checks stand in `Setting.all`.
///
///     let configuration = try NodeConfiguration.load(
///         repository: folder, environment: ProcessInfo.processInfo.environment, overrides: [:])
package struct NodeConfiguration: Sendable, Equatable {
    /// The folder of the repository.
    package var repository: String

    package var network = Network()
    package var api = API()
    package var limits = Limits()
    package var storage = Storage()
    package var content = Content()
    package var dht = DHT()
    package var provide = Provide()
    package var discovery = Discovery()
    package var pubsub = PubSub()
    package var catalog = Catalog()
    package var log = Log()

    /// Where each value comes from, by key; a key that is not here has its default.
    package var origins: [String: Origin] = [:]

    /// The defaults, for the repository in `repository`.
    package init(repository: String) {
        self.repository = repository
    }

    /// Who the node talks to, and where.
    package struct Network: Sendable, Equatable {
        /// The network's name: `coliving` is ours, `ipfs` the public one; any other keeps to its own DHT.
        package var name = "coliving"
        /// Multiaddrs to listen on; empty for a node that only dials.
        package var listen = [
            "/ip4/0.0.0.0/tcp/4101", "/ip4/0.0.0.0/udp/4101", "/ip6/::/tcp/4101", "/ip6/::/udp/4101",
        ]
        /// Multiaddrs told to peers instead of the ones found; empty to tell what was found.
        package var announce: [String] = []
        /// Multiaddrs (with `/p2p/...`) dialled at the start.
        package var bootstrap: [String] = []
        /// The file with the key of a private network; empty to use `swarm.key` of the repository, if it is there.
        package var swarmKeyFile = ""
    }

    /// The HTTP API.
    package struct API: Sendable, Equatable {
        /// `HOST:PORT`; port 0 takes a free one.
        package var listen = "127.0.0.1:5101"
        /// Whether requests need the token of the file `api-token`.
        package var requireToken = true
        /// Host names that requests may carry besides the loopback ones, without port.
        package var allowedHosts: [String] = []
        /// Origins of web pages that may use the API, exactly as browsers send them (`https://host:port`).
        package var allowedOrigins: [String] = []
    }

    /// What strangers may use up. The numbers are those of go-libp2p, scaled to a home machine.
    package struct Limits: Sendable, Equatable {
        /// Connections that are kept without trimming, and those at which trimming starts.
        package var connectionsLow = 32
        package var connectionsHigh = 96
        /// Hard limits on connections: accepted, dialled, both.
        package var connectionsIn = 96
        package var connectionsOut = 64
        package var connectionsTotal = 128
        /// Hard limits on connections whose handshake is not finished: accepted, both.
        package var pendingIn = 24
        package var pendingTotal = 48
        /// Connections of one IPv4 address or IPv6 /56.
        package var connectionsPerAddress = 8
        /// Address ranges that the limits per address do not concern.
        package var exempt = ["127.0.0.0/8", "::1/128"]
        /// Streams that one peer may open, and that we open to one peer.
        package var streamsIn = 128
        package var streamsOut = 256
        /// How long a connection may take until it is secured and multiplexed.
        package var upgradeTimeout = Duration.seconds(10)
        /// How long one protocol negotiation may take.
        package var negotiationTimeout = Duration.seconds(5)
        /// Memory for buffers of all connections, in bytes.
        package var memory = 192 << 20
        /// Wants that one peer may have with us, and bytes in flight to it.
        package var wantlist = 1024
        package var outstandingBytes = 1 << 20
    }

    /// The disk.
    package struct Storage: Sendable, Equatable {
        /// The most that blocks may take, in bytes; 0 for no limit but `minFree`.
        package var quota = 0
        /// Disk space that is left to others, in bytes: below it nothing more is stored.
        package var minFree = 1 << 30
        /// Collect garbage when this share of the quota is used, in percent.
        package var gcWatermark = 90
        /// How often that is looked at; 0 for never.
        package var gcInterval = Duration.seconds(3600)
    }

    /// How content is imported and fetched.
    package struct Content: Sendable, Equatable {
        /// The import profile: `unixfs-v1-2025` or `unixfs-v0-2015`.
        package var profile = "unixfs-v1-2025"
        /// How long a fetch waits for a block before it gives up.
        package var fetchTimeout = Duration.seconds(60)
    }

    /// How the node takes part in the DHT.
    package struct DHT: Sendable, Equatable {
        /// `auto`, `client` (asks only) or `server` (answers, too). By `auto` a node serves, except in the public
        /// network, where it does once it is known to be reachable.
        package var mode = "auto"
        /// Disjoint paths of a look-up of providers or values: more cost more and are harder to mislead.
        package var paths = 8
    }

    /// What the network is told that the node has.
    package struct Provide: Sendable, Equatable {
        /// `roots` of what is pinned or was asked for, everything `pinned`, or `all` blocks.
        package var strategy = "roots"
        /// How often it is told again; records end after two days.
        package var interval = Duration.seconds(22 * 3600)
    }

    /// How nodes of one local network find each other.
    package struct Discovery: Sendable, Equatable {
        /// Whether to say hello by multicast DNS; never done when all listen addresses are loopback.
        package var mdns = true
    }

    /// Publishing and subscribing.
    package struct PubSub: Sendable, Equatable {
        /// Whether the node gossips at all; without it nothing new is heard of but by asking.
        package var enabled = true
        /// How peers are judged: `off`, `small` for swarms of tens, `large` for hundreds and attackers among them, or
        /// `auto`: `off` in the public network, else `small`.
        package var scoring = "auto"
        /// Peers that always get every message, whatever meshes and scores say; they should name us, too.
        package var direct: [String] = []
    }

    /// What is logged, to stderr.
    package struct Log: Sendable, Equatable {
        /// `trace`, `debug`, `info`, `notice`, `warning`, `error` or `critical`.
        package var level = "info"
        /// `text` (logfmt) or `json`.
        package var format = "text"
    }

    /// Where a value came from.
    package enum Origin: Sendable, Equatable, CustomStringConvertible {
        case flag
        case environment(String)
        case file(String)

        package var description: String {
            switch self {
            case .flag: "flag"
            case .environment(let name): "environment \(name)"
            case .file(let path): path
            }
        }
    }
}

extension NodeConfiguration {
    /// The name of the configuration file in the repository.
    package static let fileName = "config.toml"

    /// Reads defaults, `config.toml` (which may be absent), the environment and `overrides`, in that order.
    ///
    /// - Parameters:
    ///   - repository: the folder of the repository.
    ///   - environment: the process's variables; only `PEERNODE_SECTION_KEY` ones are looked at.
    ///   - overrides: values of command line flags by key (`network.listen`), written as in the file.
    /// - Throws: `ConfigurationError` with one clear line for the first thing that is wrong.
    package static func load(
        repository: String, environment: [String: String] = [:], overrides: [String: SettingValue] = [:]
    ) throws(ConfigurationError) -> NodeConfiguration {
        var configuration = NodeConfiguration(repository: repository)
        let path = repository + "/" + fileName
        if let file = try ConfigurationFile(reading: path) {
            for (key, value) in file.values {
                try configuration.set(key, to: value, origin: .file(path))
            }
        }
        try configuration.apply(environment: environment)
        for (key, value) in overrides.sorted(by: { $0.key < $1.key }) {
            try configuration.set(key, to: value, origin: .flag)
        }
        try configuration.check()
        return configuration
    }

    /// Sets one key, after checking that it exists and that the value fits.
    package mutating func set(
        _ key: String, to value: SettingValue, origin: Origin
    ) throws(ConfigurationError) {
        guard let setting = Setting.named(key) else {
            throw .unknownKey(key, origin: origin, suggestion: Setting.suggestion(for: key))
        }
        do {
            try setting.apply(&self, value)
        } catch {
            throw .invalidValue(key, value: value.description, expected: error.expected, origin: origin)
        }
        origins[key] = origin
    }

    /// Takes `PEERNODE_SECTION_KEY` variables; one that names a section but no key of it is an error.
    private mutating func apply(environment: [String: String]) throws(ConfigurationError) {
        for (name, text) in environment.sorted(by: { $0.key < $1.key }) where name.hasPrefix("PEERNODE_") {
            let key = name.dropFirst("PEERNODE_".count).lowercased()
            guard let section = Setting.sections.first(where: { key.hasPrefix($0 + "_") }) else { continue }
            try set(
                section + "." + key.dropFirst(section.count + 1), to: .text(text), origin: .environment(name))
        }
    }

    /// Checks what no single key can.
    private func check() throws(ConfigurationError) {
        if limits.connectionsLow > limits.connectionsHigh {
            throw .conflict(
                "limits.connections_low (\(limits.connectionsLow)) is above limits.connections_high "
                    + "(\(limits.connectionsHigh)); raise the second or lower the first")
        }
        if limits.connectionsHigh > limits.connectionsTotal {
            throw .conflict(
                "limits.connections_high (\(limits.connectionsHigh)) is above limits.connections_total "
                    + "(\(limits.connectionsTotal)); raise the second or lower the first")
        }
    }
}
