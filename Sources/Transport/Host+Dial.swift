package import Multiformats
import NIOCore
import NIOPosix
import SansIO
import Synchronization

// Dialling: the driver of the Dialer.
extension Host {
    /// Connects to the peer that `address` ends in. `isForced` tries it even if it failed a moment ago.
    package func connect(_ address: Multiaddr, isForced: Bool = true) async throws -> Connection {
        guard let peer = address.peerID else { throw ConnectionError.noAddress }
        return try await connect(to: peer, addresses: [address], isForced: isForced)
    }

    /// The connection to `peer`, made if there is none, over `addresses` and those the peer store knows.
    ///
    /// Callers that ask for one peer at the same time share one dial. Throws `ConnectionError`.
    package func connect(
        to peer: PeerID, addresses: [Multiaddr] = [], isForced: Bool = false
    ) async throws -> Connection {
        if let connection = connection(to: peer) { return connection }
        guard peer != peerID else { throw ConnectionError.isSelf }
        let addresses = await configuration.names.expand(addresses, of: peer)
        let known = peerStore.addresses(of: peer, now: now)
        let promise = home.makePromise(of: Connection.self)
        let effects: [Dialer.Effect]? = state.withLock { state in
            if let connection = state.connections[peer]?.first(where: { !$0.isClosing }) {
                promise.succeed(connection)
                return nil
            }
            guard !state.isClosing else {
                promise.fail(ConnectionError.shuttingDown)
                return nil
            }
            state.waiters[peer, default: []].append(promise)
            var effects: [Dialer.Effect] = []
            state.dialer.handle(
                .dial(peer, addresses: addresses + known, isForced: isForced), now: now, into: &effects)
            return effects
        }
        if let effects { perform(effects) }
        return try await withTaskCancellationHandler {
            try await promise.futureResult.get()
        } onCancel: {
            promise.fail(CancellationError())
        }
    }

    /// Does what the dialer says, outside the lock, and sets its timer.
    func perform(_ effects: [Dialer.Effect]) {
        for effect in effects {
            switch effect {
            case .attempt(let attempt, let peer, let address): attemptDial(attempt, peer, address)
            case .cancel(let attempt):
                state.withLock { $0.attempts.removeValue(forKey: attempt) }?.close(promise: nil)
            case .failed(let peer, let error):
                let waiters = state.withLock { $0.waiters.removeValue(forKey: peer) } ?? []
                for waiter in waiters { waiter.fail(error) }
            }
        }
        setDialTimer()
    }

    private func tell(_ input: Dialer.Input) {
        let effects: [Dialer.Effect] = state.withLock { state in
            var effects: [Dialer.Effect] = []
            state.dialer.handle(input, now: now, into: &effects)
            return effects
        }
        perform(effects)
    }

    private func setDialTimer() {
        state.withLock { state in
            guard let deadline = state.dialer.deadline, !state.isClosing else {
                state.dialTimer?.task.cancel()
                state.dialTimer = nil
                return
            }
            if let current = state.dialTimer, current.deadline <= deadline { return }
            state.dialTimer?.task.cancel()
            let task = home.scheduleTask(deadline: .uptimeNanoseconds(deadline.nanoseconds)) { [weak self] () -> Void in
                self?.dialTimerFired()
            }
            state.dialTimer = (deadline, task)
        }
    }

    private func dialTimerFired() {
        let effects: [Dialer.Effect] = state.withLock { state in
            state.dialTimer = nil
            var effects: [Dialer.Effect] = []
            state.dialer.tick(now: now, into: &effects)
            return effects
        }
        perform(effects)
    }

    private func attemptDial(_ attempt: UInt64, _ peer: PeerID, _ address: Multiaddr) {
        guard let (host, port) = address.tcp else { return tell(.attemptFailed(attempt, .noAddress)) }
        let target = try? SocketAddress(ipAddress: host, port: Int(port))
        let id = makeID()
        let admission = state.withLock { state in
            let admission = state.manager.admitOutbound(id, now: now)
            if case .acceptDropping(let victim) = admission {
                return (admission, state.pending[victim] ?? state.channel(of: victim))
            }
            return (admission, nil)
        }
        admission.1?.close(promise: nil)
        if case .refuse(let reason) = admission.0 { return tell(.attemptFailed(attempt, .limit(reason))) }
        let limits = limits
        let bootstrap = ClientBootstrap(group: group.next())
            .connectTimeout(TimeAmount(limits.connectTimeout))
            .channelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    if let options = channel.syncOptions { try Self.configure(options, limits: limits) }
                    state.withLock { state in
                        state.pending[id] = channel
                        state.attempts[attempt] = channel
                    }
                    try prepare(channel, id: id, isDialer: true, expecting: peer, remote: address) { [self] result in
                        _ = state.withLock { $0.attempts.removeValue(forKey: attempt) }
                        switch result {
                        case .success: tell(.attemptSucceeded(attempt))
                        case .failure(let error): tell(.attemptFailed(attempt, error))
                        }
                    }
                }
            }
        // A name is looked up by NIO, which tries what it finds in the order of RFC 8305.
        let connecting = target.map(bootstrap.connect(to:)) ?? bootstrap.connect(host: host, port: Int(port))
        connecting.whenFailure { [self] error in
            state.withLock { state in
                state.manager.closed(id)
                state.pending[id] = nil
                state.attempts[attempt] = nil
            }
            tell(.attemptFailed(attempt, ConnectionError(error)))
        }
    }
}

extension Host.State {
    /// The channel of an established connection.
    func channel(of id: UInt64) -> (any Channel)? {
        connections.values.lazy.flatMap { $0 }.first { $0.id == id }?.channel
    }
}
