import DHT
import Foundation
import MerkleDAG
import NIOCore
import PeerNode
import Storage
import Transport

extension RPCError {
    /// What any error of the rooms below means to whoever asked.
    package init(describing error: any Error) {
        self =
            switch error {
            case let error as RPCError: error
            case let error as NodeError: RPCError(Self.kind(of: error), error.description)
            case let error as RepositoryError: RPCError(Self.kind(of: error), error.description)
            case let error as DAGReadError: RPCError(Self.kind(of: error), error.description)
            case let error as FileSystemError:
                RPCError(error.code == ENOENT || error.code == ENOTDIR ? .notFound : .failure, error.description)
            case let error as NameError: RPCError(Self.kind(of: error), error.description)
            case let error as KeyStoreError: RPCError(Self.kind(of: error), error.description)
            case let error as PubSubError: RPCError(Self.kind(of: error), error.description)
            case let error as ConfigurationError: RPCError(.failure, error.description)
            case is CancellationError: RPCError(.timeout, "the request was cancelled")
            default: RPCError(catalog: error) ?? RPCError(.failure, "\(error)")
            }
    }

    private static func kind(of error: NodeError) -> Kind {
        switch error {
        case .noRepository, .notFound, .notPinned, .notConnected: .notFound
        case .repositoryExists: .conflict
        case .offline, .needsRunningNode: .unavailable
        case .timedOut: .timeout
        case .badAddress, .wrongNetwork, .routing(.invalid): .malformed
        case .shuttingDown, .routing(.tooMany): .retryLater
        case .full, .routing: .failure
        case .noSwarmKey: .badConfiguration
        }
    }

    private static func kind(of error: NameError) -> Kind {
        switch error {
        case .badName, .badPath, .badLifetime: .malformed
        case .notFound: .notFound
        case .offline: .unavailable
        case .badValue, .tooDeep, .notStored: .failure
        }
    }

    private static func kind(of error: PubSubError) -> Kind {
        switch error {
        case .badTopic: .malformed
        case .tooLarge: .tooLarge
        case .duplicate: .conflict
        case .tooMany, .shuttingDown: .retryLater
        case .disabled: .failure
        }
    }

    private static func kind(of error: KeyStoreError) -> Kind {
        switch error {
        case .unknown: .notFound
        case .taken: .conflict
        case .badName, .isIdentity, .notAKey: .malformed
        case .file, .folder: .failure
        }
    }

    private static func kind(of error: RepositoryError) -> Kind {
        switch error {
        case .locked, .pinned: .conflict
        case .closed: .retryLater
        default: .failure
        }
    }

    private static func kind(of error: DAGReadError) -> Kind {
        switch error {
        case .invalidPath: .malformed
        case .noLink: .notFound
        default: .failure
        }
    }
}
