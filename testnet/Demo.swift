import ArgumentParser
import Foundation
import Swarm

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Watch an album being published, found, followed and played in a swarm, and check every byte.",
        discussion: """
            Eight nodes, each of which knows one bootstrap peer. A landlord publishes an album; a resident on another
            node finds it by search, follows, saves, reposts and comments; the landlord sees the counts; the resident
            streams it. A node that joins late has the same catalog after one pull. The landlord's node is killed, and
            the music still plays. Everything is compared. Exits with 1 when anything differs.

            EXAMPLE
              testnet demo
            """)

    @Option(help: "The same seed gives the same content and identities.") var seed: UInt64 = 1

    func run() async throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("coliving-demo-\(getpid())").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let demo = Demo(folder: folder, seed: seed)
        // Whichever comes first: the end of the story, or Ctrl-C.
        guard try await SignalWatch.run({ try await demo.run() }, abandon: { demo.abandon() }) else {
            throw ExitCode(130)
        }
    }
}

/// The demo's story. Each step is a plain `peernode` command, as a user would type it, or a GET that a player sends.
final class Demo: @unchecked Sendable {  // one task runs it; `abandon` only ends processes, which is safe at any time
    /// How many nodes the swarm has in the end.
    private static let size = 8
    /// Seconds that something may take to be known on another node.
    static let patience = 10.0

    let folder: String
    private let seed: UInt64
    private var cluster: Cluster?
    var story = DemoStory()
    /// Name and path, CID and size of all that must arrive elsewhere.
    var goods: [DemoGoods] = []

    init(folder: String, seed: UInt64) {
        self.folder = folder
        self.seed = seed
    }

    func abandon() {
        cluster?.stop()
        try? FileManager.default.removeItem(atPath: folder)
    }

    func run() async throws {
        let watch = Stopwatch()
        Output.message("Making an album with tags and a cover, and a folder of small files...")
        let album = try AlbumMaker.make(in: folder + "/sources", seed: seed, tracks: 5, seconds: 12)
        let papers = try DemoContent.write(to: folder + "/sources/folder", seed: seed)

        Output.message("Starting \(Self.size - 1) nodes on loopback. Each knows one bootstrap peer: node 0.")
        let cluster = try await Cluster.start(
            count: Self.size - 1, seed: seed, folder: folder + "/nodes", bootstrap: true)
        self.cluster = cluster
        defer { cluster.stop() }
        let (landlord, resident) = (cluster.nodes[1], cluster.nodes[4])

        let release = try publish(album, papers, on: landlord)
        try find(release, of: album, on: resident)
        try react(to: release, on: resident)
        try count(release, on: landlord)
        try play(release.tracks[0], on: resident, from: landlord, of: cluster.nodes)
        try fetch(goods.dropFirst(), on: resident, from: landlord, of: cluster.nodes)
        // Others must be able to find the second copy before the first one goes.
        for item in goods { _ = try DemoFinding.lookUp(item.cid, by: cluster.nodes[0], until: resident) }

        let late = try join(cluster)
        cluster.processes[landlord.index].killAtOnce()
        story.add(typed: "(kill -KILL)", on: "\(landlord.index)", "the landlord's machine is gone", 0)
        _ = try list(release, on: late)
        let rest = cluster.nodes.filter { $0.index != landlord.index }
        try play(release.tracks[0], on: late, from: resident, of: rest)
        try fetch(goods.dropFirst(), on: late, from: resident, of: rest)

        story.print()
        Output.line(
            """
            "\(album.title)" by \(album.artist): \(album.tracks.count) tracks, published on node \(landlord.index), \
            found, followed, saved, reposted and played on node \(resident.index), and played on node \(late.index), \
            which came late, when node \(landlord.index) was dead.
            Every byte is the same on the disks of nodes \(landlord.index), \(resident.index) and \(late.index); \
            all catalogs had the same digest. \(String(format: "%.1f", watch.seconds)) seconds in all.
            """)
    }

    // MARK: The late one

    /// Starts a node when everything has been said, and waits until its catalog is the same as all the others'.
    private func join(_ cluster: Cluster) throws -> ClusterState.Node {
        let late = try cluster.add()
        let watch = Stopwatch()
        let complaint = "Node \(late.index), which joined late, has not the others' catalog"
        let command = ["catalog", "stat"]
        let stat = try Stopwatch.wait(Self.patience, complaint) { () throws -> Answer? in
            let stat = try late.answer(command)
            let others = try cluster.nodes[0].answer(command)
            return stat["digest"] == others["digest"] ? stat : nil
        }
        let seconds = watch.seconds
        for node in cluster.nodes where try node.answer(command)["digest"] != stat["digest"] {
            throw Failure("The catalog of node \(node.index) differs from that of node \(late.index).")
        }
        // Whoever of two that meet begins, the session brings both what they lack; the rest would come by gossip.
        let pulled = (stat.part("counters")?.number("accepted") ?? 0) - (stat.part("gossip")?.number("accepted") ?? 0)
        guard pulled > 0 else { throw Failure("Node \(late.index) did not pull its catalog.") }
        let sessions = stat.part("pulls")?.number("whole") ?? 0
        story.add(
            command, on: late,
            "joined late: \(pulled) updates by \(sessions == 1 ? "one pull" : "\(sessions) pulls"), digest "
                + stat["digest"].prefix(12) + " as on all \(cluster.nodes.count) nodes",
            seconds)
        return late
    }
}
