import Multiformats
package import NIOCore

extension KadMessage {
    /// The message in at most `room` bytes, for datagrams: peers in their order, with one address of each family
    /// and without what is said of connections.
    ///
    /// Providers and closer peers take turns, so that many of the one leave room for the other; `dropping` of
    /// them, in that order, were sent before. `isWhole` is false when something had to stay out: the record, or
    /// peers at the end.
    package func encode(fitting room: Int, dropping: Int = 0) -> (bytes: ByteBuffer, isWhole: Bool) {
        var writer = ProtobufWriter(capacity: min(room, 1200))
        var isWhole = true
        writeHead(to: &writer, withRecord: false)
        if record != nil {
            var withRecord = ProtobufWriter(capacity: min(room, 1200))
            writeHead(to: &withRecord)
            if withRecord.buffer.readableBytes <= room { writer = withRecord } else { isWhole = false }
        }
        for (position, entry) in turns.enumerated() where position >= dropping {
            var one = ProtobufWriter(capacity: 96)
            one.message(entry.field) { entry.peer.encodeBriefly(to: &$0) }
            guard writer.buffer.readableBytes + one.buffer.readableBytes <= room else { return (writer.buffer, false) }
            writer.append(one)
        }
        return (writer.buffer, isWhole)
    }

    /// How many peers of the order of `encode(fitting:dropping:)` an answer that was sent so has.
    package var peerCount: Int { closerPeers.count + providerPeers.count }

    private var turns: [(field: Int, peer: KadPeer)] {
        var result: [(field: Int, peer: KadPeer)] = []
        let providers = providerPeers.prefix(Limits.peers)
        let closer = closerPeers.prefix(Limits.peers)
        result.reserveCapacity(providers.count + closer.count)
        for index in 0..<max(providers.count, closer.count) {
            if index < providers.count { result.append((9, providers[index])) }
            if index < closer.count { result.append((8, closer[index])) }
        }
        return result
    }
}

extension KadPeer {
    /// One address for IPv4 and one for IPv6, plain UDP before plain TCP before others; one of another kind only
    /// when there is neither.
    fileprivate func encodeBriefly(to writer: inout ProtobufWriter) {
        var best: [(rank: Int, address: Multiaddr)?] = [nil, nil, nil]
        for address in addresses {
            let family = address.bytes.first == 4 ? 0 : address.bytes.first == 41 ? 1 : 2
            let rank = address.briefRank
            if let known = best[family], known.rank <= rank { continue }
            best[family] = (rank, address)
        }
        let chosen = [best[0], best[1]].compactMap { $0?.address }
        let rest = best[2].map { [$0.address] } ?? []
        encode((chosen.isEmpty ? rest : chosen)[...], connection: .notConnected, to: &writer)
    }
}

extension Multiaddr {
    /// 0 for IP and UDP alone, 1 for IP and TCP alone, 2 for everything else.
    fileprivate var briefRank: Int {
        let start = bytes.first == 4 ? 5 : bytes.first == 41 ? 17 : bytes.count
        let rest = bytes.dropFirst(start)
        if rest.count == 4, rest.starts(with: [0x91, 0x02]) { return 0 }
        return rest.count == 3 && rest.first == 6 ? 1 : 2
    }
}
