import Catalog
import MerkleDAG
import NIOHTTP1
import PeerNode
import Storage

/// Why a request has no answer, as `application/problem+json` tells it.
///
/// Source: RFC 9457
package struct V1Problem: Error, Sendable {
    let status: HTTPResponseStatus
    /// What exactly is wrong, and what to do about it.
    let detail: String
    /// Headers besides the usual ones.
    var fields: [(String, String)] = []

    init(_ status: HTTPResponseStatus, _ detail: String) {
        self.status = status
        self.detail = detail
    }

    static func badParameter(_ name: String, _ expected: String) -> V1Problem {
        V1Problem(.badRequest, "the parameter '\(name)' must be \(expected)")
    }

    static func notFound(_ what: String) -> V1Problem {
        V1Problem(.notFound, "this node's catalog has no such \(what)")
    }

    var json: JSON {
        [
            "type": "about:blank", "title": .string(status.reasonPhrase), "status": .int(Int(status.code)),
            "detail": .string(detail),
        ]
    }
}

extension V1Problem {
    /// What any error of the rooms below means to a client.
    init(describing error: any Error) {
        switch error {
        case let problem as V1Problem: self = problem
        case let error as NodeError:
            switch error {
            case .notFound, .timedOut: self.init(.gatewayTimeout, error.description)
            case .offline, .needsRunningNode, .shuttingDown: self.init(.serviceUnavailable, error.description)
            default: self.init(.badGateway, error.description)
            }
            fields.append(("Retry-After", "10"))
        case let error as DAGReadError: self.init(.badGateway, error.description)
        case is CancellationError:
            self.init(.serviceUnavailable, "the node is stopping")
            fields.append(("Retry-After", "10"))
        case let error as CatalogError: self.init(.internalServerError, error.description)
        case let error as RepositoryError: self.init(.internalServerError, error.description)
        default: self.init(.internalServerError, "\(error)")
        }
    }
}
