import Testing

/// Each rule fires on what it forbids and keeps quiet on what it allows: a rule that cannot fail is no rule.
@Suite struct RuleSelfTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let rule: Rule
        let path: String
        let bad: String
        let good: String
        var testDescription: String { "\(rule.name): \(bad.prefix { $0 != "\n" })" }
    }

    static let cases: [Case] = [
        Case(
            rule: Rules.floors, path: "Sources/DHT/Lookup.swift", bad: "import Transport", good: "package import SansIO"
        ),
        Case(
            rule: Rules.floors, path: "Sources/Multiformats/CID.swift", bad: "package import Storage",
            good: "import NIOCore"),
        Case(rule: Rules.floors, path: "Sources/Attic/Box.swift", bad: "import NIOCore", good: ""),
        Case(
            rule: Rules.pureCores, path: "Sources/BlockExchange/Bitswap.swift", bad: "let now = ContinuousClock.now",
            good: "// a ContinuousClock would be wrong here\nlet x = Int.random(in: 0..<3, using: &generator)"),
        Case(
            rule: Rules.pureCores, path: "Sources/BlockExchange/ServeQueue.swift",
            bad: "let block = await store.get(cid)",
            good: "session.await(peer)\ntasks.push(Task(cid))"),
        Case(
            rule: Rules.pureCores, path: "Sources/BlockExchange/Session.swift", bad: "Task { run() }",
            good: "tasks.push(Task())"),
        Case(rule: Rules.pureCores, path: "Sources/SansIO/Timers.swift", bad: "func f() async {}", good: "func f() {}"),
        Case(
            rule: Rules.pureCores, path: "Sources/Gossip/Mesh.swift", bad: "peers.shuffled()",
            good: "peers.shuffled(using: &luck)"),
        Case(
            rule: Rules.pureCores, path: "Sources/DHT/Key.swift", bad: "Int.random(in: 0..<4)", good: "\"Task.sleep\""),
        Case(
            rule: Rules.noFoundationInHotRooms, path: "Sources/Transport/Host.swift", bad: "import Foundation",
            good: "import NIOCore"),
        Case(
            rule: Rules.shortFiles, path: "Sources/Transport/Host.swift", bad: String(repeating: "\n", count: 400),
            good: String(repeating: "\n", count: 399)),
        Case(
            rule: Rules.unsafeInItsRooms, path: "Sources/Storage/Packs.swift", bad: "import CSodium",
            good: "import CPlatform"),
        Case(
            rule: Rules.uncheckedSendableHasProof, path: "Sources/Transport/Host.swift",
            bad: "final class A: @unchecked Sendable {}",
            good: "// loop-confined: asserted in run()\nfinal class A: @unchecked Sendable {}"),
        Case(
            rule: Rules.uncheckedSendableHasProof, path: "Sources/Transport/Host.swift",
            bad: "nonisolated(unsafe) var count = 0",
            good: "nonisolated(unsafe) var count = 0  // set before the threads start"),
        Case(
            rule: Rules.noTraps, path: "Sources/MerkleDAG/DagPB.swift", bad: "let a = map[key]!",
            good: "if a != b && !c {}"),
        Case(
            rule: Rules.noTraps, path: "Sources/MerkleDAG/DagPB.swift", bad: "let a = try! f()", good: "let a = try f()"
        ),
        Case(rule: Rules.noTraps, path: "Sources/MerkleDAG/DagPB.swift", bad: "x!.count", good: "print(\"hello!\")"),
        Case(
            rule: Rules.noTraps, path: "Sources/MerkleDAG/DagPB.swift", bad: "fatalError()",
            good: "precondition(a, \"why\")"),
        Case(
            rule: Rules.nothingUnfinished, path: "docs/operator.md", bad: "TO" + "DO: write this",
            good: "mastodon and todo lists"),
        Case(
            rule: Rules.nothingPrivate, path: "scripts/setup", bad: "cd /wo" + "rk/main",
            good: "cd ./wo" + "rk/ and https://libp2p.io"),
        Case(
            rule: Rules.nothingPrivate, path: "Sources/CLI/A.swift", bad: "// see issue" + " #12",
            good: "// see RFC 9457"),
        Case(
            rule: Rules.documented, path: "Sources/Storage/Packs.swift", bad: "package struct Packs {}",
            good: "/// Large blocks.\n@frozen\npackage struct Packs {}"),
        Case(
            rule: Rules.notPublic, path: "Sources/Storage/Packs.swift", bad: "public struct A {}",
            good: "package struct A {}"),
        Case(rule: Rules.noPlaceholders, path: "Sources/Gossip/Placeholder" + ".swift", bad: "", good: ""),
        Case(
            rule: Rules.noSleepForLuck, path: "Tests/AllTests/A.swift", bad: "sleep(1)",
            good: "try await until { done }"),
    ]

    @Test(arguments: cases)
    func firesOnWhatItForbids(_ example: Case) {
        let file = SourceFile(path: example.path, text: example.bad)
        #expect(!example.rule.findings(in: [file]).isEmpty)
    }

    @Test(arguments: cases.filter { $0.rule.name != Rules.noPlaceholders.name && !$0.path.contains("Attic") })
    func keepsQuietOnWhatItAllows(_ example: Case) {
        let file = SourceFile(path: example.path, text: example.good)
        #expect(example.rule.findings(in: [file]).isEmpty)
    }

    /// Every rule of the list has an example here.
    @Test func everyRuleHasAnExample() {
        for rule in Rules.all {
            #expect(Self.cases.contains { $0.rule.name == rule.name }, "\(rule.name) has no example")
        }
    }

    /// Comments and string literals are no code; escapes and raw strings do not confuse the reader.
    @Test(arguments: [
        ("a // b!", "a "), ("\"x!\" + y", "\"\" + y"), ("\"\\\"!\" z", "\"\" z"), ("#\"a\"!\"# b", "\"\" b"),
        ("/* a /* b */ c */ d", " d"), ("#if DEBUG", "#if DEBUG"),
    ])
    func stripsWhatIsNoCode(_ text: String, _ expected: String) {
        #expect(SourceFile.strip(text) == expected)
    }

    /// A literal over several lines keeps its lines, so that line numbers stay right.
    @Test func keepsLines() {
        #expect(SourceFile.strip("\"\"\"\nx!\n\"\"\" e") == "\"\n\n\" e")
    }
}
