import ArgumentParser
import Foundation
import SansIO
import Swarm

struct SoakCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "soak",
        abstract: "Let users publish and follow while nodes are killed, and check that nothing is lost.",
        discussion: """
            At each node a user publishes, edits, makes lists, follows, saves, reposts and comments, while nodes are
            killed with SIGKILL and started again at random moments. Afterwards all catalogs must have the same digest
            and show the same, every update whose command exited with 0 must be in each of them, what was set last
            must be what is shown, and all content, fetched from random nodes, must equal its source. Exits with 1
            when anything is lost.

            EXAMPLES
              testnet soak --minutes 3
              testnet soak --minutes 0.5 --seed 42
            """)

    @Option(help: "How long users act and nodes are killed.") var minutes: Double = 3
    @Option(help: "How many nodes (3 to 50).") var nodes: Int = 10
    @Option(help: "The same seed gives the same plans of users and kills (not the same timing).") var seed: UInt64 = 1
    @Option(help: "Seconds that the catalogs may take to become equal afterwards.") var patience: Double = 180
    @Flag(help: "Keep the nodes' folder when something is lost.") var keep = false

    func validate() throws {
        guard (3...50).contains(nodes) else { throw ValidationError("A soak has 3 to 50 nodes, not \(nodes).") }
        guard minutes > 0, minutes <= 10_000 else { throw ValidationError("--minutes must be more than 0.") }
    }

    func run() async throws {
        let place = FileManager.default.temporaryDirectory.resolvingSymlinksInPath()
        let folder = place.appendingPathComponent("coliving-soak-\(getpid())").path
        let soak = Soak(folder: folder, seed: seed, nodes: nodes)
        let (minutes, patience) = (minutes, patience)
        do {
            let isWhole = try await SignalWatch.run(
                { Output.line(try await soak.run(minutes: minutes, patience: patience)) }, abandon: { soak.abandon() })
            try? FileManager.default.removeItem(atPath: folder)
            if !isWhole { throw ExitCode(130) }
        } catch let error as Failure {
            soak.abandon()
            let rest = keep ? " Everything is in \(folder)." : ""
            if !keep { try? FileManager.default.removeItem(atPath: folder) }
            throw Failure(
                "\(error) Repeat with: testnet soak --minutes \(minutes) --nodes \(nodes) --seed \(seed)\(rest)")
        }
    }
}

/// A swarm whose nodes are killed while their users act.
final class Soak: @unchecked Sendable {  // one task runs it; `abandon` only ends processes, which is safe at any time
    private let folder: String
    private let seed: UInt64
    private let count: Int
    private var random: SeededGenerator
    private var cluster: Cluster?
    private var kills = 0
    private var early = 0

    init(folder: String, seed: UInt64, nodes: Int) {
        self.folder = folder
        self.seed = seed
        count = nodes
        random = SeededGenerator(seed: seed)
    }

    func abandon() { for process in cluster?.processes ?? [] where process.isRunning { process.killAtOnce() } }

    /// Runs all of it; returns the figures.
    func run(minutes: Double, patience: Double) async throws -> String {
        Output.message("Starting \(count) nodes, each with a user, for \(minutes) minutes (seed \(seed))...")
        let cluster = try await Cluster.start(count: count, seed: seed, folder: folder + "/nodes", bootstrap: true)
        self.cluster = cluster
        let world = SoakWorld()
        var users: [SoakUser] = []
        for node in cluster.nodes {
            let user = SoakUser(
                index: node.index, repo: node.repo, folder: folder, world: world, random: random.split())
            try user.begin()
            users.append(user)
        }
        for user in users { user.meet(users) }

        let end = ContinuousClock.now + .seconds(minutes * 60)
        let living = DispatchGroup()
        for user in users {
            living.enter()
            Thread.detachNewThread {
                defer { living.leave() }
                do { try user.live(until: end) } catch { world.fail(error) }
            }
        }
        do { try kill(cluster, until: end, world) } catch { world.fail(error) }
        while living.wait(timeout: .now() + .milliseconds(50)) == .timedOut {}
        if let error = world.error { throw error }
        try revive(cluster)
        for user in users { try user.finish() }
        Output.message("Everything runs again after \(kills) kills; waiting for the catalogs to become equal...")
        let check = SoakCheck(cluster.nodes, users, folder: folder, random: random.split())
        let figures = try check.run(patience: patience)
        cluster.stop()
        return report(users, figures)
    }

