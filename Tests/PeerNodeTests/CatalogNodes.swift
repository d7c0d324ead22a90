import Catalog
import Foundation
import Multiformats
import PeerNode
import Testing

extension Node {
    /// A profile with this name, published by the author in use.
    @discardableResult
    func publish(name: String) async throws -> Update {
        var body = ProfileBody()
        body.name = .set(name)
        return try await catalog.publish(.profile(body))
    }

    /// Dials the other one.
    func connect(to other: Node) async throws {
        guard let address = other.addresses.first else { throw NodeError.badAddress("none") }
        try await connect(address)
    }

    /// Waits until its catalog has this fingerprint.
    func reaches(_ digest: String) async throws {
        let catalog = catalog
        try await eventually { try await catalog.digest() == digest }
    }

    /// The name in the profile of an author, as the view has it.
    func name(of author: AuthorID) throws -> String? { try catalog.reader.user(author)?.fields.name }
}
