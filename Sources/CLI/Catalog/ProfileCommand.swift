import ArgumentParser
import Foundation
import HTTPAPI
import Multiformats

struct ProfileCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "profile", abstract: "What an author says about themselves: set, show.",
        subcommands: [Set.self, Show.self])

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set", abstract: "Change your profile; what is not named stays.",
            discussion: """
                A handle is a claim, not a name that anybody guards: it is shown with the beginning of your id.

                EXAMPLES
                  peernode profile set --handle ada --name "Ada Lovelace" --bio "Sings to engines."
                  peernode profile set --picture me.jpg
                  peernode profile set --clear bio,website
                """)

        @Option(help: ArgumentHelp("1 to 30 of a-z, 0-9, _ and dots.", valueName: "handle"))
        var handle: String?
        @Option(help: ArgumentHelp("The name that others see.", valueName: "name"))
        var name: String?
        @Option(help: ArgumentHelp("At most 256 characters.", valueName: "text"))
        var bio: String?
        @Option(help: ArgumentHelp("Where you are.", valueName: "text"))
        var location: String?
        @Option(help: ArgumentHelp("The URL of your page.", valueName: "url"))
        var website: String?
        @Option(help: ArgumentHelp("A picture: a file, or its CID.", valueName: "file"))
        var picture: String?
        @Option(help: ArgumentHelp("A wide picture: a file, or its CID.", valueName: "file"))
        var cover: String?
        @Flag(inversion: .prefixedNo, help: "Hide the profile and everything of it.")
        var deactivated: Bool?
        @Option(help: ArgumentHelp("Fields to empty, with commas between.", valueName: "fields"))
        var clear: String?
        @OptionGroup var author: AuthorOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            var options: [String: String] = [:]
            options.put("handle", handle)
            options.put("name", name)
            options.put("bio", bio)
            options.put("location", location)
            options.put("website", website)
            options.put("picture", picture.map(Pictures.place))
            options.put("cover", cover.map(Pictures.place))
            options.put("deactivated", deactivated.map { String($0) })
            options.put("clear", clear)
            CatalogOutput.details(try await author.value("profile/set", [], common, options), common)
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Show a profile: yours, or whose handle or id you name.",
            discussion: "EXAMPLES\n  peernode profile show\n  peernode profile show ada")

        @Argument(help: ArgumentHelp("A handle or an id.", valueName: "author"))
        var author: String?
        @OptionGroup var common: CommonOptions

        func run() async throws {
            CatalogOutput.details(try await common.value("profile/show", author.map { [$0] } ?? []), common)
        }
    }
}

/// Pictures that a user names.
enum Pictures {
    /// A CID as it is; anything else names a file of this machine: its absolute path.
    static func place(_ text: String) -> String {
        let isCID = (try? CID(text)) != nil || text.hasPrefix("/ipfs/")
        return isCID && !FileManager.default.fileExists(atPath: Paths.absolute(text)) ? text : Paths.absolute(text)
    }
}
