import Foundation
import PeerCrypto

/// The folder that holds everything a node keeps: `identity.pem`, `config.toml`, the store, and while a
/// node runs `api` and `api-token`.
package enum RepositoryFolder {
    package static func identityFile(_ folder: String) -> String { folder + "/identity.pem" }

    /// Whether a repo was created there.
    package static func exists(_ folder: String) -> Bool {
        FileManager.default.fileExists(atPath: identityFile(folder))
            && FileManager.default.fileExists(atPath: folder + "/" + NodeConfiguration.fileName)
    }

    /// Creates a repo: the folder (0700), an identity unless one is there, and a configuration file that
    /// names the network.
    ///
    /// Throws `NodeError.repositoryExists` where there is one already, unless `ifNeeded`.
    package static func create(at folder: String, network: String?, ifNeeded: Bool) throws {
        if exists(folder) {
            guard ifNeeded else { throw NodeError.repositoryExists(folder) }
            return
        }
        let manager = FileManager.default
        try manager.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        if !manager.fileExists(atPath: identityFile(folder)) {
            try KeyPair.generate().save(to: identityFile(folder))
        }
        // Last, because its presence says that the repo is whole.
        let text = NodeConfiguration.initialFile(network: network)
        try Data(text.utf8).write(
            to: URL(fileURLWithPath: folder + "/" + NodeConfiguration.fileName), options: .atomic)
    }
}
