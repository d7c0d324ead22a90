import ArgumentParser
import Foundation
import HTTPAPI
import PeerNode
import Storage

/// What the program's exit code says; documented in the help of `peernode`.
enum ExitStatus: Int32 {
    case ok = 0
    case failure = 1
    case usage = 2
    case notFound = 3
    case unauthorized = 4
    case timeout = 5
    case conflict = 6
    case unavailable = 69
    case retryLater = 75
    case badConfiguration = 78
    case interrupted = 130
}

extension ExitStatus {
    /// The code for an answer of a node.
    init(_ kind: RPCError.Kind) {
        self =
            switch kind {
            case .failure, .tooLarge: .failure
            case .usage, .malformed, .methodNotAllowed: .usage
            case .notFound: .notFound
            case .unauthorized, .locked, .forbidden: .unauthorized
            case .timeout: .timeout
            case .conflict: .conflict
            case .unavailable: .unavailable
            case .retryLater, .throttled: .retryLater
            case .badConfiguration: .badConfiguration
            }
    }

    /// The code for what the argument parser throws (help and version are 0); nil for other errors.
    init?(parserError error: any Error) {
        switch PeerNodeCommand.exitCode(for: error) {
        case .success: self = .ok
        case .validationFailure: self = .usage
        default: return nil
        }
    }
}

/// Ends the program with a code; everything has been said already.
struct SilentExit: Error {
    let status: ExitStatus

    init(_ status: ExitStatus) {
        self.status = status
    }
}

/// Words and exit code of what a command could not do.
struct CommandFailure: Error {
    let status: ExitStatus
    let message: String

    init(_ status: ExitStatus, _ message: String) {
        self.status = status
        self.message = message
    }

    init(_ error: any Error) {
        switch error {
        case let error as CommandFailure: self = error
        case let error as ConfigurationError: self.init(.badConfiguration, error.description)
        case let error as ConfigurationFailure: self.init(.badConfiguration, error.description)
        case is CancellationError: self.init(.interrupted, "interrupted")
        default:
            let error = error as? RPCError ?? RPCError(describing: error)
            self.init(ExitStatus(error.kind), error.message)
        }
    }
}
