/// A version of the Bitswap protocol, as multistream-select negotiates it.
///
/// Ordered from oldest to newest. Source: https://specs.ipfs.tech/bitswap-protocol
package enum BitswapVersion: Int, Hashable, Sendable, Comparable, CaseIterable {
    /// The protocol before it had a number; it behaves as 1.0.
    case unversioned
    /// Blocks without a prefix, so version 0 CIDs only.
    case v1_0
    /// Blocks with a CID prefix.
    case v1_1
    /// HAVE and DONT_HAVE.
    case v1_2

    /// The protocol's name on the wire.
    package var protocolID: String {
        switch self {
        case .unversioned: "/ipfs/bitswap"
        case .v1_0: "/ipfs/bitswap/1.0.0"
        case .v1_1: "/ipfs/bitswap/1.1.0"
        case .v1_2: "/ipfs/bitswap/1.2.0"
        }
    }

    /// All names in the order in which they are proposed, newest first.
    package static let protocolIDs = allCases.reversed().map(\.protocolID)

    /// The version of that name; `nil` when it is none of ours.
    package init?(protocolID: String) {
        guard let match = Self.allCases.first(where: { $0.protocolID == protocolID }) else { return nil }
        self = match
    }

    /// Whether the peer understands WANT-HAVE and answers HAVE and DONT_HAVE.
    package var hasPresences: Bool { self >= .v1_2 }

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
