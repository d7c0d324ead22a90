import Catalog
import Media
import PeerNode

extension RPCError {
    /// What an error of the catalog, of media or of publishing means; nil for other errors.
    init?(catalog error: any Error) {
        switch error {
        case let error as CatalogServiceError: self.init(Self.kind(of: error), error.description)
        case CatalogError.invalid(let error): self.init(.usage, Self.words(error))
        case let error as CatalogError: self.init(Self.kind(of: error), error.description)
        case let error as AuthorKeysError: self.init(Self.kind(of: error), error.description)
        case let error as UpdateError: self.init(.usage, Self.words(error))
        case let error as RecoveryKeyError: self.init(.malformed, error.description)
        case let error as MediaError: self.init(Self.kind(of: error), error.description)
        case let error as PublishError: self.init(Self.kind(of: error), error.description)
        default: return nil
        }
    }

    /// What a user wrote that no update can say.
    private static func words(_ error: UpdateError) -> String {
        guard case .badField(let field) = error else { return "no valid update: \(error)" }
        switch field {
        case "tags": return "content has at most \(UpdateLimits.tags) tags of 1 to \(UpdateLimits.word) characters"
        case "name":
            return "a name has 1 to \(UpdateLimits.name) characters, and that of a list 1 to \(UpdateLimits.title)"
        case "title": return "a title has 1 to \(UpdateLimits.title) characters"
        default: break
        }
        guard let most = limits[field] else { return "no valid update: \(error)" }
        return "the \(field == "releaseDate" ? "release date" : field) has at most \(most) characters"
    }

    /// The most characters of text fields, by name.
    private static let limits = [
        "bio": UpdateLimits.bio, "location": UpdateLimits.location, "website": UpdateLimits.website,
        "description": UpdateLimits.description, "genre": UpdateLimits.word, "mood": UpdateLimits.word,
        "license": UpdateLimits.word, "isrc": UpdateLimits.word, "releaseDate": UpdateLimits.word,
        "text": UpdateLimits.comment,
    ]

    private static func kind(of error: CatalogServiceError) -> Kind {
        switch error {
        case .noAuthor, .cannotRead: .notFound
        case .locked: .locked
        case .wrongWords: .unauthorized
        case .notTheirs: .notFound
        case .noPeers: .unavailable
        case .refused: .retryLater
        case .notAnExport: .malformed
        case .clock, .damagedExport, .cannotWrite: .failure
        }
    }

    private static func kind(of error: CatalogError) -> Kind {
        switch error {
        case .unknownAuthor: .notFound
        case .keyNotInForce: .conflict
        case .invalid: .usage
        case .database, .damaged, .newerFormat, .diskFull: .failure
        }
    }

    private static func kind(of error: AuthorKeysError) -> Kind {
        switch error {
        case .unknown, .noCurrent: .notFound
        case .taken, .keyNotInForce: .conflict
        case .badName, .malformed: .malformed
        case .locked: .locked
        case .passphrase: .unauthorized
        case .file: .failure
        }
    }

    private static func kind(of error: MediaError) -> Kind {
        switch error {
        case .notAudio, .notAFile, .badPicture, .nothingToPublish: .usage
        case .tooLarge: .tooLarge
        // ENOENT and ENOTDIR have these numbers on every system that we run on.
        case .fileSystem(_, _, let code): code == 2 || code == 20 ? .notFound : .failure
        }
    }

    private static func kind(of error: PublishError) -> Kind {
        switch error {
        case .changed: .retryLater
        case .badProfile, .badWish, .emptyWish: .usage
        case .lost, .listFull: .failure
        }
    }
}
