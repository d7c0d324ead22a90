import MerkleDAG
import Multiformats
import PeerNode

extension API {
    static let contentCommands = [
        RPCCommand("cat") { api, request in try await api.cat(request) },
        RPCCommand("get") { api, request in try await api.get(request) },
        RPCCommand("ls") { api, request in try await api.list(request) },
    ]

    /// The bytes of files, one after the other; `offset` and `length` count across all of them.
    private func cat(_ request: RPCRequest) async throws -> RPCReply {
        _ = try request.parameters.argument(0, "ipfs-path")
        let reader = node.reader(try session(request))
        var skip = UInt64(try request.parameters.count("offset", "o") ?? 0)
        var left = try request.parameters.count("length", "l").map { UInt64($0) } ?? .max
        var total: UInt64 = 0
        var pieces: [(CID, Range<UInt64>)] = []
        for path in request.parameters.arguments {
            let file = try await reader.summary(of: try await resolve(path, reader))
            guard file.kind == .file else { throw RPCError(.failure, "\(path) is a \(file.kind.rawValue), not a file") }
            let start = min(skip, file.size)
            let count = min(left, file.size - start)
            skip -= start
            left -= count
            total += count
            if count > 0 { pieces.append((file.cid, start..<start + count)) }
        }
        return .bytes(type: "text/plain", length: Int(clamping: total)) { [pieces] sink in
            for (cid, range) in pieces {
                for try await bytes in reader.bytes(of: cid, range: range) { try await sink.write(bytes) }
            }
        }
    }

    /// A file or folder as a tar stream.
    private func get(_ request: RPCRequest) async throws -> RPCReply {
        let path = try request.parameters.argument(0, "ipfs-path")
        let name = try Self.lastName(of: path)
        if try request.parameters.flag("compress", "C") {
            throw RPCError.usage("compression is not offered; compress what you got")
        }
        let session = try session(request)
        let reader = node.reader(session)
        let root = try await reader.summary(of: try await resolve(path, reader))
        let length = root.kind == .file ? root.size : root.cumulativeSize
        return .bytes(type: "application/x-tar", length: Int(clamping: length)) { [node] sink in
            for try await bytes in TarStream(root.cid, from: reader, rootName: name) {
                try await sink.write(bytes)
            }
            // It is here in whole now: others may have it from us.
            if session.received.blocks > 0 { await node.provideRoot(root.cid) }
        }
    }

    // MARK: ls

    /// How many entries are looked at together when their types are wanted.
    private static let lookahead = 32

    private func list(_ request: RPCRequest) async throws -> RPCReply {
        _ = try request.parameters.argument(0, "ipfs-path")
        let reader = node.reader(try session(request))
        let isStream = try request.parameters.flag("stream", "s")
        let looks =
            try request.parameters.flag("resolve-type", default: true) || request.parameters.flag("size", default: true)
        var folders: [(String, CID)] = []
        for path in request.parameters.arguments { folders.append((path, try await resolve(path, reader))) }
        let all = folders
        if isStream {
            return .events { sink in
                for (path, cid) in all {
                    try await Self.entries(of: cid, reader, looks: looks) {
                        try await sink.event(["Objects": [["Hash": .string(path), "Links": [$0]]]])
                    }
                }
            }
        }
        var objects: [JSON] = []
        for (path, cid) in all {
            var links: [JSON] = []
            try await Self.entries(of: cid, reader, looks: looks) { links.append($0) }
            objects.append(["Hash": .string(path), "Links": .array(links)])
        }
        return .value(["Objects": .array(objects)])
    }

    /// Gives the entries of a folder to `body`, in order; a file has none.
    private static func entries(
        of cid: CID, _ reader: DAGReader, looks: Bool, _ body: (JSON) async throws -> Void
    ) async throws {
        guard cid.codec == .dagPB, try await reader.summary(of: cid).kind == .folder else { return }
        var batch: [FolderEntry] = []
        for try await entry in reader.entries(of: cid) {
            batch.append(entry)
            guard batch.count == lookahead else { continue }
            for link in try await links(of: batch, reader, looks: looks) { try await body(link) }
            batch.removeAll(keepingCapacity: true)
        }
        for link in try await links(of: batch, reader, looks: looks) { try await body(link) }
    }

    private static func links(of entries: [FolderEntry], _ reader: DAGReader, looks: Bool) async throws -> [JSON] {
        var summaries = [DAGReader.Summary?](repeating: nil, count: entries.count)
        if looks {
            try await withThrowingTaskGroup(of: (Int, DAGReader.Summary).self) { group in
                // A raw block is a file, and its link says how long it is.
                for (index, entry) in entries.enumerated() where entry.cid.codec == .dagPB {
                    group.addTask { (index, try await reader.summary(of: entry.cid)) }
                }
                for try await (index, summary) in group { summaries[index] = summary }
            }
        }
        return zip(entries, summaries).map(link)
    }

    private static func link(_ entry: FolderEntry, _ summary: DAGReader.Summary?) -> JSON {
        let isRaw = entry.cid.codec == .raw
        // The numbers of UnixFS: 1 folder, 2 file, 4 symlink, 5 sharded folder; Kubo shows sharded ones as folders.
        let type = isRaw ? 2 : [.folder: 1, .file: 2, .symlink: 4][summary?.kind] ?? 0
        let size = summary.map { $0.size } ?? (isRaw ? entry.tsize : 0)
        return [
            "Name": .string(entry.nameText), "Hash": JSON(entry.cid), "Size": .int(Int(clamping: size)),
            "Type": .int(type), "Target": .string(summary.map { EntryName.text($0.target) } ?? ""),
            "Mode": .int(Int(summary?.attributes.mode ?? 0)),
            "ModTime": .string(Timestamp.text(summary?.attributes.modified)),
        ]
    }
}

/// Times as Go writes them in JSON.
enum Timestamp {
    /// RFC 3339 in UTC; Go's zero time where none is recorded.
    static func text(_ time: UnixFS.Time?) -> String {
        guard let time else { return "0001-01-01T00:00:00Z" }
        let date = CivilTime(secondsSince1970: time.seconds)
        var text = date.text
        if time.nanoseconds > 0 {
            let digits = String(time.nanoseconds)
            var fraction = String(repeating: "0", count: max(0, 9 - digits.count)) + digits
            while fraction.last == "0" { fraction.removeLast() }
            text += "." + fraction
        }
        return text + "Z"
    }
}
