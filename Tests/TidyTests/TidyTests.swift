import Foundation
import TestSupport
import Testing

/// The house rules hold for every file of the package.
@Suite struct TidyTests {
    @Test("House rule", arguments: Rules.all)
    func holds(_ rule: Rule) {
        for finding in rule.findings(in: SourceTree.swift + SourceTree.prose) {
            Issue.record(Comment(rawValue: "\(finding)"))
        }
    }

    /// The rules saw the files that they are about: an empty tree would keep every rule.
    @Test func treeIsThere() {
        #expect(SourceTree.swift.count > 30)
        #expect(SourceTree.swift.contains { $0.path == "Sources/Multiformats/CID.swift" })
        #expect(SourceTree.prose.contains { $0.path == "README.md" })
        #expect(SourceTree.prose.contains { $0.path == "scripts/setup" })
    }

    /// The README's picture of the floors names every room, and no room that is not there.
    @Test func readmeShowsEveryRoom() throws {
        let readme = try #require(SourceTree.file("README.md")).lines.joined(separator: "\n")
        let rooms = try FileManager.default.contentsOfDirectory(
            atPath: packageRoot.appendingPathComponent("Sources").path)
        for room in rooms.sorted() where !room.hasPrefix(".") {
            #expect(readme.contains(room), "README.md does not show Sources/\(room)")
            #expect(Rules.floorOfRoom[room] != nil, "Sources/\(room) has no floor")
        }
        for link in Pattern(#"\]\(([^)#:]+)(?:#[^)]*)?\)"#).captures(readme) {
            #expect(
                FileManager.default.fileExists(atPath: packageRoot.appendingPathComponent(link).path),
                "README.md links to \(link)")
        }
    }

    /// Documents name only tests that exist: every `SuiteName.testName` in them is a test in the tree.
    @Test func documentsNameRealTests() throws {
        let tests = SourceTree.swift.filter { $0.path.hasPrefix("Tests/") }
        let code = Dictionary(grouping: tests, by: { $0.path.split(separator: "/")[1] }).mapValues {
            $0.map { $0.code.joined(separator: "\n") }.joined(separator: "\n")
        }
        let named = Pattern(#"`([A-Z][A-Za-z]+Tests/[A-Za-z0-9]+)`"#)
        for document in SourceTree.prose where document.path.hasSuffix(".md") {
            for mention in document.lines.flatMap(named.captures) {
                let parts = mention.split(separator: "/")
                let found = code[parts[0]].map { Pattern("func \(parts[1])\\b").matches($0) } ?? false
                #expect(found, "\(document.path) names \(mention), which is no test")
            }
        }
    }
}
