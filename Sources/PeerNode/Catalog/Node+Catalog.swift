import Logging
import PeerCrypto
import Storage

extension Node {
    /// Opens the catalog of a repo that was just opened; closes the repo when that fails.
    static func openCatalog(
        _ configuration: NodeConfiguration, _ identity: KeyPair, _ repository: Repository, _ plane: ControlPlane,
        _ logger: Logger
    ) async throws -> CatalogService {
        try await plane.blocking {
            do {
                return try CatalogService(
                    repository: configuration.repository, identity: identity, configuration: configuration.catalog,
                    plane: plane, logger: logger)
            } catch {
                try? repository.close()
                throw error
            }
        }
    }
}
