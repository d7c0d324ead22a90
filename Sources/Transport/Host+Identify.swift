import Multiformats
import NIOCore
import PeerCrypto
import SansIO
import Synchronization

// Who we are, told and asked on every connection.
extension Host {
    func addOwnProtocols() {
        registry.add(Identify.protocolID, maximumPerPeer: 4) { [weak self] stream in
            IdentifySender(self?.identify(for: stream.connection) ?? Identify())
        }
        registry.add(Identify.pushProtocolID, maximumPerPeer: 2) { [weak self] stream in
            let connection = stream.connection
            // Every push costs a signature check.
            guard let self, connection.pushes.take(now: now) else {
                stream.reset()
                return nil
            }
            return IdentifyReceiver { [weak self] in
                if let message = $0 { self?.take(message, from: connection, isPush: true) }
            }
        }
        registry.add(Ping.protocolID, maximumPerPeer: 2) { _ in PingResponder() }
    }

    /// What we say of ourselves to the peer of `connection`.
    private func identify(for connection: Connection) -> Identify {
        let useful = AddressPolicy.useful(addresses, to: connection.remoteAddress)
        var message = Identify()
        message.publicKey = configuration.identity.publicKey.protobuf
        message.listenAddresses = useful
        message.protocols = registry.protocols
        message.observedAddress = connection.remoteAddress
        message.protocolVersion = configuration.protocolVersion
        message.agentVersion = configuration.agentVersion
        message.signedPeerRecord = ByteBuffer(bytes: record(of: useful))
        return message
    }

    /// The signed record of these of our addresses; one for as long as they do not change.
    private func record(of addresses: [Multiaddr]) -> [UInt8] {
        if let known = state.withLock({ $0.records[addresses] }) { return known }
        let record = PeerRecord(
            peerID: peerID, sequence: WallClock.nanoseconds(), addresses: addresses.map(\.bytes))
        let bytes = record.signed(by: configuration.identity).bytes
        state.withLock { state in
            if state.advertised.count >= addresses.count { state.records[addresses] = bytes }
        }
        return bytes
    }

    /// Asks the peer of a new connection who it is.
    func identify(_ connection: Connection) {
        connection.openStream([Identify.protocolID], lazily: true) { [weak self] _ in
            IdentifyReceiver { [weak self] in
                if let message = $0 {
                    self?.take(message, from: connection, isPush: false)
                } else {
                    self?.emit(.identifyFailed(connection))
                }
            }
        }
    }

    private func take(_ message: Identify, from connection: Connection, isPush: Bool) {
        let peer = connection.remotePeer
        if let key = message.publicKey, key != connection.remoteKey.protobuf {
            logRefusal(peer: peer, address: connection.remoteAddress, reason: "identify-key")
            if !isPush { emit(.identifyFailed(connection)) }
            return
        }
        let hasChanged = peerStore.identified(
            peer, protocols: message.protocols, agentVersion: message.agentVersion,
            protocolVersion: message.protocolVersion, key: message.publicKey, now: now)
        takeAddresses(message, from: connection)
        if let observed = message.observedAddress { self.observed(observed, by: connection) }
        let protocols = peerStore.protocols(of: peer) ?? []
        if isPush {
            if hasChanged { emit(.protocolsChanged(peer, protocols: protocols)) }
        } else {
            emit(.identified(connection, protocols: protocols))
        }
    }

    private func takeAddresses(_ message: Identify, from connection: Connection) {
        let peer = connection.remotePeer
        if let envelope = message.signedPeerRecord, let record = try? PeerRecord(verifying: envelope, about: peer) {
            let told = record.addresses.prefix(limits.addressesPerPeer).compactMap { try? Multiaddr($0) }
            peerStore.add(
                record: Array(envelope.readableBytesView), sequence: record.sequence,
                addresses: AddressPolicy.credible(told, toldFrom: connection.remoteAddress), of: peer,
                for: PeerStore.Lifetime.learned, now: now)
        } else {
            peerStore.add(
                AddressPolicy.credible(message.listenAddresses, toldFrom: connection.remoteAddress), of: peer,
                for: PeerStore.Lifetime.learned, now: now)
        }
    }

    // MARK: Push

    /// Tells every peer what changed, a moment later, so that several changes make one message.
    func schedulePush() {
        state.withLock { state in
            guard state.pushTimer == nil, !state.isClosing, !state.connections.isEmpty else { return }
            state.pushTimer = home.scheduleTask(in: .milliseconds(100)) { [weak self] () -> Void in self?.push() }
        }
    }

    private func push() {
        let connections = state.withLock { state in
            state.pushTimer = nil
            return state.connections.values.compactMap { $0.first { !$0.isClosing } }
        }
        for connection in connections {
            guard peerStore.protocols(of: connection.remotePeer)?.contains(Identify.pushProtocolID) == true else {
                continue
            }
            connection.openStream([Identify.pushProtocolID], lazily: true) { [weak self] stream in
                IdentifySender(self?.identify(for: connection) ?? Identify())
            }
        }
    }
}
