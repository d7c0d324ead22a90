import ArgumentParser
import HTTPAPI

struct SearchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search", abstract: "Search this node's catalog; nobody is asked.",
        discussion: """
            Finds titles, tags, lists and names, also in the middle of words. On a terminal long titles are cut;
            elsewhere they are whole. --limit counts each kind by itself.

            EXAMPLES
              peernode search night train
              peernode search ada --kind users
              peernode search jazz --kind albums --limit 50
            """)

    @Argument(help: ArgumentHelp("Words, or parts of them.", valueName: "word"))
    var words: [String]
    @Option(help: ArgumentHelp("all, contents, albums, lists or users.", valueName: "kind"))
    var kind = "all"
    @Option(help: ArgumentHelp("Only of this genre.", valueName: "name"))
    var genre: String?
    @OptionGroup var page: PageOptions
    @OptionGroup var common: CommonOptions

    func validate() throws {
        if words.isEmpty { throw ValidationError("say what to search for") }
    }

    func run() async throws {
        var options = page.parameters
        options["kind"] = kind
        options.put("genre", genre)
        CatalogOutput.show(try await common.value("search", [words.joined(separator: " ")], options), common)
    }
}

struct TrendingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trending", abstract: "Show what is played, saved and reposted most.",
        discussion: "EXAMPLES\n  peernode trending\n  peernode trending --time month --genre Jazz")

    @Option(help: ArgumentHelp("week, month, year or allTime.", valueName: "span"))
    var time = "week"
    @Option(help: ArgumentHelp("contents, albums or lists.", valueName: "kind"))
    var kind = "contents"
    @Option(help: ArgumentHelp("Only of this genre.", valueName: "name"))
    var genre: String?
    @OptionGroup var page: PageOptions
    @OptionGroup var common: CommonOptions

    func run() async throws {
        var options = page.parameters
        options["time"] = time
        options["kind"] = kind
        options.put("genre", genre)
        CatalogOutput.show(try await common.value("trending", [], options), common)
    }
}

struct FeedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "feed", abstract: "Show what those whom you follow published and reposted, latest first.",
        discussion: "EXAMPLES\n  peernode feed\n  peernode feed --filter original --limit 50")

    @Option(help: ArgumentHelp("all, repost or original.", valueName: "filter"))
    var filter = "all"
    @Option(help: ArgumentHelp("Whose feed: a name or id of `author ls`.", valueName: "name"))
    var author: String?
    @OptionGroup var page: PageOptions
    @OptionGroup var common: CommonOptions

    func run() async throws {
        var options = page.parameters
        options["filter"] = filter
        options.put("author", author)
        CatalogOutput.show(try await common.value("feed", [], options), common)
    }
}

struct ResolveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resolve", abstract: "Say what a handle, an id, a page's path or its URL leads to.",
        discussion: "EXAMPLES\n  peernode resolve ada\n  peernode resolve /ada/night-train-4TdGk...")

    @Argument(help: ArgumentHelp("A handle, an id, a path or a URL.", valueName: "name"))
    var name: String
    @OptionGroup var common: CommonOptions

    func run() async throws {
        CatalogOutput.details(try await common.value("resolve", [name]), common, without: [])
    }
}
