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

    /// Documents name only tests that exist: `TargetTests/File/function` is a function of that file, in any folder of
    /// the target.
    @Test func documentsNameRealTests() throws {
        let named = Pattern(#"`([A-Z][A-Za-z]+Tests/[A-Za-z0-9]+/[A-Za-z0-9]+)`"#)
        var count = 0
        for document in SourceTree.prose where document.path.hasSuffix(".md") {
            for mention in document.lines.flatMap(named.captures) {
                let parts = mention.split(separator: "/")
                let file = SourceTree.swift.first {
                    $0.path.hasPrefix("Tests/\(parts[0])/") && $0.path.hasSuffix("/\(parts[1]).swift")
                }
                let function = Pattern("func \(parts[2])\\b")
                #expect(
                    file?.code.contains(where: function.matches) == true,
                    "\(document.path) names \(mention), which is no test")
                count += 1
            }
        }
        #expect(count > 0, "docs/hostile-input.md names no test")
    }

    /// The reference lists every setting, and only settings that there are.
    @Test func referenceListsEverySetting() throws {
        let settings = try ["Settings", "Catalog/CatalogSettings"].flatMap {
            try #require(SourceTree.file("Sources/PeerNode/\($0).swift")).lines
        }.joined(separator: "\n")
        let reference = try #require(SourceTree.file("docs/reference.md")).lines
        let start = try #require(reference.firstIndex(of: "## Settings"))
        let section = reference[start...].dropFirst().prefix { !$0.hasPrefix("## ") }.joined(separator: "\n")
        let keys = Pattern(#""([a-z]+\.[a-z_]+)""#).captures(settings)
        #expect(keys.count > 40)
        let listed = Pattern(#"(?m)^\| `([a-z]+\.[a-z_]+)` \|"#).captures(section)
        for key in keys { #expect(listed.contains(key), "docs/reference.md does not list \(key)") }
        for key in listed { #expect(keys.contains(key), "docs/reference.md lists \(key), which is no setting") }
    }
}
