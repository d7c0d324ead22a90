import Gossip
import Logging
import Multiformats
import NIOCore
import NIOPosix
import PeerCrypto
import SansIO
import Transport

// Who is there, and the streams with them.
extension GossipService {
    /// Streams that one peer may open for each protocol; all but the last are reset, so this only bounds how many are
    /// on their way.
    static let inboundStreamsPerPeer = 4
    /// How long a dial may take.
    static let dialPatience = Duration.seconds(30)
    /// What may wait for one peer, in bytes: for all peers together, for one at most and at least.
    private static let roomForAll = 96 << 20
    private static let mostRoom = 8 << 20
    private static let leastRoom = 2 << 20
    /// Hints that may wait to be verified.
    private static let mostHints = 128

    // MARK: Peers come and go

    func followed(_ event: HostEvent) {
        guard !stopped else { return }
        switch event {
        case .identified(let connection, let protocols): speaks(connection.remotePeer, protocols)
        case .protocolsChanged(let peer, let protocols): speaks(peer, protocols)
        case .disconnected(let connection, isLast: true):
            // It may be back already.
            if host.connection(to: connection.remotePeer) == nil { drop(connection.remotePeer) }
        case .connected, .disconnected, .identifyFailed, .addressesChanged: break
        }
    }

    private func speaks(_ peer: PeerID, _ protocols: [String]) {
        if let version = protocols.compactMap({ GossipVersion(protocolID: $0) }).max() {
            if links[peer]?.outbound == nil { meet(peer, version) }
            // What goes into a PRUNE for others.
            if links[peer] != nil, let record = host.peerStore.record(of: peer) {
                feed(.peerRecord(peer, ByteBuffer(bytes: record)))
            }
        } else if let link = links[peer], link.inbound == nil {
            // It has switched gossip off.
            drop(peer)
        }
    }

    /// Begins to write to a peer, and tells the core.
    private func meet(_ peer: PeerID, _ version: GossipVersion) {
        guard let connection = host.connection(to: peer) else { return }
        let link = links[peer] ?? GossipLink(peer: peer, version: version)
        link.version = version
        links[peer] = link
        openStream(of: link, on: connection)
        connected(link, over: connection)
    }

    private func connected(_ link: GossipLink, over connection: Connection) {
        feed(
            .connected(
                link.peer, link.version, isOutbound: !connection.isInbound,
                ipGroup: connection.remoteAddress.gossipGroup))
    }

    /// Forgets a peer; both streams end.
    private func drop(_ peer: PeerID) {
        guard let link = links.removeValue(forKey: peer) else { return }
        stalled.remove(peer)
        link.close()
        feed(.disconnected(peer))
    }

    // MARK: The stream that we write on

    private func openStream(of link: GossipLink, on connection: Connection) {
        let stream = host.openStream(on: connection, protocols: GossipVersion.offered.map(\.protocolID)) {
            [weak self] _ in
            GossipWriter { [weak self] news, stream in self?.onControl { $0.heard(news, on: stream) } }
        }
        link.write(on: stream)
    }

    private func heard(_ news: GossipWriter.News, on stream: PeerStream) {
        guard !stopped, let link = links[stream.peer], link.outbound === stream else { return }
        switch news {
        case .opened(let protocolID):
            // Where identify has not told, the peer's own choice shows what it speaks.
            guard let version = GossipVersion(protocolID: protocolID), version != link.version else { return }
            link.version = version
            connected(link, over: stream.connection)
        case .failed(let error):
            let isNew = error == .connectionClosed && host.connection(to: stream.peer) !== stream.connection
            guard isNew || link.mayReopen(now: ControlPlane.now), let connection = host.connection(to: stream.peer)
            else { return drop(stream.peer) }
            openStream(of: link, on: connection)
            // The peer gets our subscriptions again: what it had heard may have died with the stream.
            connected(link, over: connection)
        }
    }

