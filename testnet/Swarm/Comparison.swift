import Foundation

/// Compares two trees byte by byte: names, kinds, link targets and content.
package enum Comparison {
    /// Throws a `Failure` that names the first difference.
    package static func requireEqual(_ left: String, _ right: String) throws {
        let (a, b) = (try kind(of: left), try kind(of: right))
        guard a == b else { throw Failure("\(right) is a \(b), but \(left) is a \(a).") }
        switch a {
        case "folder":
            let manager = FileManager.default
            let names = try manager.contentsOfDirectory(atPath: left).sorted()
            let others = try manager.contentsOfDirectory(atPath: right).sorted()
            guard names == others else {
                let difference = Set(names).symmetricDifference(others).sorted().first ?? ""
                throw Failure("\(right) and \(left) do not hold the same names: '\(difference)' is in one only.")
            }
            for name in names { try requireEqual(left + "/" + name, right + "/" + name) }
        case "symlink":
            let manager = FileManager.default
            let targets = try [left, right].map { try manager.destinationOfSymbolicLink(atPath: $0) }
            guard targets[0] == targets[1] else {
                throw Failure("\(right) points to \(targets[1]), not \(targets[0]).")
            }
        default:
            let contents = try [left, right].map {
                try Data(contentsOf: URL(fileURLWithPath: $0), options: .alwaysMapped)
            }
            guard contents[0] == contents[1] else { throw Failure("\(right) differs from \(left).") }
        }
    }

    private static func kind(of path: String) throws -> String {
        let type = try FileManager.default.attributesOfItem(atPath: path)[.type] as? FileAttributeType
        switch type {
        case .typeDirectory?: return "folder"
        case .typeSymbolicLink?: return "symlink"
        case .typeRegular?: return "file"
        default: throw Failure("\(path) is neither file, folder nor symlink.")
        }
    }
}
