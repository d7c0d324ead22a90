import ArgumentParser
import Swarm

/// `testnet`: a swarm of real peer nodes on this machine, for testers and for the demo.
@main
struct Testnet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "testnet",
        abstract: "Start a swarm of real peer nodes on this machine.",
        discussion: """
            Every node is a process of its own on loopback; everything lives in one temporary folder.

            EXAMPLES
              testnet up 5                      five nodes that find each other through the first; Ctrl-C ends them
              testnet up 5 --seed 7 --json      the same identities every time, one JSON line a node
              testnet run 0-4 -- id             a peernode command against chosen nodes
              testnet down                      end a testnet from another terminal
              testnet demo                      watch an album being published, found, followed and played in a swarm of eight
              testnet soak --minutes 3          users on ten nodes, which are killed; nothing may be lost
            """,
        subcommands: [
            Up.self, Down.self, List.self, Run.self, DemoCommand.self, Torture.self, SoakCommand.self, Simulate.self,
        ])
}

/// Where a testnet lives; the same for every command, so that they find each other.
struct Location: ParsableArguments {
    @Option(name: .customLong("dir"), help: "The testnet's folder.", completion: .directory)
    var directory: String?

    var folder: String { directory ?? Cluster.defaultFolder }
}

struct Up: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Start N nodes and keep them until Ctrl-C or `testnet down`.",
        discussion: """
            EXAMPLES
              testnet up 5
              testnet up 25 --topology star --seed 7 --json
            """)

    @Argument(help: "How many nodes (1 to 200).") var count: Int = 5
    @Option(help: "The same seed gives the same identities.") var seed: UInt64 = 1
    @Option(
        help: """
            Who knows whom: bootstrap (all know the first node and find the rest), or who is connected to whom from \
            the start: line, ring, star, full, none.
            """)
    var topology: Topology = .bootstrap
    @Flag(help: "One JSON line a node on stdout.") var json = false
    @OptionGroup var location: Location

    func validate() throws {
        guard (1...200).contains(count) else { throw ValidationError("A testnet has 1 to 200 nodes, not \(count).") }
    }

    func run() async throws {
        let signals = SignalWatch()
        let cluster = try await Cluster.start(
            count: count, seed: seed, folder: location.folder, bootstrap: topology == .bootstrap)
        do {
            try await cluster.connect(topology)
            for node in cluster.nodes { Output.node(node, json: json) }
            if !json { Output.message("\(count) nodes are up in \(cluster.folder). Ctrl-C ends them.") }
            await signals.wait()
        } catch {
            cluster.stop()
            throw error
        }
        cluster.stop()
    }
}

struct Down: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "End a testnet: no process and no file is left.",
        discussion: "EXAMPLE\n  testnet down")

    @OptionGroup var location: Location

    func run() throws {
        let state = try ClusterState.load(from: location.folder)
        state.endEverything(in: location.folder)
        Output.message("The testnet of \(state.nodes.count) nodes has ended.")
    }
}

struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List the nodes of the running testnet.",
        discussion: "EXAMPLE\n  testnet ls --json")

    @Flag(help: "One JSON line a node.") var json = false
    @OptionGroup var location: Location

    func run() throws {
        for node in try ClusterState.load(from: location.folder).nodes { Output.node(node, json: json) }
    }
}

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a peernode command against chosen nodes.",
        discussion: """
            EXAMPLES
              testnet run 0 -- id
              testnet run 0-4 -- swarm peers
              testnet run 1,3 -- repo stat --json
            """)

    @Argument(help: "Which nodes: 0, 0-4 or 1,3.") var nodes: String
    @Argument(parsing: .postTerminator, help: "The command, behind --.") var command: [String] = []
    @OptionGroup var location: Location

    func run() throws {
        guard !command.isEmpty else { throw ValidationError("Name a command behind --, as in: testnet run 0 -- id") }
        let state = try ClusterState.load(from: location.folder)
        let chosen = try NodeSelection(nodes, count: state.nodes.count)
        var worst: Int32 = 0
        for index in chosen.indices {
            if chosen.indices.count > 1 { Output.message("node \(index):") }
            worst = max(worst, try Program.run(["--repo", state.nodes[index].repo] + command))
        }
        if worst != 0 { throw ExitCode(worst) }
    }
}

/// A list of node numbers as people write it.
struct NodeSelection {
    let indices: [Int]

    init(_ text: String, count: Int) throws {
        var indices: [Int] = []
        for part in text.split(separator: ",") {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first <= last else {
                throw ValidationError("'\(part)' is no node number or range; write 0, 0-4 or 1,3.")
            }
            guard last < count else {
                throw ValidationError("There is no node \(last): this testnet has 0 to \(count - 1).")
            }
            indices.append(contentsOf: first...last)
        }
        guard !indices.isEmpty else { throw ValidationError("Name at least one node, as in: testnet run 0 -- id") }
        self.indices = indices
    }
}

extension Topology: ExpressibleByArgument {}
