import Foundation
import Multiformats
import PeerNode

extension API {
    static let configCommands = [
        RPCCommand("config") { api, request in .value(try api.configure(request)) },
        RPCCommand("config/show") { api, _ in .value(api.wholeConfiguration) },
    ]

    /// Kubo's names for what we have, too.
    private static let kuboNames = [
        "Addresses.API": "api.listen", "Addresses.Swarm": "network.listen", "Addresses.Announce": "network.announce",
        "Bootstrap": "network.bootstrap", "Datastore.StorageMax": "storage.quota",
    ]

    /// Reads a key, or writes it to the file, which counts from the next start on.
    private func configure(_ request: RPCRequest) throws -> JSON {
        let key = try request.parameters.argument(0, "key")
        if key == "Identity.PeerID" { return ["Key": .string(key), "Value": JSON(node.peerID)] }
        guard let setting = Setting.named(Self.kuboNames[key] ?? key) else {
            let hint = Setting.suggestion(for: key).map { "; did you mean '\($0)'?" } ?? ""
            throw RPCError(.notFound, "there is no configuration key '\(key)'\(hint)")
        }
        var configuration = node.configuration
        if request.parameters.arguments.count > 1 {
            let text = request.parameters.arguments[1]
            do {
                try configuration.set(
                    setting.key, to: try Self.value(text, isJSON: request.parameters.flag("json")), origin: .flag)
                try ConfigurationFile.write(
                    setting.key, setting.read(configuration), repository: configuration.repository)
            } catch let error as ConfigurationError {
                throw RPCError.usage(error.description)
            }
        }
        return ["Key": .string(key), "Value": Self.json(setting.read(configuration), kuboKey: key)]
    }

    private static func value(_ text: String, isJSON: Bool) throws -> SettingValue {
        guard isJSON, let json = try? JSON(parsing: text) else { return .text(text) }
        switch json {
        case .string(let text): return .text(text)
        case .int(let number): return .number(number)
        case .bool(let flag): return .flag(flag)
        case .array(let items): return .list(items.compactMap(\.text))
        default: throw RPCError.usage("a value must be a text, number, boolean or list of texts")
        }
    }

    private static func json(_ value: SettingValue, kuboKey: String? = nil) -> JSON {
        switch value {
        case .text(let text):
            guard kuboKey == "Addresses.API", let colon = text.lastIndex(of: ":") else { return .string(text) }
            // Kubo writes it as a multiaddr.
            let host = text[..<colon]
            let name =
                host.hasPrefix("[")
                ? "/ip6/\(host.dropFirst().dropLast())" : host == "localhost" ? "/dns/localhost" : "/ip4/\(host)"
            return .string("\(name)/tcp/\(text[text.index(after: colon)...])")
        case .number(let number): return kuboKey == "Datastore.StorageMax" ? .string(String(number)) : .int(number)
        case .flag(let flag): return .bool(flag)
        case .list(let items): return .array(items.map { .string($0) })
        }
    }

    /// Everything, under our names and under those of Kubo that clients look for. No secret is in it.
    private var wholeConfiguration: JSON {
        let configuration = node.configuration
        func kubo(_ key: String) -> JSON {
            Self.kuboNames[key].flatMap { Setting.named($0) }.map { Self.json($0.read(configuration), kuboKey: key) }
                ?? .null
        }
        var members: [JSON.Member] = [
            .init(
                "Addresses",
                [
                    "API": kubo("Addresses.API"), "Announce": kubo("Addresses.Announce"), "AppendAnnounce": [],
                    "Gateway": [], "NoAnnounce": [], "Swarm": kubo("Addresses.Swarm"),
                ]),
            .init("Bootstrap", kubo("Bootstrap")),
            .init(
                "Datastore",
                [
                    "StorageMax": kubo("Datastore.StorageMax"),
                    "StorageGCWatermark": .int(configuration.storage.gcWatermark),
                ]),
            .init("Identity", ["PeerID": JSON(node.peerID)]),
        ]
        for section in Setting.sections {
            let settings = Setting.all.filter { $0.section == section }
            members.append(
                .init(
                    section,
                    .object(
                        settings.map {
                            .init(String($0.key.dropFirst(section.count + 1)), Self.json($0.read(configuration)))
                        })))
        }
        return .object(members)
    }
}
