import ArgumentParser
import HTTPAPI

struct ContentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "content", abstract: "What is published: ls, show, edit, rm.",
        subcommands: [List.self, Show.self, Edit.self, Remove.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "List what you published, or what somebody else did.",
            discussion: "EXAMPLES\n  peernode content ls\n  peernode content ls ada --json", aliases: ["list"])

        @Argument(help: ArgumentHelp("A handle or an id.", valueName: "author"))
        var author: String?
        @OptionGroup var page: PageOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let answer = try await common.value("content/ls", author.map { [$0] } ?? [], page.parameters)
            CatalogOutput.show(answer, common)
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Show everything about one piece of content.",
            discussion: """
                EXAMPLES
                  peernode content show 4TdGk...
                  peernode content show /ada/night-train-4TdGk...
                """)

        @Argument(help: ArgumentHelp("Its id or its page's path.", valueName: "content"))
        var content: String
        @OptionGroup var common: CommonOptions

        func run() async throws { CatalogOutput.details(try await common.value("content/show", [content]), common) }
    }

    struct Edit: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "edit", abstract: "Change what is said about it; what is not named stays.",
            discussion: """
                EXAMPLES
                  peernode content edit 4TdGk... --title "Night Train (live)" --tags live,1964
                  peernode content edit 4TdGk... --clear mood
                """)

        @Argument(help: ArgumentHelp("Its id or its page's path.", valueName: "content"))
        var content: String
        @Option(help: ArgumentHelp("At most 200 characters.", valueName: "text"))
        var title: String?
        @Option(help: ArgumentHelp("At most 2,500 characters.", valueName: "text"))
        var description: String?
        @Option(help: ArgumentHelp("The genre.", valueName: "name"))
        var genre: String?
        @Option(help: ArgumentHelp("The mood.", valueName: "name"))
        var mood: String?
        @Option(help: ArgumentHelp("Words to find it by, with commas between.", valueName: "words"))
        var tags: String?
        @Option(help: ArgumentHelp("What others may do with it.", valueName: "name"))
        var license: String?
        @Option(help: ArgumentHelp("The code of the recording.", valueName: "code"))
        var isrc: String?
        @Option(help: ArgumentHelp("When it came out.", valueName: "date"))
        var releaseDate: String?
        @Option(help: ArgumentHelp("A picture: a file, or its CID.", valueName: "file"))
        var cover: String?
        @Flag(inversion: .prefixedNo, help: "Leave it out of lists and searches.")
        var unlisted: Bool?
        @Option(help: ArgumentHelp("How many nodes should hold it.", valueName: "count"))
        var replicas: Int?
        @Option(help: ArgumentHelp("Fields to empty, with commas between.", valueName: "fields"))
        var clear: String?
        @OptionGroup var author: AuthorOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            var options: [String: String] = [:]
            options.put("title", title)
            options.put("description", description)
            options.put("genre", genre)
            options.put("mood", mood)
            options.put("tags", tags)
            options.put("license", license)
            options.put("isrc", isrc)
            options.put("release-date", releaseDate)
            options.put("cover", cover.map(Pictures.place))
            options.put("unlisted", unlisted.map { String($0) })
            options.put("replicas", replicas.map { String($0) })
            options.put("clear", clear)
            CatalogOutput.details(try await author.value("content/edit", [content], common, options), common)
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm", abstract: "Take content back: nodes hide it at once. Copies that others made stay.",
            discussion: "EXAMPLES\n  peernode content rm 4TdGk...")

        @Argument(help: ArgumentHelp("Ids or paths of pages.", valueName: "content"))
        var contents: [String]
        @OptionGroup var author: AuthorOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            try await author.events("content/rm", contents, common) { event in
                if common.json { return Output.line(event) }
                Output.line("removed \(event["id"]?.text ?? "") \(Columns.clean(event["title"]?.text ?? ""))")
            }
        }
    }
}

struct CommentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "comment", abstract: "Comment on content; without a text, show the comments.",
        discussion: """
            EXAMPLES
              peernode comment 4TdGk... "What a bass line"
              peernode comment 4TdGk...
            """)

    @Argument(help: ArgumentHelp("Its id or its page's path.", valueName: "content"))
    var content: String
    @Argument(help: ArgumentHelp("1 to 400 characters.", valueName: "text"))
    var text: String?
    @Option(help: ArgumentHelp("The comment that this one answers.", valueName: "comment"))
    var parent: String?
    @OptionGroup var page: PageOptions
    @OptionGroup var author: AuthorOptions
    @OptionGroup var common: CommonOptions

    func run() async throws {
        guard let text else {
            let answer = try await common.value("comment/ls", [content], page.parameters)
            return CatalogOutput.show(answer, common)
        }
        let answer = try await author.value(
            "comment", [content, text], common, parent.map { ["parent": $0] } ?? [:])
        if common.json { Output.line(answer) } else { Output.line(answer["id"]?.text ?? "") }
    }
}
