import ArgumentParser
import HTTPAPI

struct ContentListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Public lists of content: new, add, remove, move, show, ls, rm.",
        discussion: "Your own lists can be called by their names, others' by their ids or paths.",
        subcommands: [New.self, Add.self, Remove.self, Move.self, Show.self, List.self, Delete.self])

    struct New: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "new", abstract: "Make a list; prints its id.",
            discussion: "EXAMPLES\n  peernode list new Favourites --description \"For long nights.\"")

        @Argument(help: ArgumentHelp("What it is called.", valueName: "name"))
        var name: String
        @Option(help: ArgumentHelp("What it is about.", valueName: "text"))
        var description: String?
        @Option(help: ArgumentHelp("A picture: a file, or its CID.", valueName: "file"))
        var cover: String?
        @Flag(help: "It is an album.")
        var album = false
        @OptionGroup var author: AuthorOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            var options: [String: String] = [:]
            options.put("description", description)
            options.put("cover", cover.map(Pictures.place))
            options["album"] = String(album)
            let answer = try await author.value("list/new", [name], common, options)
            if common.json { Output.line(answer) } else { Output.line(answer["id"]?.text ?? "") }
        }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add", abstract: "Add content at the end of a list.",
            discussion: "EXAMPLES\n  peernode list add Favourites 4TdGk... 9sKpT...")

        @Argument(help: ArgumentHelp("Its name or id.", valueName: "list"))
        var list: String
        @Argument(help: ArgumentHelp("Ids or paths of pages.", valueName: "content"))
        var contents: [String]
        @OptionGroup var author: AuthorOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            try await author.events("list/add", [list] + contents, common) { event in
                if common.json { return Output.line(event) }
                Output.line("added \(event["content"]?.text ?? "") \(Columns.clean(event["title"]?.text ?? ""))")
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove", abstract: "Remove items from a list: by place, id or tag.",
            discussion: "EXAMPLES\n  peernode list remove Favourites 3\n  peernode list remove Favourites 4TdGk...")

        @Argument(help: ArgumentHelp("Its name or id.", valueName: "list"))
        var list: String
        @Argument(help: ArgumentHelp("Places counted from 1, ids or tags.", valueName: "item"))
        var items: [String]
        @OptionGroup var author: AuthorOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let answer = try await author.value("list/remove", [list] + items, common)
            if common.json { Output.line(answer) } else { Output.line("removed \(answer["removed"]?.integer ?? 0)") }
        }
    }

    struct Move: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "move", abstract: "Move an item of a list to another place.",
            discussion: "EXAMPLES\n  peernode list move Favourites 7 1")

        @Argument(help: ArgumentHelp("Its name or id.", valueName: "list"))
        var list: String
        @Argument(help: ArgumentHelp("A place counted from 1, an id or a tag.", valueName: "item"))
        var item: String
        @Argument(help: ArgumentHelp("The place where it shall be, counted from 1.", valueName: "place"))
        var place: Int
        @OptionGroup var author: AuthorOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let answer = try await author.value("list/move", [list, item, String(place)], common)
            if common.json { return Output.line(answer) }
            Output.line("moved \(answer["content"]?.text ?? "") to \(place)")
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Show what is in a list.",
            discussion: "EXAMPLES\n  peernode list show Favourites\n  peernode list show Favourites --json")

        @Argument(help: ArgumentHelp("Its name or id.", valueName: "list"))
        var list: String
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let answer = try await common.value("list/show", [list])
            if common.json { return Output.line(answer) }
            let owner = answer["user"]?.text ?? ""
            Messages.write(Columns.clean("\(answer["name"]?.text ?? "") by \(owner), \(answer["id"]?.text ?? "")"))
            var columns = Columns(flexible: 2)
            for item in answer["items"]?.elements ?? [] {
                columns.add([
                    String(item["place"]?.integer ?? 0), item["id"]?.text ?? "", item["title"]?.text ?? "(not here)",
                    item["user"]?.text ?? "", Columns.length(item["duration_ms"]?.integer ?? 0),
                ])
            }
            columns.write()
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "List your lists and albums, or somebody else's.",
            discussion: "EXAMPLES\n  peernode list ls\n  peernode list ls ada", aliases: ["list"])

        @Argument(help: ArgumentHelp("A handle or an id.", valueName: "author"))
        var author: String?
        @OptionGroup var page: PageOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let answer = try await common.value("list/ls", author.map { [$0] } ?? [], page.parameters)
            CatalogOutput.show(answer, common)
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm", abstract: "Delete a list; what is in it stays.",
            discussion: "EXAMPLES\n  peernode list rm Favourites")

        @Argument(help: ArgumentHelp("Its name or id.", valueName: "list"))
        var list: String
        @OptionGroup var author: AuthorOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let answer = try await author.value("list/rm", [list], common)
            if common.json { Output.line(answer) } else { Output.line("removed \(answer["id"]?.text ?? "")") }
        }
    }
}
