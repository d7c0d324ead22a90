package import Multiformats

/// A name that only the holder of a key can point somewhere: `/ipns/k51...`.
///
/// It is the PeerID of the key; the DHT keeps its record under `recordKey`.
/// Source: https://specs.ipfs.tech/ipns/ipns-record/#ipns-name
package struct IPNSName: Hashable, Sendable {
    package let peer: PeerID

    package init(_ peer: PeerID) { self.peer = peer }

    /// Parses a CID of codec libp2p-key in any base (`k51...`, `bafz...`) or base58 (`12D3KooW...`, `Qm...`),
    /// with or without `/ipns/` before it.
    ///
    /// Errors: anything else, a path behind the name and names of DNS included.
    package init(_ text: String) throws(MultiformatError) {
        let name = text.hasPrefix("/ipns/") ? String(text.dropFirst(6)) : text
        // Longer than any name; bounds the work of the number bases.
        guard name.utf8.count <= 200 else { throw .invalidLength }
        peer = try PeerID(name)
    }

    /// Reads the name out of a record's key; `nil` when that is no `/ipns/` key.
    package init?(recordKey: [UInt8]) {
        guard recordKey.starts(with: Self.prefix), recordKey.count <= 128,
            let peer = try? PeerID(Array(recordKey.dropFirst(Self.prefix.count)))
        else { return nil }
        self.peer = peer
    }

    /// What the DHT calls the record: `/ipns/` and the bare multihash, in bytes.
    package var recordKey: [UInt8] { Self.prefix + peer.bytes }

    /// `/ipns/k51...`.
    package var path: String { "/ipns/" + description }

    static let prefix = Array("/ipns/".utf8)
}

extension IPNSName: CustomStringConvertible {
    /// The form that everyone shows: a CID in base36.
    package var description: String { peer.cid.text(in: .base36) }
}

extension IPNSName: Comparable {
    package static func < (left: IPNSName, right: IPNSName) -> Bool { left.peer < right.peer }
}
