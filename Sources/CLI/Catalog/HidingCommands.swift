import ArgumentParser
import HTTPAPI

/// What the operator of a node does not want to show: on this node alone.
extension CatalogCommand {
    struct Block: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "block", abstract: "Hide an author on this node, and take nothing more of theirs.",
            discussion: """
                Without an author it lists who is blocked, and why.

                EXAMPLES
                  peernode catalog block ada --reason spam
                  peernode catalog block
                """)

        @Argument(help: ArgumentHelp("A handle or an id.", valueName: "author"))
        var author: String?
        @Option(help: ArgumentHelp("Why, for yourself.", valueName: "text"))
        var reason: String?
        @OptionGroup var common: CommonOptions

        func run() async throws {
            guard let author else {
                return Hidden.list(try await common.value("catalog/blocked"), common, empty: "nobody is blocked") {
                    [$0["author"]?.text ?? "", $0["reason"]?.text ?? ""]
                }
            }
            let options = reason.map { ["reason": $0] } ?? [:]
            let answer = try await common.value("catalog/block", [author], options)
            if common.json { Output.line(answer) } else { Output.line("blocked \(answer["author"]?.text ?? "")") }
        }
    }

    struct Unblock: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "unblock", abstract: "Show an author again; what went is fetched anew.",
            discussion: "EXAMPLES\n  peernode catalog unblock DLaWbUrvV7iR...")

        @Argument(help: ArgumentHelp("An author's id, as `catalog block` lists it.", valueName: "author"))
        var author: String
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let answer = try await common.value("catalog/unblock", [author])
            if common.json { Output.line(answer) } else { Output.line("unblocked \(answer["author"]?.text ?? "")") }
        }
    }

    struct Labels: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "labels", abstract: "Hide whatever an author labels, or labels so.",
            discussion: """
                Without an author it lists whose labels hide what.

                EXAMPLES
                  peernode catalog labels moderator spam
                  peernode catalog labels moderator --off
                  peernode catalog labels
                """)

        @Argument(help: ArgumentHelp("A handle or an id.", valueName: "author"))
        var author: String?
        @Argument(help: ArgumentHelp("The label; all of them if not given.", valueName: "label"))
        var label: String?
        @Flag(help: "Hide it no more.")
        var off = false
        @OptionGroup var common: CommonOptions

        func run() async throws {
            guard let author else {
                return Hidden.list(try await common.value("catalog/labels"), common, empty: "no labels hide anything") {
                    [$0["author"]?.text ?? $0["id"]?.text ?? "", $0["name"]?.text ?? "", $0["label"]?.text ?? ""]
                }
            }
            let arguments = [author] + (label.map { [$0] } ?? [])
            let answer = try await common.value("catalog/labels", arguments, ["on": String(!off)])
            if common.json { return Output.line(answer) }
            Output.line("\(off ? "shown again" : "hidden"): \(Hidden.words(answer))")
        }
    }
}

/// How lists of what is hidden look.
private enum Hidden {
    static func list(_ answer: JSON, _ common: CommonOptions, empty: String, _ row: (JSON) -> [String]) {
        let items = answer["items"]?.elements ?? []
        var columns = Columns(flexible: 1)
        for item in items {
            if common.json { Output.line(item) } else { columns.add(row(item)) }
        }
        columns.write()
        if items.isEmpty, !common.json { Messages.write(empty) }
    }

    static func words(_ answer: JSON) -> String {
        let (author, label) = (answer["author"]?.text ?? "", answer["label"]?.text ?? "")
        return label == "*" ? "whatever \(author) labels" : "what \(author) labels '\(Columns.clean(label))'"
    }
}
