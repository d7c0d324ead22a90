import ArgumentParser
import Foundation
import HTTPAPI
import Logging
import Multiformats
import NIOCore
import NIOPosix
import PeerNode

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run the node in the foreground until it is told to stop.",
        discussion: """
            SIGTERM, SIGINT (Ctrl-C) or `peernode shutdown` stop it within 10 seconds; a second SIGINT, at once.
            While it runs, the repo holds `api` (its URL) and `api-token` (the secret that opens it).

            EXAMPLES
              peernode run
              peernode run --listen /ip4/0.0.0.0/tcp/4101 --api 127.0.0.1:0 --json
            """)

    @Option(
        help: ArgumentHelp("Listen here instead of the configured addresses; may be repeated.", valueName: "multiaddr"))
    var listen: [String] = []

    @Option(help: ArgumentHelp("Serve the API here; port 0 takes a free one.", valueName: "host:port"))
    var api: String?

    @Option(help: ArgumentHelp("Be part of the private network of this key file.", valueName: "file"))
    var swarmKey: String?

    @OptionGroup var common: CommonOptions

    /// How long an orderly stop may take before the program ends anyway.
    private static let patience = Duration.seconds(10)

    func run() async throws {
        var overrides: [String: SettingValue] = [:]
        if !listen.isEmpty { overrides["network.listen"] = .list(listen) }
        if let api { overrides["api.listen"] = .text(api) }
        if let swarmKey { overrides["network.swarm_key_file"] = .text(Paths.absolute(swarmKey)) }
        let configuration = try common.configuration(overrides)
        LogLevels.set(configuration.log.level, for: nil)
        let format = configuration.log.format
        LoggingSystem.bootstrap { LogOutput(label: $0, format: format) }
        let logger = Logger(label: "node")

        let stops = StopSignals()
        let node = try await Node.open(configuration, logger: logger)
        do {
            let addresses = try await node.start()
            let face = API(node: node, tagHelper: TagHelperCommand.helper) { stops.request(.api) }
            let token = try APIToken.loadOrCreate(repository: configuration.repository)
            let server = try await APIServer.start(
                face, listen: configuration.api.listen, token: configuration.api.requireToken ? token : nil,
                hosts: configuration.api.allowedHosts, origins: configuration.api.allowedOrigins,
                logger: Logger(label: "api"))
            try APIFile.write(server.url, repository: configuration.repository)
            ready(node, addresses.map(\.description), server.url)

            let cause = await stops.wait()
            announceStop(cause)
            APIFile.remove(repository: configuration.repository)
            Self.endAfterPatience(cause)
            await server.stop(within: .seconds(3))
        } catch {
            await node.stop()
            throw error
        }
        await node.stop()
        if stops.wasInterrupted { throw SilentExit(.interrupted) }
    }

    private func ready(_ node: Node, _ addresses: [String], _ url: String) {
        if common.json {
            Output.line([
                "event": "ready", "peer_id": JSON(node.peerID), "addresses": .array(addresses.map { .string($0) }),
                "api": .string(url),
            ])
        } else {
            Output.line("PeerID: \(node.peerID)")
            for address in addresses { Output.line("Listening on \(address)") }
            Output.line("API: \(url)")
            Output.line("Ready")
        }
        Output.flush()
    }

    private func announceStop(_ cause: StopSignals.Cause) {
        if common.json { Output.line(["event": "stopping"]) } else { Messages.write("stopping") }
        Output.flush()
    }

    /// Ends the program when the orderly stop hangs: the repo survives that, people do not wait for ever.
    private static func endAfterPatience(_ cause: StopSignals.Cause) {
        Task.detached {
            try await Task.sleep(for: patience)
            Messages.write("the orderly stop took too long")
            Foundation.exit(cause == .interrupt ? ExitStatus.interrupted.rawValue : ExitStatus.failure.rawValue)
        }
    }
}
