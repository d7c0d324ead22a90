/// Who knows whom when a testnet starts.
package enum Topology: String, CaseIterable, Sendable {
    /// Every node knows the first one, from its configuration, and finds the others by itself.
    case bootstrap
    case line, ring, star, full, none

    /// Who is told to dial whom among `count` nodes.
    package func links(_ count: Int) -> [(from: Int, to: Int)] {
        switch self {
        case .bootstrap, .none: []
        case .line: (1..<max(1, count)).map { ($0, $0 - 1) }
        case .ring: (1..<max(1, count)).map { ($0, $0 - 1) } + (count > 2 ? [(0, count - 1)] : [])
        case .star: (1..<max(1, count)).map { ($0, 0) }
        case .full: (0..<count).flatMap { from in (0..<from).map { (from, $0) } }
        }
    }
}
