import Foundation

/// The folder of foreign test vectors: `$VECTORS`, else `../shared/vectors` beside the package.
///
/// Suites that need it use `.enabled(if: Vectors.present, ...)`, so that a clone without the folder says
/// that they are skipped instead of failing.
package enum Vectors {
    package static let skipped = "the foreign vectors are not here: set VECTORS to their folder"

    package static let folder: URL = {
        if let path = ProcessInfo.processInfo.environment["VECTORS"] { return URL(fileURLWithPath: path) }
        return packageRoot.deletingLastPathComponent().appendingPathComponent("shared/vectors")
    }()

    package static var present: Bool { FileManager.default.fileExists(atPath: folder.path) }

    /// The bytes of the file at `path` below the folder.
    package static func bytes(_ path: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: folder.appendingPathComponent(path)))
    }

    package static func text(_ path: String) throws -> String {
        String(decoding: try bytes(path), as: UTF8.self)
    }

    /// The file as JSON, decoded into `type`.
    package static func json<T: Decodable>(_ path: String, as type: T.Type = T.self) throws -> T {
        try JSONDecoder().decode(type, from: Data(try bytes(path)))
    }

    /// The rows of a comma-separated file, without its header.
    package static func csv(_ path: String) throws -> [[String]] {
        try text(path).split(separator: "\n").dropFirst().map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) }
        }
    }
}

/// The folder that holds `Package.swift`.
package let packageRoot = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