    // MARK: Kills

    /// Kills nodes at random moments and starts them again a little later; a node that ends by itself has failed.
    private func kill(_ cluster: Cluster, until end: ContinuousClock.Instant, _ world: SoakWorld) throws {
        var down: [Int: ContinuousClock.Instant] = [:]
        var next = ContinuousClock.now + .milliseconds(luck(3_000))
        while ContinuousClock.now < end, world.error == nil {
            usleep(20_000)
            for process in cluster.processes where down[process.index] == nil && !process.isRunning {
                throw Failure("Node \(process.index) ended by itself: \(process.log.suffix(2_000))")
            }
            for (index, time) in down where time < .now {
                down[index] = nil
                try start(cluster, index)
            }
            guard next < .now else { continue }
            next = .now + .milliseconds(300 + luck(4_000))
            let up = cluster.processes.map(\.index).filter { down[$0] == nil }
            // Most of them stay, so that there is a swarm.
            guard up.count > count * 2 / 3, let index = up.randomElement(using: &random) else { continue }
            cluster.processes[index].killAtOnce()
            kills += 1
            down[index] = .now + .milliseconds(luck(5_000))
        }
        for index in down.keys.sorted() { try start(cluster, index) }
    }

    /// Starts a node again; one in five is killed before it can serve, and is started once more.
    private func start(_ cluster: Cluster, _ index: Int) throws {
        if luck(5) == 0 {
            try cluster.restart(index)
            usleep(UInt32(luck(500_000)))
            cluster.processes[index].killAtOnce()
            kills += 1
            early += 1
        }
        var last = ""
        for _ in 0..<40 {
            try cluster.restart(index)
            do {
                return try cluster.processes[index].waitUntilReady()
            } catch {
                // A command of the user may have the repo open, and another program the port.
                last = "\(error)"
                cluster.processes[index].killAtOnce()
                usleep(100_000)
            }
        }
        throw Failure("Node \(index) cannot be started again. \(last)")
    }

    /// Makes sure that every node runs.
    private func revive(_ cluster: Cluster) throws {
        for process in cluster.processes where !process.isRunning { try start(cluster, process.index) }
    }

    private func luck(_ bound: Int) -> Int { Int(random.next() % UInt64(max(1, bound))) }

    // MARK: Figures

    private func report(_ users: [SoakUser], _ figures: SoakCheck.Figures) -> String {
        var done: [String: Int] = [:]
        for user in users { done.merge(user.promises.done, uniquingKeysWith: +) }
        var complaints: [String: Int] = [:]
        for user in users { complaints.merge(user.promises.complaints, uniquingKeysWith: +) }
        for (text, count) in complaints.sorted(by: { $0.key < $1.key }) { Output.message("\(count) x \(text)") }
        let acknowledged = done.values.reduce(0, +)
        let kinds = done.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        return """
            \(count) nodes, \(kills) kills (\(early) before the node could serve), seed \(seed)
            \(acknowledged) commands acknowledged: \(kinds)
            \(users.reduce(0) { $0 + $1.promises.cutShort }) cut short, \
            \(users.reduce(0) { $0 + $1.promises.killed }) killed themselves, \
            \(users.reduce(0) { $0 + $1.promises.refused }) refused
            \(figures.updates) updates in every catalog, digest \(figures.digest.prefix(16)), equal after \
            \(String(format: "%.1f", figures.seconds)) s; \(figures.marks) acknowledged texts and CIDs looked for in \
            each, \(figures.views) views compared
            \(figures.fetched) files fetched from other nodes (\(String(format: "%.1f", Double(figures.bytes) / 1e6)) \
            MB), \(figures.played) of them played over HTTP
            0 lost, 0 different
            """
    }
}
