import Catalog
import Media
import PeerNode

extension RPCError {
    /// What an error of the catalog, of media or of publishing means; nil for other errors.
    init?(catalog error: any Error) {
        switch error {
        case let error as CatalogServiceError: self.init(Self.kind(of: error), error.description)
        case let error as CatalogError: self.init(Self.kind(of: error), error.description)
        case let error as AuthorKeysError: self.init(Self.kind(of: error), error.description)
        case let error as UpdateError: self.init(.usage, "no valid update: \(error)")
        case let error as RecoveryKeyError: self.init(.malformed, error.description)
        case let error as MediaError: self.init(Self.kind(of: error), error.description)
        case let error as PublishError: self.init(Self.kind(of: error), error.description)
        default: return nil
        }
    }

    private static func kind(of error: CatalogServiceError) -> Kind {
        switch error {
        case .noAuthor, .cannotRead: .notFound
        case .locked: .unauthorized
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
        case .locked, .passphrase: .unauthorized
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
        case .badProfile: .usage
        case .lost, .listFull: .failure
        }
    }
}