    func write(_ frame: GossipFrame, to peer: PeerID) {
        guard let link = links[peer] else { return }
        let room = min(Self.mostRoom, max(Self.leastRoom, Self.roomForAll / max(1, links.count)))
        switch link.write(frame, room: room) {
        case .written: break
        case .dropped: losses.count(frame.kind)
        case .overflow:
            losses.count(frame.kind)
            logger.debug("does not read", metadata: ["peer": "\(peer.short)"])
            host.disconnect(peer)
        }
    }

    // MARK: The stream that we read

    nonisolated func reader(_ version: GossipVersion) -> GossipReader {
        GossipReader(budget: budget) { [weak self] news, stream in
            self?.onControl { $0.heard(news, version, from: stream) }
        }
    }

    private func heard(_ news: GossipReader.News, _ version: GossipVersion, from stream: PeerStream) {
        guard !stopped else { return }
        let peer = stream.peer
        switch news {
        case .opened:
            // Its stream may be here before identify has told what it speaks.
            if links[peer] == nil { meet(peer, version) }
            guard let link = links[peer] else { return stream.reset() }
            link.read(from: stream)
        case .frames(let frames, let bytes):
            guard let link = links[peer], link.inbound === stream else { return }
            link.unread.append(frames, bytes: bytes, on: stream)
            read(link)
        case .ended: links[peer]?.inboundEnded(stream)
        }
    }

    /// Hands a peer's frames to the core, as long as not too many of its messages wait for their validation.
    ///
    /// A burst is faster than signatures are checked. What the core has no room for is lost, as nobody in the mesh
    /// tells of it again; so the rest waits here, uncredited, and the peer for it.
    private func read(_ link: GossipLink) {
        let most = configuration.waitingPerPeer / 2
        while driver.core.messagesWaiting(of: link.peer) < most {
            guard let next = link.unread.popFirst() else {
                stalled.remove(link.peer)
                return
            }
            feed(.received(next.frame, from: link.peer))
            if next.credit > 0 { next.stream.consumed(next.credit) }
        }
        if !link.unread.isEmpty { stalled.insert(link.peer) }
    }

    /// Goes on with those who had to wait.
    func readOn() {
        for peer in stalled {
            if let link = links[peer] { read(link) } else { stalled.remove(peer) }
        }
    }

    // MARK: Peer exchange

    /// Connects to peers that another has named, as far as their own signed records say where they are.
    func follow(_ hints: [PeerHint], of source: PeerID) {
        guard let address = host.connection(to: source)?.remoteAddress else { return }
        let room = Self.mostHints - hintsUnderWay
        let chosen = Array(hints.prefix(room))
        guard !chosen.isEmpty else { return }
        hintsUnderWay += chosen.count
        plane.pool.submit { _ in
            let found = chosen.compactMap { hint -> (peer: PeerID, addresses: [Multiaddr])? in
                guard let record = hint.record, let peer = try? PeerID(Array(hint.peer.readableBytesView)),
                    let record = try? PeerRecord(verifying: record, about: peer)
                else { return nil }
                let addresses = record.addresses.prefix(32).compactMap { try? Multiaddr($0) }
                return (peer, AddressPolicy.credible(addresses, toldFrom: address))
            }
            self.onControl { service in
                service.hintsUnderWay -= chosen.count
                for (peer, addresses) in found { service.dial(peer, addresses) }
            }
        }
    }

    private func dial(_ peer: PeerID, _ addresses: [Multiaddr]) {
        guard !stopped, peer != host.peerID, !addresses.isEmpty, !host.isConnected(to: peer) else { return }
        // Identify makes it known to the core.
        _ = dials.connect(to: peer, addresses, patience: Self.dialPatience) { _ in }
    }
}

extension Multiaddr {
    /// What stands for a public address when peers with the same one are counted: an IPv4 address, or an IPv6 /64,
    /// which is one network. Nil for all others.
    fileprivate var gossipGroup: UInt64? {
        guard isPublic, let bytes = ipAddress else { return nil }
        return bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }
}
