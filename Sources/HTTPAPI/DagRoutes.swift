import MerkleDAG
import Multiformats
import NIOCore
import PeerCrypto
import PeerNode

extension API {
    static let dagCommands = [
        RPCCommand("dag/get") { api, request in try await api.getNode(request) },
        RPCCommand("dag/put", takesBody: true) { api, request in try await api.putNodes(request) },
        RPCCommand("dag/stat") { api, request in try await api.dagStat(request) },
    ]

    /// One node of a graph, or a value in it, in the codec that is asked for.
    private func getNode(_ request: RPCRequest) async throws -> RPCReply {
        let text = try request.parameters.argument(0, "ref")
        let codec = try Self.codec(request.parameters.text("output-codec") ?? "dag-json")
        let reader = node.reader(try session(request))
        let (root, segments) = try await Self.node(at: try await contentPath(text), reader)
        var value = try DataCodec.decode(try await reader.block(root), codec: root.codec)
        for segment in segments {
            guard let name = String(validating: segment, as: UTF8.self), let next = value.child(name) else {
                throw RPCError(.notFound, "no link named \"\(EntryName.text(segment))\" under \(root)")
            }
            value = next
        }
        let bytes = try DataCodec.encode(value, codec: codec)
        return .bytes(type: "text/plain", length: nil) { try await $0.write(ByteBuffer(bytes: bytes)) }
    }

    /// The block that a path leads to and the names that lead on inside it. Unlike paths of files, these may
    /// name the parts of a dag-pb node: `Links/0/Hash`.
    private static func node(at path: DAGPath, _ reader: DAGReader) async throws -> (CID, [[UInt8]]) {
        do {
            let found = try await reader.resolve(path)
            return (found.cid, found.remainder)
        } catch let error as DAGReadError {
            guard case .noLink = error, path.root.codec == .dagPB, let first = path.segments.first,
                first == Array("Links".utf8) || first == Array("Data".utf8)
            else { throw error }
            return (path.root, path.segments)
        }
    }

    private func putNodes(_ request: RPCRequest) async throws -> RPCReply {
        let input = try Self.codec(request.parameters.text("input-codec") ?? "dag-json")
        let store = try Self.codec(request.parameters.text("store-codec") ?? "dag-cbor")
        let hash = try HashCode(rpcName: request.parameters.text("hash") ?? "sha2-256")
        let pins = try request.parameters.flag("pin")
        let content = try request.content()
        return .events { [node] sink in
            while let part = try await content.nextPart() {
                guard part.kind == .file else { continue }
                let document = try await content.collect(limit: Block.maximumLength * 2)
                let data = try DataCodec.transcode(document, from: input, to: store)
                guard data.readableBytes <= Block.maximumLength else {
                    throw RPCError(.tooLarge, "the node is larger than a block may be, 2 MiB")
                }
                guard let multihash = ContentHash.hash(data, code: hash) else {
                    throw RPCError.usage("this hash function is not offered")
                }
                let cid = CID(codec: store, multihash: multihash)
                try await node.store(Block(cid: cid, data: data), pins: pins)
                try await sink.event(["Cid": Self.link(cid)])
            }
        }
    }

    private func dagStat(_ request: RPCRequest) async throws -> RPCReply {
        _ = try request.parameters.argument(0, "root")
        let session = try session(request)
        let reader = node.reader(session)
        var roots: [CID] = []
        for path in request.parameters.arguments { roots.append(try await resolve(path, reader)) }
        let all = roots
        let progress = try request.parameters.flag("progress", "p", default: true)
        return .events { sink in
            let (events, continuation) = AsyncStream.makeStream(of: DagStat.self, bufferingPolicy: .bufferingNewest(1))
            async let counting: DagStat = {
                defer { continuation.finish() }
                return try await DagStat(
                    of: all, get: { try await session.get($0) }, progress: { continuation.yield($0) })
            }()
            var shown = ContinuousClock.now
            for await stat in events where progress && ContinuousClock.now - shown > .milliseconds(200) {
                shown = .now
                try await sink.event(Self.json(stat))
            }
            try await sink.event(Self.json(try await counting))
        }
    }

