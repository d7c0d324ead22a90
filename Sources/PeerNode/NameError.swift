/// Why a name could not be published or resolved.
package enum NameError: Error, Hashable, Sendable {
    case badName(String)
    case badPath(String)
    case badLifetime
    /// What the name points to is no path.
    case badValue(String)
    case notFound(String)
    case offline(String)
    case tooDeep(String)
    /// None of so many peers took the record.
    case notStored(String, of: Int)
}

extension NameError: CustomStringConvertible {
    /// What is wrong and what to do, in words for a user.
    package var description: String {
        switch self {
        case .badName(let text): "'\(text)' is no name of a key: names look like k51..."
        case .badPath(let text): "'\(text)' is no path that a name can point to: write /ipfs/CID or /ipns/NAME"
        case .badLifetime: "a name must hold for some time: give a lifetime above zero"
        case .badValue(let name): "what \(name) points to is no path"
        case .notFound(let name): "could not resolve \(name): no peer has a valid record of it"
        case .offline(let name): "could not resolve \(name): nothing is known of it here, and the node is offline"
        case .tooDeep(let name): "\(name) leads to more than \(NameService.maximumDepth) other names"
        case .notStored(let name, let count):
            "\(name) is published here only: none of \(count) peers took the record; it is tried again every 5 minutes"
        }
    }
}
