import ArgumentParser
import Foundation
import HTTPAPI

struct PublishCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "publish", abstract: "Publish songs or an album folder, for everybody to find.",
        discussion: """
            Titles, lengths and covers come from the files' tags and from cover.jpg or folder.jpg beside them. A folder,
            or several files, also become an album. Nothing is public before every block was read back from this
            node's disk; if you interrupt it, the same command goes on where it was. MP3, FLAC, Ogg Vorbis and Opus,
            M4A and WAV are read; other files want --as file.

            EXAMPLES
              peernode publish ~/Music/Lichtung
              peernode publish song.flac --title "Night Train" --genre Jazz --tags live,1964
              peernode publish talk.pdf --as file
              peernode publish new.flac --list Favourites
            """)

    @Argument(help: ArgumentHelp("Files and folders.", valueName: "path"))
    var paths: [String]
    @Option(help: ArgumentHelp("The title of one file, or of the album.", valueName: "text"))
    var title: String?
    @Option(help: ArgumentHelp("Who plays, where the tags do not say it.", valueName: "name"))
    var artist: String?
    @Option(help: ArgumentHelp("What it is about.", valueName: "text"))
    var description: String?
    @Option(help: ArgumentHelp("The genre of all of it.", valueName: "name"))
    var genre: String?
    @Option(help: ArgumentHelp("The mood of all of it.", valueName: "name"))
    var mood: String?
    @Option(help: ArgumentHelp("Words to find it by, with commas between.", valueName: "words"))
    var tags: String?
    @Option(help: ArgumentHelp("A picture instead of the one that was found.", valueName: "file"))
    var cover: String?
    @Option(help: ArgumentHelp("What others may do with it, such as CC-BY-4.0.", valueName: "name"))
    var license: String?
    @Option(help: ArgumentHelp("When it came out, such as 1964-05-01.", valueName: "date"))
    var releaseDate: String?
    @Flag(help: "Leave it out of lists and searches; it is not secret.")
    var unlisted = false
    @Option(help: ArgumentHelp("How many nodes should hold it.", valueName: "count"))
    var replicas: Int?
    @Option(help: ArgumentHelp("Add all of it to your list of that name; it is made if need be.", valueName: "name"))
    var list: String?
    @Option(name: .customLong("as"), help: ArgumentHelp("audio, or file for anything.", valueName: "form"))
    var form = "audio"
    @Option(help: "How files become blocks: unixfs-v1-2025 or unixfs-v0-2015.")
    var profile: String?
    @Flag(name: .shortAndLong, help: "Print only the id of what was published.")
    var quiet = false
    @OptionGroup var author: AuthorOptions
    @OptionGroup var common: CommonOptions

    func validate() throws {
        if paths.isEmpty { throw ValidationError("name a file or folder to publish") }
        if form != "audio", form != "file" { throw ValidationError("--as is audio or file, not '\(form)'") }
        if let replicas, replicas < 1 { throw ValidationError("--replicas must be 1 or more") }
    }

    func run() async throws {
        var options: [String: String] = [:]
        options.put("title", title)
        options.put("artist", artist)
        options.put("description", description)
        options.put("genre", genre)
        options.put("mood", mood)
        options.put("tags", tags)
        options.put("cover", cover.map(Paths.absolute))
        options.put("license", license)
        options.put("release-date", releaseDate)
        options.put("replicas", replicas.map { String($0) })
        options.put("list", list)
        options.put("profile", profile)
        options["as"] = form
        options["unlisted"] = String(unlisted)
        let absolute = paths.map(Paths.absolute)
        let progress = ProgressLine("storing")
        defer { progress.finish() }
        var (isKept, isAlbum) = (false, false)
        try await author.events("publish", absolute, common, options) { event in
            if event["event"]?.text == "published", event["new"]?.boolean == false { isKept = true }
            if event["event"]?.text == "listed" { isAlbum = list == nil }
            show(event, progress)
        }
        if isKept, describesTracks || (title != nil && !isAlbum), !common.json, !quiet {
            Messages.write("what was published before stays as it was described: `peernode content edit` changes that")
        }
    }

    /// Whether the user said anything of each track.
    private var describesTracks: Bool {
        [artist, description, genre, mood, tags, cover, license, releaseDate].contains { $0 != nil }
            || unlisted || replicas != nil
    }

    private func show(_ event: JSON, _ progress: ProgressLine) {
        let kind = event["event"]?.text
        if kind == "bytes" { progress.advance(by: event["more"]?.integer ?? 0) }
        if kind == "found" { progress.expect(event["bytes"]?.integer ?? 0) }
        if common.json {
            guard !quiet || kind == "published" || kind == "listed" else { return }
            Output.line(event)
            // Whoever follows along wants each when it happens.
            return Output.flush()
        }
        let id = event["id"]?.text ?? ""
        let isNew = event["new"]?.boolean == true
        switch kind {
        case "found":
            for file in event["skipped"]?.elements ?? [] {
                Messages.write("left out: \(file["path"]?.text ?? "") \(file["reason"]?.text ?? "")")
            }
        case "verified":
            progress.finish()
            let count = event["blocks"]?.integer ?? 0
            if !quiet {
                Messages.write("verified on this node's disk: \(CatalogOutput.counted(count, "block"))")
            }
        case "published":
            let title = Columns.clean(event["title"]?.text ?? "")
            Output.line(quiet ? id : "\(isNew ? "published" : "already published") \(id) \(title)")
        case "listed":
            let name = Columns.clean(event["name"]?.text ?? "")
            Output.line(
                quiet ? id : "\(isNew ? "listed" : "added to") \(id) \(name) (\(event["added"]?.integer ?? 0) new)")
        default: break
        }
    }
}