    private static func json(_ stat: DagStat) -> JSON {
        let roots = stat.roots.map {
            JSON.object([
                .init("Cid", JSON($0.cid)), .init("Size", .int(Int(clamping: $0.size))),
                .init("NumBlocks", .int($0.blocks)),
            ])
        }
        var members: [JSON.Member] = [
            .init("UniqueBlocks", .int(stat.uniqueBlocks)), .init("TotalSize", .int(Int(clamping: stat.totalSize))),
        ]
        if stat.sharedSize > 0 {
            members.append(.init("SharedSize", .int(Int(clamping: stat.sharedSize))))
        }
        members.append(.init("Ratio", .double(stat.ratio)))
        members.append(.init("DagStats", .array(roots)))
        return .object(members)
    }

    private static func codec(_ name: String) throws(RPCError) -> Codec {
        guard let codec = Codec(name: name), DataCodec.known.contains(codec) else {
            throw .usage("unknown codec '\(name)': it is one of dag-json, dag-cbor, dag-pb, raw")
        }
        return codec
    }
}

/// The data model in and out of the bytes of blocks, dag-pb and raw included.
///
/// Source: https://ipld.io/specs/codecs/dag-pb/spec/#logical-format
enum DataCodec {
    static let known: [Codec] = [.dagJSON, .dagCBOR, .dagPB, .raw]

    static func decode(_ data: ByteBuffer, codec: Codec) throws -> DAGValue {
        do {
            switch codec {
            case .dagJSON: return try DagJSON.decode(data)
            case .dagCBOR: return try DagCBOR.decode(data)
            case .dagPB: return value(of: try DagPB.Node(data))
            case .raw: return .bytes(Array(data.readableBytesView))
            default: throw RPCError(.failure, "blocks of codec \(codec.name) cannot be read here")
            }
        } catch let error as DAGError {
            throw RPCError(.failure, "not \(codec.name): \(error)")
        } catch let error as DAGFormatError {
            throw RPCError(.failure, "not \(codec.name): \(error)")
        }
    }

    static func encode(_ value: DAGValue, codec: Codec) throws -> [UInt8] {
        do {
            switch codec {
            case .dagJSON: return try DagJSON.encode(value)
            case .dagCBOR: return try DagCBOR.encode(value)
            case .dagPB: return Array(try node(of: value).encoded().readableBytesView)
            case .raw:
                guard case .bytes(let bytes) = value else { throw RPCError(.failure, "only bytes can be raw") }
                return bytes
            default: throw RPCError(.failure, "codec \(codec.name) cannot be written here")
            }
        } catch let error as DAGError {
            throw RPCError(.failure, "cannot be written as \(codec.name): \(error)")
        }
    }

    /// `document` as a block of `store`; raw content stays what it is.
    static func transcode(_ document: ByteBuffer, from input: Codec, to store: Codec) throws -> ByteBuffer {
        if input == .raw, store == .raw { return document }
        return ByteBuffer(bytes: try encode(try decode(document, codec: input), codec: store))
    }

    private static func value(of node: DagPB.Node) -> DAGValue {
        var entries: [DAGEntry] = []
        if let data = node.data { entries.append(DAGEntry("Data", .bytes(Array(data.readableBytesView)))) }
        let links = node.links.map { link in
            var entries = [DAGEntry("Hash", .link(link.cid))]
            if link.name != nil { entries.append(DAGEntry("Name", .string(link.nameText))) }
            if let size = link.tsize { entries.append(DAGEntry("Tsize", .integer(DAGInteger(size)))) }
            return DAGValue.map(entries)
        }
        entries.append(DAGEntry("Links", .list(links)))
        return .map(entries)
    }

    private static func node(of value: DAGValue) throws(RPCError) -> DagPB.Node {
        let wrong = RPCError(.failure, "a dag-pb node is a map of Data (bytes) and Links (a list of Hash, Name, Tsize)")
        guard case .map(let entries) = value, entries.allSatisfy({ $0.key == "Data" || $0.key == "Links" }) else {
            throw wrong
        }
        var node = DagPB.Node()
        if let data = value.child("Data") {
            guard case .bytes(let bytes) = data else { throw wrong }
            node.data = ByteBuffer(bytes: bytes)
        }
        guard case .list(let links)? = value.child("Links") else { throw wrong }
        for link in links {
            guard case .link(let cid)? = link.child("Hash") else { throw wrong }
            var name: [UInt8]?
            if case .string(let text)? = link.child("Name") { name = Array(text.utf8) }
            var size: UInt64?
            if case .integer(let number)? = link.child("Tsize") { size = number.uint64 }
            node.links.append(DagPB.Link(cid: cid, name: name, tsize: size))
        }
        return node
    }
}
