import Multiformats
import NIOCore
import PeerCrypto
import PeerNode

extension API {
    static let keyCommands = [
        RPCCommand("key/list") { api, request in
            let write = try nameWriter(request)
            let keys = try await api.onKeys { try $0.list() }
            return .value(["Keys": .array(keys.map { entry($0, write) })])
        },
        RPCCommand("key/gen") { api, request in
            let name = try request.parameters.argument(0, "name")
            let write = try nameWriter(request)
            let type = request.parameters.text("type", "t") ?? ""
            guard type.isEmpty || type == "ed25519" else {
                throw RPCError.usage("unrecognized key type: \(type); only ed25519 keys are made here")
            }
            return .value(entry(try await api.onKeys { try $0.generate(name) }, write))
        },
        RPCCommand("key/rename") { api, request in
            let was = try request.parameters.argument(0, "name")
            let now = try request.parameters.argument(1, "newName")
            let write = try nameWriter(request)
            let force = try request.parameters.flag("force", "f")
            let (key, overwrote) = try await api.onKeys { try $0.rename(was, to: now, overwriting: force) }
            return .value([
                "Was": .string(was), "Now": .string(now), "Id": .string(write(key.peer)), "Overwrite": .bool(overwrote),
            ])
        },
        RPCCommand("key/rm") { api, request in
            _ = try request.parameters.argument(0, "name")
            let write = try nameWriter(request)
            let names = request.parameters.arguments
            let removed = try await api.onKeys { store in try names.map { try store.remove($0) } }
            return .value(["Keys": .array(removed.map { entry($0, write) })])
        },
        RPCCommand("key/import", takesBody: true) { api, request in
            let name = try request.parameters.argument(0, "name")
            let write = try nameWriter(request)
            // What it is shows in its bytes; a format that nobody knows is a mistake all the same.
            _ = try KeyFormat(request)
            let bytes = [UInt8](try await request.file(limit: maximumKeyFile).readableBytesView)
            return .value(entry(try await api.onKeys { try $0.add(bytes, as: name) }, write))
        },
        RPCCommand("key/export") { api, request in
            let name = try request.parameters.argument(0, "name")
            let format = try KeyFormat(request)
            let key = try await api.onKeys { try $0.key(name) }
            let bytes = format == .pem ? ByteBuffer(string: key.pem) : ByteBuffer(bytes: key.privateProtobuf)
            return .bytes(type: "application/octet-stream", length: nil) { try await $0.write(bytes) }
        },
    ]

    /// The longest file of a key, in bytes.
    private static let maximumKeyFile = 16 << 10

    private static func entry(_ key: KeyStore.Entry, _ write: (PeerID) -> String) -> JSON {
        ["Name": .string(key.name), "Id": .string(write(key.peer))]
    }

    /// Keys are small files, which block.
    private func onKeys<R: Sendable>(_ body: @escaping @Sendable (KeyStore) throws -> R) async throws -> R {
        try await node.plane.blocking { [keys] in try body(keys) }
    }
}

/// How a key is written, by Kubo's names.
private enum KeyFormat {
    case protobuf
    case pem

    init(_ request: RPCRequest) throws(RPCError) {
        switch request.parameters.text("format", "f") ?? "" {
        case "", "libp2p-protobuf-cleartext": self = .protobuf
        case "pem-pkcs8-cleartext": self = .pem
        case let name:
            throw .usage("unrecognized format '\(name)': it is libp2p-protobuf-cleartext or pem-pkcs8-cleartext")
        }
    }
}
