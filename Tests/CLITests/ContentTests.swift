import Foundation
import Multiformats
import TestSupport
import Testing

@Suite("Adding and getting with the program", .serialized)
struct ContentTests {
    /// A folder with what makes trouble: an empty file and folder, a symlink, names in several scripts, dotfiles.
    private static func makeFolder(in folder: URL) throws -> URL {
        let root = folder.appendingPathComponent("folder")
        let manager = FileManager.default
        for name in ["", "sub/deep", "empty"] {
            try manager.createDirectory(at: root.appendingPathComponent(name), withIntermediateDirectories: true)
        }
        try noise(2_400_000).write(to: root.appendingPathComponent("large.bin"))
        try Data().write(to: root.appendingPathComponent("nothing"))
        for (index, name) in ["ascii.txt", "ümlaut.txt", "日本語.txt", "с пробелом", "sub/deep/😀"].enumerated() {
            try Data("content \(index)".utf8).write(to: root.appendingPathComponent(name))
        }
        try manager.createSymbolicLink(atPath: root.path + "/link", withDestinationPath: "ascii.txt")
        try Data("secret".utf8).write(to: root.appendingPathComponent(".hidden"))
        return root
    }

    /// Every path below `folder` with what it is.
    private static func contents(of folder: String) throws -> [String: String] {
        let manager = FileManager.default
        return try manager.subpathsOfDirectory(atPath: folder).reduce(into: [:]) { result, path in
            let full = folder + "/" + path
            switch try manager.attributesOfItem(atPath: full)[.type] as? FileAttributeType {
            case .typeDirectory: result[path] = "folder"
            case .typeSymbolicLink: result[path] = "link to " + (try manager.destinationOfSymbolicLink(atPath: full))
            default: result[path] = "\(manager.contents(atPath: full)?.hashValue ?? 0)"
            }
        }
    }

