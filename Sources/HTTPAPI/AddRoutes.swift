import MerkleDAG
import Multiformats
import NIOCore
import PeerNode

extension API {
    static let addCommands = [
        RPCCommand("add", takesBody: true) { api, request in try await api.add(request) }
    ]

    private func add(_ request: RPCRequest) async throws -> RPCReply {
        let options = try AddOptions(request.parameters, default: node.configuration.content.profile)
        if let files = request.files {
            return .events { [node] sink in
                for source in files.sources {
                    try await node.add(source, hidden: files.includesHidden, options, to: sink)
                }
            }
        }
        let content = try request.content()
        return .events { [node] sink in try await node.add(content, options, to: sink) }
    }
}

/// What a request says about how to add.
struct AddOptions: Sendable {
    let profile: ImportProfile
    let pins: Bool
    let pinName: String
    /// Whether nothing is stored.
    let onlyHash: Bool
    /// Whether bytes are reported on the way.
    let progress: Bool
    /// Whether nothing but errors is reported.
    let silent: Bool
    /// Whether a folder without a name is made around everything.
    let wraps: Bool

    init(_ parameters: Parameters, default name: String) throws {
        for option in ["nocopy", "trickle", "inline", "preserve-mode", "preserve-mtime"] {
            if try parameters.flag(option) { throw RPCError.usage("option '\(option)' is not offered") }
        }
        if let chosen = parameters.text("profile"), ImportProfile(named: chosen) == nil {
            throw RPCError.usage("unknown profile '\(chosen)': it is unixfs-v1-2025 or unixfs-v0-2015")
        }
        var profile = ImportProfile(named: parameters.text("profile") ?? name) ?? .v1_2025
        if let version = try parameters.count("cid-version") {
            guard version <= 1 else { throw RPCError.usage("unknown CID version '\(version)'") }
            // A bare version means the profile that goes with it.
            if version == 0, profile.cidVersion == 1 { profile = .v0_2015 }
            if version == 1, profile.cidVersion == 0 { profile = .v1_2025 }
        }
        if let hash = parameters.text("hash") { profile.hash = try HashCode(rpcName: hash) }
        profile.rawLeaves = try parameters.flag("raw-leaves", default: profile.rawLeaves)
        if let chunker = parameters.text("chunker", "s") {
            guard chunker.hasPrefix("size-"), let size = Int(chunker.dropFirst("size-".count)), size > 0 else {
                throw RPCError.usage("the chunker must be size-N, not '\(chunker)'")
            }
            profile.chunkSize = size
        }
        if let links = try parameters.count("max-file-links") { profile.maximumLinks = links }
        if let fanout = try parameters.count("max-hamt-fanout") { profile.fanout = fanout }
        do {
            try profile.validate()
        } catch {
            throw RPCError.usage(error.description)
        }
        self.profile = profile
        pins = try parameters.flag("pin", default: true)
        pinName = parameters.text("pin-name") ?? ""
        onlyHash = try parameters.flag("only-hash", "n")
        progress = try parameters.flag("progress", "p")
        silent = try parameters.flag("silent")
        wraps = try parameters.flag("wrap-with-directory", "w")
    }
}

extension Node {
    /// Runs `body` with a place for blocks, then makes what it put durable and keeps the roots it returns.
    private func withAdding(_ options: AddOptions, _ body: (@escaping BlockPut) async throws -> [CID]) async throws {
        if options.onlyHash {
            _ = try await body { _ in }
            return
        }
        var added: [CID] = []
        try await withImport { session in
            let roots = try await body { try await session.put($0) }
            guard options.pins else { return added = roots }
            try await session.finish()
            for root in roots { try await pinStored(root, name: options.pinName) }
        }
        // What nobody keeps is here for the moment all the same; what is kept was told when it was pinned.
        for root in added { await provideRoot(root) }
    }

