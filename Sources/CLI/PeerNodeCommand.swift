import ArgumentParser
import Foundation
import HTTPAPI

/// The program: parses, runs one command, and turns what happened into words and an exit code.
@main
struct PeerNodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "peernode",
        abstract: "A peer-to-peer node that stores, serves and fetches content by its hash.",
        usage: "peernode [--repo DIR] COMMAND ...",
        discussion: """
            Commands use the node that runs on the repo, if one does; those that can, work without it.
            The repo is --repo, else $PEERNODE_REPO, else $XDG_DATA_HOME/peernode (~/.local/share/peernode).

            EXAMPLES
              peernode init
              peernode run
              peernode add holiday.jpg
              peernode get bafy... -o holiday.jpg
              peernode author new ada
              peernode publish ~/Music/Lichtung
              peernode search lichtung

            EXIT CODES
              0 ok, 1 failure, 2 usage, 3 not found, 4 unauthorized, 5 timeout, 6 conflict or locked,
              69 no node is running, 75 retry later, 78 bad configuration, 130 interrupted
            """,
        version: API.version,
        subcommands: [
            InitCommand.self, RunCommand.self, ShutdownCommand.self,
            AddCommand.self, GetCommand.self, CatCommand.self, LsCommand.self,
            BlockCommand.self, DagCommand.self, PinCommand.self, RefsCommand.self, RepoCommand.self,
            RoutingCommand.self, ProvideCommand.self, NameCommand.self, KeyCommand.self, BootstrapCommand.self,
            AuthorCommand.self, ProfileCommand.self, PublishCommand.self, ContentCommand.self, ContentListCommand.self,
            FollowCommand.self, UnfollowCommand.self, SaveCommand.self, UnsaveCommand.self, RepostCommand.self,
            UnrepostCommand.self, SubscribeCommand.self, UnsubscribeCommand.self, CommentCommand.self,
            FeedCommand.self, SearchCommand.self, TrendingCommand.self, ResolveCommand.self, UpdatesCommand.self,
            CatalogCommand.self,
            IDCommand.self, SwarmCommand.self, PubSubCommand.self, PingCommand.self, BitswapCommand.self,
            StatsCommand.self,
            ConfigCommand.self, LogCommand.self, CompletionCommand.self, VersionCommand.self,
            TagHelperCommand.self,
        ])

    static func main() async {
        // A reader of standard output that goes away is noticed by writing: see `Output`.
        signal(SIGPIPE, SIG_IGN)
        let arguments = globalsLast(Array(CommandLine.arguments.dropFirst()))
        do {
            var command = try parseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            Output.flush()
        } catch {
            Output.flush()
            Foundation.exit(finish(error, json: arguments.contains("--json")).rawValue)
        }
    }

    /// Says what went wrong, and gives the code to exit with.
    private static func finish(_ error: any Error, json: Bool) -> ExitStatus {
        if let status = ExitStatus(parserError: error) {
            let text = fullMessage(for: error)
            if status == .ok { Output.line(text) } else { Messages.write(text) }
            Output.flush()
            return status
        }
        if let silent = error as? SilentExit { return silent.status }
        let failure = CommandFailure(error)
        if json {
            let line: JSON = ["error": .string(failure.message), "code": .int(Int(failure.status.rawValue))]
            Messages.write(line.description)
        } else {
            Messages.write(Style.error("error:") + " " + failure.message)
        }
        return failure.status
    }

    /// Moves `--repo DIR` and `--json` that stand before the command behind it, where its parser finds them.
    static func globalsLast(_ arguments: [String]) -> [String] {
        var globals: [String] = []
        var rest = arguments[...]
        while let first = rest.first, first.hasPrefix("-") {
            if first == "--json" || first.hasPrefix("--repo=") || first.hasPrefix("--timeout=") {
                globals.append(first)
                rest = rest.dropFirst()
            } else if first == "--repo" || first == "--timeout", rest.count > 1 {
                globals += rest.prefix(2)
                rest = rest.dropFirst(2)
            } else {
                break
            }
        }
        guard !globals.isEmpty, !rest.isEmpty else { return arguments }
        let end = rest.firstIndex(of: "--") ?? rest.endIndex
        return Array(rest[..<end]) + globals + Array(rest[end...])
    }
}
