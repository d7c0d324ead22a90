import ArgumentParser
import Foundation
import Media

/// What this program does when it starts itself to read the tags of one file: see `TagHelper`.
struct TagHelperCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tag-helper", abstract: "Read the tags of one file.", shouldDisplay: false)

    /// Starts this program so.
    static let helper = TagHelper(arguments: ["tag-helper"])

    func run() throws { Foundation.exit(TagHelper.serve()) }
}
