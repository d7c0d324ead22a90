/// An error as the RPC tells it: Kubo's `{"Message","Code","Type":"error"}`, and what kind it is.
package struct RPCError: Error, Hashable, Sendable {
    /// What went wrong, so that a program can act on it; the program's exit code follows from it.
    package enum Kind: String, Sendable, CaseIterable {
        case failure
        /// The request itself is wrong: a parameter is missing, or is no number.
        case usage
        /// An argument cannot name anything: it is no CID, path, address.
        case malformed
        case notFound = "not-found"
        case unauthorized
        /// A key is locked, and the request has no passphrase for it.
        case locked
        case timeout
        case conflict
        case unavailable
        case retryLater = "retry-later"
        case forbidden
        case methodNotAllowed = "method-not-allowed"
        case tooLarge = "too-large"
        case throttled
        case badConfiguration = "bad-configuration"
    }

    package let kind: Kind
    package let message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// A request that is wrong in itself.
    package static func usage(_ message: String) -> RPCError { RPCError(.usage, message) }

    /// The HTTP status. Kubo answers 500 to whatever is not the client's mistake, and its client expects that.
    package var status: Int {
        switch kind {
        case .usage: 400
        case .unauthorized, .locked: 401
        case .forbidden: 403
        case .methodNotAllowed: 405
        case .tooLarge: 413
        case .throttled: 429
        case .unavailable, .retryLater: 503
        case .failure, .malformed, .notFound, .timeout, .conflict, .badConfiguration: 500
        }
    }

    /// Kubo's body: code 1 is the client's mistake, 0 anything else.
    package var json: JSON {
        ["Message": .string(message), "Code": kind == .usage ? 1 : 0, "Type": "error"]
    }
}

extension RPCError: CustomStringConvertible {
    package var description: String { message }
}
