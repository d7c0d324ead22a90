import Foundation
import Multiformats
package import PeerCrypto

/// The nodes of one testnet: real processes with repos in one folder, owned by this process.
package final class Cluster {
    /// A folder per user, so that `testnet down` needs no argument.
    package static let defaultFolder = FileManager.default.temporaryDirectory
        .appendingPathComponent("coliving-testnet-\(getuid())").path

    package let folder: String
    package private(set) var processes: [NodeProcess] = []

    package var nodes: [ClusterState.Node] { processes.map(\.state) }

    private let seed: UInt64

    private init(folder: String, seed: UInt64) {
        self.folder = folder
        self.seed = seed
    }

    /// Starts `count` nodes and returns when every one can serve.
    ///
    /// With `bootstrap`, the configuration of every node names the first one as its only bootstrap peer: all else
    /// they find by themselves.
    package static func start(count: Int, seed: UInt64, folder: String, bootstrap: Bool) async throws -> Cluster {
        if let running = try? ClusterState.load(from: folder), kill(running.owner, 0) == 0, running.owner != getpid() {
            throw Failure("A testnet already runs in \(folder): end it with `testnet down`, or use another --dir.")
        }
        (try? ClusterState.load(from: folder))?.endEverything(in: folder)
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let cluster = Cluster(folder: folder, seed: seed)
        do {
            // The first one alone, since the others want its address; then all at once, because start-up is mostly
            // waiting for the others' turn on the processor.
            var known: [String] = []
            for index in 0..<count {
                cluster.processes.append(
                    try NodeProcess(index: index, seed: seed, folder: folder, bootstrap: known))
                try cluster.save()
                if index == 0 {
                    try cluster.processes[0].waitUntilReady()
                    if bootstrap { known = Array(cluster.nodes[0].addresses.prefix(1)) }
                }
            }
            for process in cluster.processes.dropFirst() { try process.waitUntilReady() }
            try cluster.save()
        } catch {
            cluster.stop()
            throw error
        }
        return cluster
    }

    /// Starts one more node, which knows the first one, and returns when it can serve.
    package func add() throws -> ClusterState.Node {
        let process = try NodeProcess(
            index: processes.count, seed: seed, folder: folder, bootstrap: Array(nodes[0].addresses.prefix(1)))
        processes.append(process)
        try process.waitUntilReady()
        try save()
        return process.state
    }

    /// Starts a node again that was killed, at the addresses where it was. It need not be ready yet.
    package func restart(_ index: Int) throws {
        processes[index] = try NodeProcess(
            index: index, seed: seed, folder: folder, listen: processes[index].listening)
    }

    /// Connects the nodes as `topology` says.
    package func connect(_ topology: Topology) async throws {
        for link in topology.links(processes.count) {
            guard let address = nodes[link.to].addresses.first else { continue }
            _ = try Program.output(["--repo", nodes[link.from].repo, "swarm", "connect", address])
        }
    }

    /// Ends all nodes and removes the folder.
    package func stop() {
        for process in processes { process.terminate() }
        for process in processes { process.waitUntilGone() }
        try? FileManager.default.removeItem(atPath: folder)
    }

    private func save() throws { try ClusterState(owner: getpid(), nodes: nodes).save(to: folder) }
}

/// One `peernode run` and what it said when it was ready.
package final class NodeProcess {
    private struct Ready: Decodable {
        let peer_id: String
        let addresses: [String]
        let api: String
    }

    package let index: Int
    package let repo: String
    private let process: Process
    private let output: FileHandle
    private var ready: Ready?
    /// What it was told to listen on.
    private let wanted: [String]

    /// Where it listens, for another start at the same place.
    package var listening: [String] {
        let places = (ready?.addresses ?? []).map { address in
            // `/ip4/127.0.0.1/tcp/4101`, without the transport's and the peer's name behind it.
            "/" + address.split(separator: "/").prefix(4).joined(separator: "/")
        }
        let once = places.enumerated().filter { !places[..<$0.offset].contains($0.element) }.map(\.element)
        return once.isEmpty ? wanted : once
    }

    package var state: ClusterState.Node {
        let addresses = ready?.addresses ?? []
        return ClusterState.Node(
            index: index, repo: repo, pid: process.processIdentifier, peerID: ready?.peer_id ?? "",
            addresses: addresses.filter { $0.contains("/tcp/") } + addresses.filter { !$0.contains("/tcp/") },
            api: ready?.api ?? "")
    }

    /// Creates the repo with the identity that `seed` and `index` give and with these bootstrap peers, and starts
    /// the node on loopback, at free ports unless `listen` names some.
    package init(
        index: Int, seed: UInt64, folder: String, bootstrap: [String] = [],
        listen: [String] = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0"]
    ) throws {
        self.index = index
        wanted = listen
        repo = folder + "/node\(index)"
        let keyFile = repo + "/identity.pem"
        if !FileManager.default.fileExists(atPath: keyFile) {
            try FileManager.default.createDirectory(
                atPath: repo, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            try Cluster.identity(seed: seed, index: index).save(to: keyFile)
            _ = try Program.output(["--repo", repo, "init", "--if-needed", "--network", "testnet"], quiet: true)
            if !bootstrap.isEmpty {
                _ = try Program.output(["--repo", repo, "bootstrap", "add"] + bootstrap, quiet: true)
            }
        }
        process = try Program.make(
            ["--repo", repo, "run", "--json", "--api", "127.0.0.1:0"] + listen.flatMap { ["--listen", $0] })
        let log = repo + "/node.log"
        if !FileManager.default.fileExists(atPath: log) {
            _ = FileManager.default.createFile(atPath: log, contents: nil)
        }
        let messages = FileHandle(forWritingAtPath: log)
        // Behind what it said before it was killed.
        _ = try messages?.seekToEnd()
        process.standardError = messages
        var reading: FileHandle?
        try Program.launch(process) { process in
            let pipe = Pipe()
            process.standardOutput = pipe
            reading = pipe.fileHandleForReading
        }
        output = reading ?? FileHandle.nullDevice
    }

    /// Waits for the line that says the node can serve.
    package func waitUntilReady() throws {
        var line = Data()
        while !line.contains(UInt8(ascii: "\n")) {
            let more = output.availableData
            guard !more.isEmpty else {
                throw Failure("Node \(index) ended before it was ready: \(log.suffix(400))")
            }
            line.append(more)
        }
        ready = try JSONDecoder().decode(Ready.self, from: line.prefix { $0 != UInt8(ascii: "\n") })
    }

    /// What it has said since it was first started.
    package var log: String { (try? String(contentsOfFile: repo + "/node.log", encoding: .utf8)) ?? "" }

    package func terminate() { if process.isRunning { process.terminate() } }

    /// Ends the node as a power cut would.
    package func killAtOnce() {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// Waits for the end, and makes sure of it after ten seconds.
    package func waitUntilGone() {
        for _ in 0..<1_000 where process.isRunning { usleep(10_000) }
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
    }

    package var isRunning: Bool { process.isRunning }
}

extension Cluster {
    /// The key of node `index`: the same for the same seed on every machine.
    package static func identity(seed: UInt64, index: Int) -> KeyPair {
        let digest = ContentHash.sha256(Array("coliving testnet \(seed) node \(index)".utf8))
        return KeyPair(seed: digest.digest)
    }
}
