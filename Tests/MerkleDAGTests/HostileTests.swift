import Foundation
import MerkleDAG
import Multiformats
import NIOCore
import PeerCrypto
import TestSupport
import Testing

/// What strangers may send to get out of a folder, or to keep us busy for ever.
struct HostileTests {
    let store = MemoryStore()
    var reader: DAGReader { DAGReader { [store] in try store.get($0) } }

    func folder(_ entries: [(String, CID)], sorted: Bool = true) -> CID {
        let links = entries.map { DagPB.Link(cid: $0.1, name: Array($0.0.utf8), tsize: 1) }
        return store.add(.dagPB, DagPB.Node(links: links, data: UnixFS(.directory).encoded()).encoded())
    }

    func symlink(_ target: String) -> CID {
        store.add(.dagPB, DagPB.Node(data: UnixFS(.symlink, data: ByteBuffer(string: target)).encoded()).encoded())
    }

    // MARK: Path traversal

    @Test(arguments: ["..", ".", "", "/", "../evil", "a/b", "/etc/evil", "a\0b", "C:", "c:\\evil", "..\0"])
    func namesThatLeadOutAreRefused(_ name: String) async throws {
        let evil = store.add(.raw, ByteBuffer(string: "evil"))
        let inner = folder([(name, evil)])
        for root in [inner, folder([("sub", inner)]), folder([(name, inner)]), folder([(name, symlink("x"))])] {
            try await withTemporaryFolder { place in
                let target = place.appendingPathComponent("target")
                await #expect(throws: UnpackError.unsafeName(name)) {
                    try await Unpacker.unpack(root, from: reader, to: target.path)
                }
                let left = try snapshot(place).filter { $0.value != "folder" }
                #expect(left.isEmpty)
                // The same through tar: our writer refuses to make it.
                await #expect(throws: UnpackError.unsafeName(name)) {
                    for try await _ in TarStream(root, from: reader, rootName: [0x61]) {}
                }
            }
        }
    }

    @Test func theGatewaysTraversalFixtureIsRefused() async throws {
        let path = "gateway/conformance/path_gateway_tar/outside-root.car"
        guard Vectors.present else { return }
        let (header, blocks) = try await readCAR(try Vectors.bytes(path))
        store.put(blocks)
        try await withTemporaryFolder { place in
            await #expect(throws: UnpackError.self) {
                try await Unpacker.unpack(header.roots[0], from: reader, to: place.appendingPathComponent("t").path)
            }
            #expect(!FileManager.default.fileExists(atPath: place.appendingPathComponent("foo").path))
        }
    }

    @Test func aSymlinkIsNeverWrittenThrough() async throws {
        let evil = store.add(.raw, ByteBuffer(string: "evil"))
        try await withTemporaryFolder { place in
            let outside = place.appendingPathComponent("outside")
            try FileManager.default.createDirectory(at: outside, withIntermediateDirectories: true)
            // In one tree: a symlink, then a folder of the same name with a file in it.
            let twice = folder([("x", symlink(outside.path)), ("x", folder([("evil", evil)]))])
            let target = place.appendingPathComponent("target")
            try await Unpacker.unpack(twice, from: reader, to: target.path)
            #expect(try snapshot(outside).isEmpty)
            // By two trees: the first plants the symlink, the second writes "into" it.
            await #expect(throws: FileSystemError.self) {
                try await Unpacker.unpack(folder([("x", folder([("evil", evil)]))]), from: reader, to: target.path)
            }
            // Or onto it: what it points at stays untouched, even when replacing is allowed.
            let victim = outside.appendingPathComponent("victim")
            try Data("precious".utf8).write(to: victim)
            try await Unpacker.unpack(folder([("y", symlink(victim.path))]), from: reader, to: target.path)
            await #expect(throws: UnpackError.self) {
                try await Unpacker.unpack(folder([("y", evil)]), from: reader, to: target.path)
            }
            try await Unpacker.unpack(
                folder([("y", evil)]), from: reader, to: target.path, options: .init(replaces: true))
            #expect(try String(contentsOf: victim, encoding: .utf8) == "precious")
            #expect(try String(contentsOf: target.appendingPathComponent("y"), encoding: .utf8) == "evil")
        }
    }

    @Test func tarStreamsCannotLeaveEither() async throws {
        /// A tar stream of one file, made by hand.
        func tar(_ name: String, type: UInt8 = 0x30, link: String = "") -> [UInt8] {
            var block = [UInt8](repeating: 0, count: 512)
            func put(_ text: String, _ at: Int) {
                for (index, byte) in text.utf8.enumerated() { block[at + index] = byte }
            }
            put(name, 0); put("0000644", 100); put("00000000000", 124); put("00000000000", 136)
            put(link, 157); put("ustar", 257); put("00", 263)
            block[156] = type
            for index in 148..<156 { block[index] = 0x20 }
            put(String(block.reduce(0) { $0 + Int($1) }, radix: 8), 148)
            return block + [UInt8](repeating: 0, count: 1024)
        }
        try await withTemporaryFolder { place in
            let target = place.appendingPathComponent("t").path
            func unpack(_ bytes: [UInt8]) async throws {
                try await Unpacker.unpack(tar: Pieces(bytes, 100), to: target, rootName: [0x61])
            }
            for name in ["../x", "/x", "r/../x", "r/./x", "r//x", "..", "r/C:"] {
                await #expect(throws: TarError.self, "\(name)") { try await unpack(tar(name)) }
            }
            for type in [UInt8(ascii: "1"), UInt8(ascii: "3"), UInt8(ascii: "4"), UInt8(ascii: "6"), UInt8(ascii: "S")]
            {
                await #expect(throws: TarError.unsupportedEntry(type)) {
                    try await unpack(tar("r/x", type: type, link: "y"))
                }
            }
            // Two roots.
            await #expect(throws: TarError.self) {
                try await unpack(Array(tar("r", type: 0x35).prefix(512)) + tar("other/x"))
            }
            #expect(try snapshot(place).keys.allSatisfy { $0 == "t" || $0.hasPrefix("t/") == false })
            try await unpack(tar("plain"))
            #expect(FileManager.default.fileExists(atPath: target))
            #expect(!FileManager.default.fileExists(atPath: place.appendingPathComponent("x").path))
        }
    }

    @Test func cutTarStreamsLeaveNoHalfFile() async throws {
        let root = folder([("a", store.add(.raw, ByteBuffer(string: "some text"))), ("b", symlink("a"))])
        var bytes: [UInt8] = []
        for try await buffer in TarStream(root, from: reader, rootName: [0x72]) { bytes += buffer.readableBytesView }
        for length in stride(from: 0, to: bytes.count - 1024, by: 7) {
            try await withTemporaryFolder { place in
                await #expect(throws: TarError.truncated) {
                    try await Unpacker.unpack(
                        tar: Pieces(Array(bytes[..<length]), 200), to: place.appendingPathComponent("t").path,
                        rootName: [])
                }
                for (name, content) in try snapshot(place) where content != "folder" {
                    #expect(name == "t/a" && content == ContentHash.sha256(Array("some text".utf8)).digest.hexText)
                }
            }
        }
    }

    @Test func existingFilesAreNotOverwritten() async throws {
        let file = store.add(.raw, ByteBuffer(string: "new"))
        try await withTemporaryFolder { place in
            let target = place.appendingPathComponent("t")
            try Data("old".utf8).write(to: target)
            await #expect(throws: UnpackError.exists(target.path)) {
                try await Unpacker.unpack(file, from: reader, to: target.path)
            }
            #expect(try String(contentsOf: target, encoding: .utf8) == "old")
            try await Unpacker.unpack(file, from: reader, to: target.path, options: .init(replaces: true))
            #expect(try String(contentsOf: target, encoding: .utf8) == "new")
            // A file into an existing folder gets the name that it has there.
            try await Unpacker.unpack(file, from: reader, to: place.path, rootName: Array("inside".utf8))
            #expect(try snapshot(place).keys.sorted() == ["inside", "t"])
            await #expect(throws: UnpackError.self) {
                try await Unpacker.unpack(file, from: reader, to: place.path, rootName: Array("..".utf8))
            }
        }
    }

    // MARK: Bombs

    func shard(_ bitmap: String, _ links: [(String, CID)], hash: UInt64? = 0x22, fanout: UInt64? = 256) -> CID {
        var message = UnixFS(.hamtShard, data: ByteBuffer(bytes: hex(bitmap)))
        message.hashType = hash
        message.fanout = fanout
        let node = DagPB.Node(
            links: links.map { .init(cid: $0.1, name: Array($0.0.utf8), tsize: 1) }, data: message.encoded())
        return store.add(.dagPB, node.encoded())
    }

    @Test func shardsThatLieAreRefused() async throws {
        let leaf = store.add(.raw, ByteBuffer(string: "x"))
        func list(_ cid: CID) async throws -> [String] {
            var names: [String] = []
            for try await entry in reader.entries(of: cid) { names.append(entry.nameText) }
            return names
        }
        #expect(try await list(shard("01", [("00a", leaf)])) == ["a"])
        #expect(try await list(shard("8001", [("00a", leaf), ("0Fb", leaf)])) == ["a", "b"])
        let bad = [
            shard("01", [("00a", leaf)], fanout: nil), shard("01", [("00a", leaf)], fanout: 0),
            shard("01", [("00a", leaf)], fanout: 1 << 40), shard("01", [("00a", leaf)], fanout: .max),
            shard("01", [("00a", leaf)], fanout: 2048), shard("01", [("00a", leaf)], fanout: 255),
            shard("01", [("00a", leaf)], fanout: 4), shard("01", [("00a", leaf)], hash: 0x12),
            shard("01", [("00a", leaf)], hash: nil), shard("03", [("00a", leaf)]), shard("", [("00a", leaf)]),
            shard("01", []), shard(String(repeating: "ff", count: 33), [("00a", leaf)]),
            shard("01", [("01a", leaf)]), shard("01", [("0", leaf)]), shard("8000", [("0fb", leaf)]),
            // A child that is a file, a plain folder, or as wide as its parent is not.
            shard("01", [("00", leaf)]), shard("01", [("00", folder([]))]),
            shard("01", [("00", shard("01", [("00a", leaf)], fanout: 512))]),
        ]
        for cid in bad {
            await #expect(throws: DAGReadError.self) { try await list(cid) }
            await #expect(throws: DAGReadError.self) { for try await _ in reader.tree(cid) {} }
        }
    }

    @Test func shardsDeeperThanTheirHashAreRefused() async throws {
        var cid = shard("01", [("00a", store.add(.raw, ByteBuffer(string: "x")))])
        for _ in 0..<20 { cid = shard("01", [("00", cid)]) }
        await #expect(throws: DAGReadError.self) { for try await _ in reader.entries(of: cid) {} }
        await #expect(throws: DAGReadError.self) { for try await _ in reader.tree(cid) {} }
        let murmurZero: [UInt8] = []  // the empty name hashes to zero, so that lookup goes all the way down
        await #expect(throws: DAGReadError.self) { try await reader.lookup(murmurZero, in: cid) }
    }

    /// The last slot of a hash is its low bits: at that depth nothing is shifted away, and the sign bit counts.
    @Test func theWholeHashIsUsed() throws {
        let cid = shard("80" + String(repeating: "00", count: 31), [("FFa", store.add(.raw, ByteBuffer(string: "x")))])
        let node = try DagPB.Node(try store.get(cid))
        let shard = try HAMTShard(node, try UnixFS(node))
        for depth in 0..<8 { #expect(try shard.slot(for: .max, depth: depth) != nil) }
        #expect(try shard.slot(for: .max << 8, depth: 7) == nil)
        #expect(throws: DAGFormatError.hamtTooDeep) { try shard.slot(for: .max, depth: 8) }
    }

    /// A tree in which every node links twice to the next: 2^60 paths, 61 blocks.
    @Test func doublingTreesAreBounded() async throws {
        var folder = folder([])
        for _ in 0..<60 { folder = self.folder([("a", folder), ("b", folder)]) }
        var limits = DAGLimits()
        limits.entries = 10_000
        let bounded = DAGReader(limits: limits) { [store] in try store.get($0) }
        await #expect(throws: DAGReadError.limit("more than 10000 files and folders")) {
            for try await _ in bounded.tree(folder) {}
        }
        var count = 0
        for try await _ in DAGWalker(roots: [folder], get: { [store] in try store.get($0) }) { count += 1 }
        #expect(count == 61)
        #expect(store.gets < 100_000)
        let stat = try await DagStat(of: [folder, folder], get: { [store] in try store.get($0) })
        #expect(stat.uniqueBlocks == 61 && stat.roots.map(\.blocks) == [61, 61])
    }

    @Test func filesThatClaimMoreThanIsAllowedAreRefused() async throws {
        // 40 levels of doubling: 2^40 bytes from 41 blocks.
        var cid = store.add(.raw, ByteBuffer(string: "x"))
        var size: UInt64 = 1
        for _ in 0..<40 {
            let message = UnixFS(.file, fileSize: size * 2, blockSizes: [size, size])
            let link = DagPB.Link(cid: cid, name: [], tsize: nil)
            cid = store.add(.dagPB, DagPB.Node(links: [link, link], data: message.encoded()).encoded())
            size *= 2
        }
        var limits = DAGLimits()
        limits.bytes = 1000
        let bounded = DAGReader(limits: limits) { [store] in try store.get($0) }
        await #expect(throws: DAGReadError.limit("more than 1000 bytes")) {
            for try await _ in bounded.bytes(of: cid) {}
        }
        await #expect(throws: DAGReadError.limit("more than 1000 bytes")) { for try await _ in bounded.tree(cid) {} }
        // A range far inside costs the way down only.
        let before = store.gets
        var got = 0
        for try await bytes in reader.bytes(of: cid, range: (1 << 39)..<((1 << 39) + 3)) { got += bytes.readableBytes }
        #expect(got == 3 && store.gets - before < 300)
    }

    @Test func filesAndFoldersTooDeepAreRefused() async throws {
        var file = store.add(.raw, ByteBuffer(string: "x"))
        for _ in 0..<70 {
            let message = UnixFS(.file, fileSize: 1, blockSizes: [1])
            file = store.add(
                .dagPB, DagPB.Node(links: [.init(cid: file, name: [], tsize: 1)], data: message.encoded()).encoded())
        }
        await #expect(throws: DAGReadError.self) { for try await _ in reader.bytes(of: file) {} }
        await #expect(throws: DAGReadError.self) { for try await _ in reader.tree(file) {} }
        var deep = folder([])
        for _ in 0..<300 { deep = folder([("d", deep)]) }
        await #expect(throws: DAGReadError.self) { for try await _ in reader.tree(deep) {} }
    }

    @Test func partsWithoutBytesAreNotFollowed() async throws {
        let missing = CID(codec: .dagPB, multihash: ContentHash.sha256([9]))
        let message = UnixFS(.file, fileSize: 0, blockSizes: [0, 0, 0])
        let link = DagPB.Link(cid: missing, name: [], tsize: 0)
        let cid = store.add(.dagPB, DagPB.Node(links: [link, link, link], data: message.encoded()).encoded())
        var total = 0
        for try await bytes in reader.bytes(of: cid) { total += bytes.readableBytes }
        #expect(total == 0 && store.gets == 1)
    }

    @Test func aFileNodeWithTooManyLinksIsRefused() async throws {
        let leaf = store.add(.raw, ByteBuffer(string: "x"))
        func file(_ count: Int) -> CID {
            let message = UnixFS(.file, fileSize: UInt64(count), blockSizes: [UInt64](repeating: 1, count: count))
            let links = [DagPB.Link](repeating: .init(cid: leaf, name: [], tsize: 1), count: count)
            return store.add(.dagPB, DagPB.Node(links: links, data: message.encoded()).encoded())
        }
        var total = 0
        for try await bytes in reader.bytes(of: file(8192)) { total += bytes.readableBytes }
        #expect(total == 8192)
        await #expect(throws: DAGReadError.self) { for try await _ in reader.bytes(of: file(8193)) {} }
    }

    // MARK: Paths

    @Test func pathsAreFollowedThroughEveryKindOfBlock() async throws {
        let file = store.add(.raw, ByteBuffer(string: "hello"))
        let top = folder([("dir", folder([("f", file)])), ("é", file)])
        let cbor = store.add(
            .dagCBOR,
            ByteBuffer(
                bytes: try DagCBOR.encode(
                    .map([.init("list", .list([.integer(1), .link(top)])), .init("n", .integer(5))]))))
        let json = store.add(.dagJSON, ByteBuffer(bytes: try DagJSON.encode(.map([.init("to", .link(cbor))]))))
        func resolve(_ text: String) async throws -> DAGReader.Resolution { try await reader.resolve(DAGPath(text)) }
        #expect(try await resolve("/ipfs/\(top)/dir/f").cid == file)
        #expect(try await resolve("\(top)//dir/f/").cid == file)
        #expect(try await resolve("ipfs://\(json)/to/list/1/dir").cid.codec == .dagPB)
        #expect(try await resolve("\(json)/to/list/1/dir/f").cid == file)
        let value = try await resolve("\(cbor)/n")
        #expect(value.cid == cbor && value.remainder == [[0x6e]])
        for bad in [
            "\(top)/none", "\(top)/dir/f/x", "\(top)/e\u{301}", "\(cbor)/list/2", "\(cbor)/list/01", "\(cbor)/n/x",
            "\(top)/dir/..",
        ] {
            await #expect(throws: DAGReadError.self, "\(bad)") { try await resolve(bad) }
        }
        for bad in ["", "/", "/ipfs/", "notacid", "/ipfs/notacid/x", "/ipns/\(top)", "/ipfs//\(top)"] {
            #expect(throws: DAGReadError.self, "\(bad)") { try DAGPath(bad) }
        }
        let inline = CID(codec: .raw, multihash: .identity(Array("tiny".utf8)))
        var text = ""
        for try await bytes in reader.bytes(of: inline) { text += String(buffer: bytes) }
        #expect(text == "tiny")
    }
}
