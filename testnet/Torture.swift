import ArgumentParser
import Foundation
import Multiformats
import PeerCrypto
import SansIO
import Swarm

struct Torture: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Kill a node with SIGKILL at random moments of its work, and check what it promised.",
        discussion: """
            Every CID that was acknowledged must be complete afterwards, and `repo verify` must be clean; what was
            added must be provided after a restart; and a name must point to what was published last, which it
            would not if its sequence number ever went back.

            EXAMPLES
              testnet torture --kills 200
              testnet torture --kills 10000 --seed 42
            """)

    @Option(help: "How many kills.") var kills: Int = 200
    @Option(help: "The same seed gives the same content and plan (not the same timing).") var seed: UInt64 = 1

    func run() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("coliving-torture-\(getpid())").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let loop = TortureLoop(folder: folder, seed: seed)
        do {
            Output.line(try loop.run(kills: kills))
        } catch {
            loop.abandon()
            throw Failure("\(error) Repeat with: testnet torture --kills \(kills) --seed \(seed)")
        }
    }
}

/// One victim that is killed again and again, and one healthy node to fetch from.
final class TortureLoop {
    /// Something the victim has acknowledged: its CID and what must come back for it.
    private struct Promise {
        let cid: String
        let digest: [UInt8]
    }

    private enum Step: CaseIterable { case addOffline, addOnline, fetch, collectGarbage, provide, publish }

    private let folder: String
    private let seed: UInt64
    private var random: SeededGenerator
    private var promises: [Promise] = []
    private var source: NodeProcess?
    private var sourceFiles: [Promise] = []
    private var victim: NodeProcess?
    private var acknowledged = 0
    private var interrupted = 0
    private var verifications = 0
    private var published = 0
    private var lastPublished = ""
    private var count: [Step: Int] = [:]

    private var repo: String { folder + "/node1" }

    init(folder: String, seed: UInt64) {
        self.folder = folder
        self.seed = seed
        random = SeededGenerator(seed: seed)
    }

    func abandon() {
        victim?.killAtOnce()
        source?.killAtOnce()
    }

    /// Runs the loop; returns the counts in one line.
    func run(kills: Int) throws -> String {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let source = try NodeProcess(index: 0, seed: seed, folder: folder)
        self.source = source
        try source.waitUntilReady()
        for index in 0..<8 {
            let file = try makeFile("source\(index)", size: Int(random.next() % 3_000_000))
            let output = try Program.output(["--repo", source.repo, "add", "--quiet", file.path])
            sourceFiles.append(Promise(cid: try lastWord(output), digest: file.digest))
        }
        // The victim's repo, with an identity of its own.
        let first = try NodeProcess(index: 1, seed: seed, folder: folder, bootstrap: [source.state.addresses[0]])
        try first.waitUntilReady()
        first.killAtOnce()

        for kill in 1...max(1, kills) {
            guard let step = Step.allCases.randomElement(using: &random) else { continue }
            count[step, default: 0] += 1
            switch step {
            case .addOffline: try addOffline(kill)
            case .addOnline: try whileRunning { try self.command(["add", "--quiet", $0], kill) }
            case .fetch: try fetch()
            case .collectGarbage: try collectGarbage()
            case .provide: try provide()
            case .publish: try publish()
            }
            if kill % 25 == 0 || kill == kills {
                try check(all: kill == kills)
                if isatty(2) == 1 { Output.message("\(kill) of \(kills) kills, \(acknowledged) CIDs acknowledged") }
            }
        }
        source.terminate()
        source.waitUntilGone()
        let steps = Step.allCases.map { "\($0) \(count[$0, default: 0])" }.joined(separator: ", ")
        return "\(kills) kills (\(steps)): \(acknowledged) CIDs acknowledged, \(published) names published, "
            + "\(interrupted) commands cut short, "
            + "\(verifications) full verifications, 0 lost, 0 corrupt"
    }

    // MARK: Steps

    /// `add` with no node running; the command itself is killed.
    private func addOffline(_ number: Int) throws {
        let file = try makeFile("file", size: size())
        let running = try Command(["--repo", repo, "add", "--quiet", file.path])
        pause()
        note(running.kill(), file.digest)
    }

    /// Starts the victim, gives `start` a fresh file, kills the victim while the command runs.
    private func whileRunning(_ start: (String) throws -> Command) throws {
        let victim = try startVictim()
        let file = try makeFile("file", size: size())
        let running = try start(file.path)
        pause()
        victim.killAtOnce()
        note(running.wait(), file.digest)
    }

    private func command(_ arguments: [String], _ number: Int) throws -> Command {
        try Command(["--repo", repo] + arguments)
    }

    /// Fetches from the healthy node and is killed on the way.
    private func fetch() throws {
        guard let source, let wanted = sourceFiles.randomElement(using: &random) else { return }
        let victim = try startVictim()
        _ = try Program.output(["--repo", repo, "swarm", "connect", source.state.addresses[0]])
        let running = try Command(["--repo", repo, "pin", "add", wanted.cid])
        pause()
        victim.killAtOnce()
        if running.wait().status == 0 {
            acknowledged += 1
            promises.append(wanted)
        } else {
            interrupted += 1
        }
    }