    /// Adds what lies on this machine's disk, straight from there.
    fileprivate func add(
        _ source: LocalFiles.Source, hidden: Bool, _ options: AddOptions, to sink: any RPCSink
    ) async throws {
        guard case .path(let path) = source, !options.wraps else {
            return try await add(LocalFiles([source], includesHidden: hidden).reader(), options, to: sink)
        }
        let importer = try FolderImporter(profile: options.profile, includesHidden: hidden)
        let report = AddReport(sink, options)
        // The root is told when everything is durable: whoever reads it may rely on it.
        var last: (name: String, node: ImportedNode)?
        try await withAdding(options) { put in
            let (events, continuation) = AsyncStream.makeStream(of: FolderImporter.Progress.self)
            async let importing = {
                defer { continuation.finish() }
                return try await importer.add(path: path, put: put) { continuation.yield($0) }
            }()
            for await event in events {
                switch event {
                case .bytes(let path, let count): try await report.bytes(path, count)
                case .added(let path, let node):
                    if let last { try await report.added(last.name, last.node) }
                    last = (path, node)
                }
            }
            return [try await importing.cid]
        }
        if let last { try await report.added(last.name, last.node) }
        try await report.finish()
    }

    /// Adds parts as they come.
    fileprivate func add(_ content: any PartReader, _ options: AddOptions, to sink: any RPCSink) async throws {
        let report = AddReport(sink, options)
        var roots: [AddTree.Root] = []
        try await withAdding(options) { put in
            let tree = try AddTree(profile: options.profile, wraps: options.wraps, put: put, report: report)
            do {
                while let part = try await content.nextPart() { try await tree.add(part, from: content) }
                roots = try await tree.finish()
            } catch {
                await tree.abandon()
                throw error
            }
            return roots.map(\.node.cid)
        }
        for root in roots { try await report.added(root.name, root.node, root.part) }
        try await report.finish()
    }
}

/// Tells whoever adds what was added. Used by the task of the request.
final class AddReport {
    /// How many bytes of a file pass between two reports.
    private static let step = 1 << 20

    private let sink: any RPCSink
    private let options: AddOptions
    private var path = ""
    private var count = 0
    private var told = 0
    private var pending: [JSON] = []
    private var sent = ContinuousClock.now

    /// Reports go out together: as many as this, or all after so long.
    private static let batch = 64
    private static let patience = Duration.milliseconds(100)

    init(_ sink: any RPCSink, _ options: AddOptions) {
        self.sink = sink
        self.options = options
    }

    func bytes(_ path: String, _ more: Int) async throws {
        guard options.progress else { return }
        if path != self.path { (self.path, count, told) = (path, 0, 0) }
        count += more
        guard count - told >= Self.step else { return }
        told = count
        try await tell(["Name": .string(path), "Bytes": .int(count)])
    }

    func added(_ name: String, _ node: ImportedNode, _ part: Part? = nil) async throws {
        guard !options.silent else { return }
        var members: [JSON.Member] = [
            .init("Name", name.isEmpty ? JSON(node.cid) : .string(name)), .init("Hash", JSON(node.cid)),
            // A file's length as Kubo counts it here: all blocks below, their links included.
            .init("Size", .string(String(node.tsize))),
        ]
        if let mode = part?.mode { members.append(.init("Mode", .string("0" + String(mode, radix: 8)))) }
        if let time = part?.modified {
            members.append(.init("Mtime", .int(Int(time.seconds))))
            members.append(.init("MtimeNsecs", .int(Int(time.nanoseconds))))
        }
        try await tell(.object(members))
    }

    /// Sends what is still here.
    func finish() async throws {
        guard !pending.isEmpty else { return }
        try await sink.events(pending)
        pending.removeAll(keepingCapacity: true)
    }

    private func tell(_ value: JSON) async throws {
        pending.append(value)
        let now = ContinuousClock.now
        guard pending.count >= Self.batch || now - sent > Self.patience else { return }
        sent = now
        try await finish()
    }
}
