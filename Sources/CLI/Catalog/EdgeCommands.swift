import ArgumentParser
import HTTPAPI

/// What follow, save, repost and subscribe have in common, and what takes them back.
enum Edges {
    static func set(
        _ command: String, _ targets: [String], _ author: AuthorOptions, _ common: CommonOptions
    ) async throws {
        try await author.events(command, targets, common) { event in
            if common.json { return Output.line(event) }
            Output.line("\(command) \(event["id"]?.text ?? "") \(Columns.clean(event["name"]?.text ?? ""))")
        }
    }
}

struct FollowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "follow", abstract: "Follow authors: what they publish comes into your feed.",
        discussion: "EXAMPLES\n  peernode follow ada")

    @Argument(help: ArgumentHelp("Handles or ids.", valueName: "author"))
    var targets: [String]
    @OptionGroup var author: AuthorOptions
    @OptionGroup var common: CommonOptions

    func run() async throws { try await Edges.set("follow", targets, author, common) }
}

struct UnfollowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unfollow", abstract: "Follow authors no more.",
        discussion: "EXAMPLES\n  peernode unfollow ada")

    @Argument(help: ArgumentHelp("Handles or ids.", valueName: "author"))
    var targets: [String]
    @OptionGroup var author: AuthorOptions
    @OptionGroup var common: CommonOptions

    func run() async throws { try await Edges.set("unfollow", targets, author, common) }
}

struct SaveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "save", abstract: "Save content or lists, for everybody to see.",
        discussion: "EXAMPLES\n  peernode save 4TdGk...")

    @Argument(help: ArgumentHelp("Ids or paths of pages.", valueName: "content"))
    var targets: [String]
    @OptionGroup var author: AuthorOptions
    @OptionGroup var common: CommonOptions

    func run() async throws { try await Edges.set("save", targets, author, common) }
}

struct UnsaveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unsave", abstract: "Take saves back.",
        discussion: "EXAMPLES\n  peernode unsave 4TdGk...")

    @Argument(help: ArgumentHelp("Ids or paths of pages.", valueName: "content"))
    var targets: [String]
    @OptionGroup var author: AuthorOptions
    @OptionGroup var common: CommonOptions

    func run() async throws { try await Edges.set("unsave", targets, author, common) }
}

struct RepostCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repost", abstract: "Show content or lists to those who follow you.",
        discussion: "EXAMPLES\n  peernode repost 4TdGk...")

    @Argument(help: ArgumentHelp("Ids or paths of pages.", valueName: "content"))
    var targets: [String]
    @OptionGroup var author: AuthorOptions
    @OptionGroup var common: CommonOptions

    func run() async throws { try await Edges.set("repost", targets, author, common) }
}

struct UnrepostCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unrepost", abstract: "Take reposts back.",
        discussion: "EXAMPLES\n  peernode unrepost 4TdGk...")

    @Argument(help: ArgumentHelp("Ids or paths of pages.", valueName: "content"))
    var targets: [String]
    @OptionGroup var author: AuthorOptions
    @OptionGroup var common: CommonOptions

    func run() async throws { try await Edges.set("unrepost", targets, author, common) }
}

struct SubscribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "subscribe", abstract: "Subscribe to authors.",
        discussion: "EXAMPLES\n  peernode subscribe ada")

    @Argument(help: ArgumentHelp("Handles or ids.", valueName: "author"))
    var targets: [String]
    @OptionGroup var author: AuthorOptions
    @OptionGroup var common: CommonOptions

    func run() async throws { try await Edges.set("subscribe", targets, author, common) }
}

struct UnsubscribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unsubscribe", abstract: "Take subscriptions back.",
        discussion: "EXAMPLES\n  peernode unsubscribe ada")

    @Argument(help: ArgumentHelp("Handles or ids.", valueName: "author"))
    var targets: [String]
    @OptionGroup var author: AuthorOptions
    @OptionGroup var common: CommonOptions

    func run() async throws { try await Edges.set("unsubscribe", targets, author, common) }
}