    /// The same session with a running node and without one: the answers must be the same.
    private static func session(_ program: Program, _ folder: URL, _ name: String) throws -> String {
        let source = try makeFolder(in: folder)
        let added = try program.run("add", source.path)
        #expect(added.status == 0, "\(added.messages)")
        let root = added.lastWord
        #expect(added.output == "added folder \(root)\n")
        #expect(try program.run("add", "-r", "--quiet", source.path).output == root + "\n")

        let events = try program.run("add", "--json", source.path).json
        #expect(events.last?["cid"] as? String == root)
        #expect(events.last?["name"] as? String == "folder")
        #expect(events.contains { $0["name"] as? String == "folder/日本語.txt" && $0["size"] is Int })
        #expect(!events.contains { ($0["name"] as? String)?.contains(".hidden") == true })

        let output = folder.appendingPathComponent("out-\(name)").path
        let got = try program.run("get", root, "-o", output)
        #expect(got.status == 0, "\(got.messages)")
        #expect(got.output.isEmpty)
        try FileManager.default.removeItem(atPath: source.path + "/.hidden")
        #expect(try contents(of: output) == contents(of: source.path))

        #expect(try program.run("cat", root + "/ascii.txt").output == "content 0")
        #expect(try program.run("cat", root + "/ümlaut.txt", "--offset", "3", "--length", "2").output == "te")
        #expect(try program.run("cat", "/ipfs/\(root)/nothing").output.isEmpty)

        let list = try program.run("ls", root, "--json").json
        #expect(
            list.compactMap { $0["name"] as? String }.sorted()
                == ["ascii.txt", "empty", "large.bin", "link", "nothing", "sub", "ümlaut.txt", "日本語.txt", "с пробелом"]
                .sorted())
        #expect(list.first { $0["name"] as? String == "large.bin" }?["size"] as? Int == 2_400_000)
        #expect(list.first { $0["name"] as? String == "sub" }?["type"] as? String == "folder")
        #expect(list.first { $0["name"] as? String == "link" }?["type"] as? String == "symlink")
        try FileManager.default.removeItem(at: source)
        return root
    }

    @Test("A folder goes in and comes out the same, offline and through a running node")
    func roundTrip() async throws {
        try await withProgram { program, folder in
            let offline = try Self.session(program, folder, "offline")
            let node = try RunningNode(program)
            let online = try Self.session(program, folder, "online")
            #expect(offline == online)
            #expect(node.stop().status == 0)
        }
    }

    @Test("Standard input, profiles, chunk sizes and hidden files")
    func options() async throws {
        try await withProgram { program, folder in
            let hello = Data("hello\n".utf8)
            let known = "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am"
            #expect(try program.run("add", "-q", "-", input: hello).output == known + "\n")
            #expect(try program.run("add", "-", input: hello).lastWord == known)
            let old = try program.run("add", "-q", "--profile", "unixfs-v0-2015", "-", input: hello).output
            #expect(old == "QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN\n")
            let parts = try program.run("add", "-q", "--chunk-size", "2", "-", input: hello).lastWord
            #expect(parts != known)
            #expect(try program.run("cat", parts).output == "hello\n")

            let source = try Self.makeFolder(in: folder)
            let without = try program.run("add", "-q", source.path).lastWord
            let with = try program.run("add", "-q", "--hidden", source.path).lastWord
            #expect(with != without)
            #expect(try program.run("cat", with + "/.hidden").output == "secret")
            let only = try program.run("add", "-q", "--only-hash", "-", input: Data("never stored".utf8)).lastWord
            #expect(try program.run("block", "stat", only).status == 69)
        }
    }

    @Test("What exists is not overwritten unless asked")
    func existing() async throws {
        try await withProgram { program, folder in
            let cid = try program.run("add", "-q", "-", input: Data("new".utf8)).lastWord
            let target = folder.appendingPathComponent("target").path
            try Data("old".utf8).write(to: URL(fileURLWithPath: target))
            #expect(try program.run("get", cid, "-o", target).status == 1)
            #expect(FileManager.default.contents(atPath: target) == Data("old".utf8))
            #expect(try program.run("get", cid, "-o", target, "--force").status == 0)
            #expect(FileManager.default.contents(atPath: target) == Data("new".utf8))
        }
    }

    @Test("What is added is pinned, unless not; pins come, are listed and go")
    func pins() async throws {
        try await withProgram { program, _ in
            let kept = try program.run("add", "-q", "-", input: Data("kept".utf8)).lastWord
            let loose = try program.run("add", "-q", "--no-pin", "-", input: Data("loose".utf8)).lastWord
            #expect(try program.run("pin", "ls").output == "\(kept) recursive\n")
            #expect(try program.run("pin", "add", loose, "--name", "mine").status == 0)
            let pins = try program.run("pin", "ls", "--json").json
            #expect(pins.first { $0["cid"] as? String == loose }?["name"] as? String == "mine")
            #expect(try program.run("pin", "verify", "--verbose").output.contains("\(kept) ok"))
            #expect(try program.run("pin", "rm", kept).output == "unpinned \(kept)\n")
            #expect(try program.run("pin", "rm", kept).status == 3)
            #expect(try program.run("pin", "ls", kept).status == 3)
            #expect(try program.run("block", "rm", kept).status == 0)
            #expect(try program.run("block", "rm", loose).status == 1)
            #expect(try program.run("cat", loose).output == "loose")
        }
    }

    @Test("Graphs go out as CAR files and come in again")
    func cars() async throws {
        try await withProgram { program, folder in
            let source = try Self.makeFolder(in: folder)
            let root = try program.run("add", "-q", source.path).lastWord
            let car = folder.appendingPathComponent("x.car").path
            #expect(try program.run("dag", "export", root, "-o", car).status == 0)
            try await withProgram { other, _ in
                let imported = try other.run("dag", "import", car)
                #expect(imported.output == "pinned root \(root)\n", "\(imported.messages)")
                #expect(try other.run("cat", root + "/ascii.txt").output == "content 0")
                let broken = folder.appendingPathComponent("broken.car").path
                var bytes = try #require(FileManager.default.contents(atPath: car))
                bytes[bytes.count - 5] ^= 1
                try bytes.write(to: URL(fileURLWithPath: broken))
                #expect(try other.run("dag", "import", broken).status == 1)
            }
            let stat = try program.run("dag", "stat", root, "--json").json.first
            #expect((stat?["unique_blocks"] as? Int ?? 0) > 8)
            let node = try program.run("dag", "put", "-", input: Data("{\"a\":[1,{\"/\":\"\(root)\"}]}".utf8)).lastWord
            #expect(try program.run("dag", "get", node + "/a/0").output == "1\n")
            #expect(try program.run("cat", node + "/a/1/ascii.txt").output == "content 0")
        }
    }

    @Test("Verification is clean until a byte is flipped, then names the block and exits 1")
    func verification() async throws {
        try await withProgram { program, _ in
            let data = Data((0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) })
            let cid = try program.run("add", "-q", "-", input: data).lastWord
            #expect(try program.run("repo", "verify").status == 0)
            #expect(try program.run("repo", "verify", "--json").json.first?["clean"] as? Bool == true)
            // The block lies in the largest pack; its middle is content.
            let packs = program.repository + "/packs"
            let pack = try #require(
                FileManager.default.subpathsOfDirectory(atPath: packs).map { packs + "/" + $0 }
                    .max { size($0) < size($1) })
            let handle = try #require(FileHandle(forUpdatingAtPath: pack))
            try handle.seek(toOffset: 100_000)
            let byte = try #require(try handle.read(upToCount: 1)?.first)
            try handle.seek(toOffset: 100_000)
            try handle.write(contentsOf: Data([byte ^ 1]))
            try handle.close()
            let found = try program.run("repo", "verify")
            #expect(found.status == 1)
            #expect(found.output.contains(cid))
            #expect(try program.run("cat", cid).status != 0)
        }
    }

    private func size(_ path: String) -> Int {
        (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
    }
}