    /// Unpins some of what was promised and collects garbage, with a kill in the middle.
    private func collectGarbage() throws {
        let kept = Set(sourceFiles.map(\.cid))
        for _ in 0..<3 where promises.count > 20 {
            let index = Int(random.next() % UInt64(promises.count))
            let cid = promises[index].cid
            // What the healthy node also has may be promised twice.
            guard !kept.contains(cid) else { continue }
            promises.remove(at: index)
            if promises.contains(where: { $0.cid == cid }) { continue }
            _ = try Program.output(["--repo", repo, "pin", "rm", cid])
        }
        let running = try Command(["--repo", repo, "repo", "gc"])
        pause()
        _ = running.kill()
    }

    /// Killed while it provides what it has just added; the queue survives, so the next run provides it.
    private func provide() throws {
        guard let source else { return }
        let victim = try startVictim()
        let file = try makeFile("file", size: size())
        let result = try command(["add", "--quiet", file.path], 0).wait()
        pause(upTo: 50_000)
        victim.killAtOnce()
        note(result, file.digest)
        guard let cid = promises.last?.cid, result.status == 0 else { return }
        let again = try startVictim()
        let search = ["--repo", source.repo, "routing", "findprovs", cid, "--num-providers", "1"]
        for attempt in 0... {
            if try Command(search).wait().output.contains(again.state.peerID) { break }
            guard attempt < 100 else { throw Failure("\(cid) was added, and is not provided after a restart.") }
            usleep(100_000)
        }
        again.killAtOnce()
    }

    /// Killed while it publishes its name; if the command ended well, the other node resolves what it said.
    private func publish() throws {
        guard let source else { return }
        let victim = try startVictim()
        let others = sourceFiles.filter { "/ipfs/" + $0.cid != lastPublished }
        guard let value = others.randomElement(using: &random).map({ "/ipfs/" + $0.cid }) else { return }
        let running = try command(["name", "publish", "--no-resolve", "--quieter", value], 0)
        pause(upTo: 60_000)
        victim.killAtOnce()
        let result = running.wait()
        guard result.status == 0 else {
            interrupted += 1
            return
        }
        published += 1
        lastPublished = value
        let name = try lastWord(result.output)
        let resolved = try Program.output(["--repo", source.repo, "name", "resolve", "--nocache", name])
        guard try lastWord(resolved) == value else {
            throw Failure("\(name) was published as \(value), and resolves to \(resolved)")
        }
    }

    // MARK: Checking

    /// The newest promises (or all of them) come back byte for byte, and the repo verifies clean.
    private func check(all: Bool) throws {
        verifications += 1
        for promise in all ? promises[...] : promises.suffix(10) {
            let process = try Program.make(["--repo", repo, "cat", promise.cid])
            let pipe = Pipe()
            process.standardOutput = pipe
            try process.run()
            let content = [UInt8](pipe.fileHandleForReading.readDataToEndOfFile())
            process.waitUntilExit()
            guard process.terminationStatus == 0 else { throw Failure("\(promise.cid) was acknowledged and is lost.") }
            guard ContentHash.sha256(content).digest == promise.digest else {
                throw Failure("\(promise.cid) was acknowledged and came back changed.")
            }
        }
        let process = try Program.make(["--repo", repo, "repo", "verify"])
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure("`repo verify` is not clean: \(output)") }
    }

    // MARK: Parts

    private func startVictim() throws -> NodeProcess {
        let victim = try NodeProcess(index: 1, seed: seed, folder: folder)
        self.victim = victim
        try victim.waitUntilReady()
        return victim
    }

    private func note(_ result: Command.Result, _ digest: [UInt8]) {
        // A CID on stdout is a promise, whatever happened to the command afterwards.
        let words = result.output.split(whereSeparator: \.isWhitespace)
        if result.output.hasSuffix("\n"), let cid = words.last, cid.hasPrefix("baf") {
            acknowledged += 1
            promises.append(Promise(cid: String(cid), digest: digest))
        } else {
            interrupted += 1
        }
    }

    private func makeFile(_ name: String, size: Int) throws -> (path: String, digest: [UInt8]) {
        let path = folder + "/" + name
        return (path, try RandomFile.write(to: path, size: size, using: &random))
    }

    private func size() -> Int {
        // Mostly small, some of several chunks.
        random.next() % 3 == 0 ? Int(random.next() % 4_000_000) : Int(random.next() % 60_000)
    }

    /// Microseconds until the kill; 200 ms reach from before a command has begun to well after its end.
    private func pause(upTo limit: UInt64 = 200_000) { usleep(UInt32(random.next() % limit)) }

    private func lastWord(_ text: String) throws -> String {
        guard let word = text.split(whereSeparator: \.isWhitespace).last else {
            throw Failure("A command printed nothing.")
        }
        return String(word)
    }
}
