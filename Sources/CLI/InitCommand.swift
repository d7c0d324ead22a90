import ArgumentParser
import HTTPAPI
import Multiformats
import PeerCrypto
import PeerNode

struct InitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Create the repo: an identity and a configuration file.",
        discussion: """
            EXAMPLES
              peernode init
              peernode --repo /srv/node init --if-needed --network lan-party
            """)

    @Flag(help: "Accept a repo that exists already.")
    var ifNeeded = false

    @Option(help: ArgumentHelp("The network to be part of; peers of other networks are strangers.", valueName: "name"))
    var network: String?

    @OptionGroup var common: CommonOptions

    func run() throws {
        let repository = common.repository
        if let network {
            // Checked before anything is written.
            var configuration = NodeConfiguration(repository: repository)
            try configuration.set("network.name", to: .text(network), origin: .flag)
        }
        try RepositoryFolder.create(at: repository, network: network, ifNeeded: ifNeeded)
        _ = try common.configuration()
        let peer = try KeyPair.load(from: RepositoryFolder.identityFile(repository)).peerID
        if common.json {
            Output.line(["peer_id": JSON(peer), "repo": .string(repository)])
        } else {
            Messages.write("the repo is \(repository)")
            Output.line(peer.description)
        }
    }
}
