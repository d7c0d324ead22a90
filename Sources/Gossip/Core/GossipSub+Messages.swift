import Multiformats
import NIOCore
import SansIO

// Messages: from a frame to the validator, and from there to the application and to the mesh.

extension GossipSub {
    mutating func received(_ rpc: GossipRPC, from id: PeerID, now: Instant, into effects: inout [Effect]) {
        guard let slot = slots[id] else {
            statistics.framesRefused &+= 1
            return
        }
        statistics.framesReceived &+= 1
        for subscription in rpc.subscriptions { noteSubscription(subscription, of: slot) }
        guard isHeeded(slot, into: &effects) else {
            statistics.framesRefused &+= 1
            return
        }
        if !rpc.messages.isEmpty { receive(rpc.messages, from: slot, now: now, into: &effects) }
        if peers[slot].usesMesh { control(rpc, from: slot, now: now, into: &effects) }
    }

    /// Whether a peer's frames count; tells the shell when that ends.
    private mutating func isHeeded(_ slot: Int, into effects: inout [Effect]) -> Bool {
        guard let thresholds, !peers[slot].isDirect else { return true }
        let score = score(slot)
        guard score < thresholds.graylist else {
            peers[slot].isGraylisted = false
            return true
        }
        if !peers[slot].isGraylisted {
            peers[slot].isGraylisted = true
            effects.append(.graylisted(peers[slot].id, score: score))
        }
        return false
    }

    private mutating func receive(
        _ messages: [GossipMessage], from slot: Int, now: Instant, into effects: inout [Effect]
    ) {
        var announced: [(place: Int, id: MessageID)] = []
        for message in messages {
            statistics.messagesReceived &+= 1
            guard let place = places[message.topic], topics[place]?.isSubscribed == true,
                let id = receive(message, in: place, from: slot, now: now, into: &effects)
            else { continue }
            if message.dataLength >= configuration.idontwantThreshold { announced.append((place, id)) }
        }
        if !announced.isEmpty { announce(announced, except: slot, into: &effects) }
    }

    /// The message's id, if it is new and goes to the validator.
    private mutating func receive(
        _ message: GossipMessage, in place: Int, from slot: Int, now: Instant, into effects: inout [Effect]
    ) -> MessageID? {
        guard let settings = topics[place]?.settings else { return nil }
        let scored = topics[place]?.scored
        let peer = reference(slot)
        guard message.dataLength <= settings.dataBytes, (try? message.check(settings.policy)) != nil else {
            statistics.malformed &+= 1
            if let scored { scores?.deliveredInvalid(slot, topic: scored) }
            return nil
        }
        let isAnonymous = settings.policy == .strictNoSign
        if !isAnonymous, message.from == ownBytes {
            statistics.own &+= 1
            return nil
        }
        let id = settings.identifier.id(of: message)
        guard (1...MessageID.maximumLength).contains(id.count) else { return nil }
        promises.fulfil(id)
        if let outcome = seen.touch(id, now: now) {
            duplicate(id, outcome, of: slot, scored: scored, now: now)
            return nil
        }
        switch waiting.compare(message, id, isAnonymous: isAnonymous, from: peer) {
        case .none: break
        case .rivals(let count) where count < configuration.waitingRivals: break
        case .same, .contradiction, .rivals:
            statistics.duplicates &+= 1
            return nil
        }
        if settings.numbersGrow, !isAnonymous, let author = message.author, let number = message.sequence,
            !sequences.allows(number, of: author, now: now)
        {
            statistics.replays &+= 1
            return nil
        }
        guard waiting.count < configuration.waiting, waiting.bytes < configuration.waitingBytes,
            peers[slot].waiting < configuration.waitingPerPeer
        else {
            statistics.throttled &+= 1
            return nil
        }
        guard let topic = topics[place]?.topic else { return nil }
        let (copy, frame) = message.framed()
        let validation = waiting.add(
            WaitingMessages.Entry(
                id: id, message: copy, frame: frame, place: place, topic: topic, first: peer,
                firstID: peers[slot].id, since: now))
        peers[slot].waiting += 1
        effects.append(.validate(validation, copy, id: id, from: peers[slot].id))
        return id
    }

    private mutating func duplicate(
        _ id: MessageID, _ outcome: SeenMessages.Outcome, of slot: Int, scored: Int?, now: Instant
    ) {
        statistics.duplicates &+= 1
        if !pausing.isEmpty {
            // Whoever sends it has it, and need not say so.
            let end = ticks &+ configuration.idontwantTicks
            peers[slot].unwanted.insert(id, until: end, capacity: configuration.unwantedPerPeer)
        }
        guard scores != nil, let scored else { return }
        switch outcome {
        case .rejected: scores?.deliveredInvalid(slot, topic: scored)
        case .ignored: break
        case .accepted:
            guard let delay = deliveries.duplicate(id, by: reference(slot), now: now), let scores,
                delay <= scores.topics[scored].meshDeliveriesWindow
            else { return }
            self.scores?.deliveredInMesh(slot, topic: scored)
        }
    }

    /// Tells the mesh that it need not send what has just come: before validation, for time is what it saves.
    private func announce(
        _ announced: [(place: Int, id: MessageID)], except source: Int, into effects: inout [Effect]
    ) {
        var rest = announced[...]
        while let place = rest.first?.place {
            // One list for a topic; a peer heeds only so many ids of a frame.
            var rpc = GossipRPC()
            while rpc.idontwant.count < configuration.idontwantIDs, let next = rest.first, next.place == place {
                rpc.idontwant.append(next.id)
                rest = rest.dropFirst()
            }
            guard let bytes = rpc.frames(limit: configuration.frameBytes).first, let mesh = topics[place]?.peers else {
                return
            }
            let frame = GossipFrame(bytes, .gossip)
            for slot in mesh where slot != source && peers[slot].version >= .v1_2 {
                effects.append(.send(frame, to: peers[slot].id))
            }
        }
    }

    // MARK: Verdicts

    mutating func validated(
        _ validation: ValidationID, _ verdict: GossipVerdict, now: Instant, into effects: inout [Effect]
    ) {
        guard let entry = waiting.remove(validation) else { return }
        release(entry)
        guard verdict != .invalidSignature else {
            statistics.invalidSignatures &+= 1
            blame(entry, now: now)
            return
        }
        // Of several under one id only one can be true, and this one's signature was.
        for rival in waiting.removeAll(entry.id) { release(rival) }
        switch verdict {
        case .accept: accepted(entry, now: now, into: &effects)
        case .ignore:
            statistics.ignored &+= 1
            seen.insert(entry.id, .ignored, now: now)
        case .reject, .invalidSignature:
            statistics.rejected &+= 1
            seen.insert(entry.id, .rejected, now: now)
            blame(entry, now: now)
        }
    }

    func scoredNumber(_ entry: WaitingMessages.Entry) -> Int? { scores == nil ? nil : scoredTopics[entry.topic] }

    private mutating func release(_ entry: WaitingMessages.Entry) {
        if let slot = slot(entry.first) { peers[slot].waiting -= 1 }
    }

    private mutating func blame(_ entry: WaitingMessages.Entry, now: Instant) {
        guard let scored = scoredNumber(entry) else { return }
        if let slot = slot(entry.first) {
            scores?.deliveredInvalid(slot, topic: scored)
        } else {
            scores?.deliveredInvalid(entry.firstID, topic: scored, now: now)
        }
        for reference in entry.others {
            if let slot = slot(reference) { scores?.deliveredInvalid(slot, topic: scored) }
        }
    }

    private mutating func accepted(_ entry: WaitingMessages.Entry, now: Instant, into effects: inout [Effect]) {
        if let mesh = topics[entry.place], mesh.topic == entry.topic, mesh.settings.policy == .strictSign,
            mesh.settings.numbersGrow, let author = entry.message.author, let number = entry.message.sequence
        {
            guard sequences.advance(author, to: number, now: now) else {
                statistics.replays &+= 1
                seen.insert(entry.id, .ignored, now: now)
                return
            }
            effects.append(.storeSequence(author: author, number: number))
        }
        seen.insert(entry.id, .accepted, now: now)
        if let scored = scoredNumber(entry) {
            scores?.delivered(topic: scored)
            if let slot = slot(entry.first) { scores?.deliveredFirst(slot, topic: scored, now: now) }
            for reference in entry.others {
                if let slot = slot(reference) { scores?.deliveredInMesh(slot, topic: scored) }
            }
            deliveries.accepted(entry.id, by: [entry.first] + entry.others, now: now)
        }
        // The topic may have been left while the message waited.
        guard topics[entry.place]?.topic == entry.topic, topics[entry.place]?.isSubscribed == true else { return }
        statistics.delivered &+= 1
        cache.put(entry.id, frame: entry.frame, topic: entry.topic)
        forward(entry, now: now, into: &effects)
        effects.append(.deliver(entry.message, id: entry.id, from: entry.firstID))
    }

    /// Sends a message on: to the mesh, and not to those that have it.
    private mutating func forward(_ entry: WaitingMessages.Entry, now: Instant, into effects: inout [Effect]) {
        guard let mesh = topics[entry.place]?.peers, let eager = topics[entry.place]?.eager else { return }
        let frame = GossipFrame(entry.frame, .message)
        let author = entry.message.author
        if entry.message.dataLength >= configuration.idontwantThreshold, mesh.count > configuration.forwardAtOnce,
            configuration.forwardPause > .zero, pausing.count < configuration.pausing
        {
            forwardPartly(frame, entry, author, mesh, now: now, into: &effects)
        } else {
            for slot in mesh where needs(entry, author, slot) { forward(frame, to: slot, into: &effects) }
        }
        guard !eager.isEmpty else { return }
        let least = thresholds?.publish ?? 0
        for slot in eager where !mesh.contains(slot) && (peers[slot].isDirect || score(slot) >= least) {
            if needs(entry, author, slot) { forward(frame, to: slot, into: &effects) }
        }
    }

    /// To some at once, to the others after a pause. Chance says which, so that no peer can count on being late.
    private mutating func forwardPartly(
        _ frame: GossipFrame, _ entry: WaitingMessages.Entry, _ author: PeerID?, _ mesh: PeerSet, now: Instant,
        into effects: inout [Effect]
    ) {
        var targets: [Int] = []
        targets.reserveCapacity(mesh.count)
        for slot in mesh where needs(entry, author, slot) { targets.append(slot) }
        guard !targets.isEmpty else { return }
        var room = configuration.forwardAtOnce
        var later: [PeerReference] = []
        let start = Int(luck.next() % UInt64(targets.count))
        for index in targets.indices {
            let slot = targets[(start + index) % targets.count]
            if peers[slot].version < .v1_2 {
                forward(frame, to: slot, into: &effects)
            } else if room > 0 {
                room -= 1
                forward(frame, to: slot, into: &effects)
            } else {
                later.append(reference(slot))
            }
        }
        guard !later.isEmpty else { return }
        let due = now + configuration.forwardPause
        pausing.add(PausingForwards.Entry(id: entry.id, frame: entry.frame, peers: later, due: due))
    }

    /// The pause of some messages is over.
    mutating func forwardPausing(now: Instant, into effects: inout [Effect]) {
        while let entry = pausing.popDue(now) {
            for reference in entry.peers {
                guard let slot = slot(reference) else { continue }
                if peers[slot].unwanted.contains(entry.id) {
                    statistics.saved &+= 1
                } else {
                    forward(GossipFrame(entry.frame, .message), to: slot, into: &effects)
                }
            }
        }
    }

    /// Whether a peer may not have the message yet.
    private mutating func needs(_ entry: WaitingMessages.Entry, _ author: PeerID?, _ slot: Int) -> Bool {
        let reference = reference(slot)
        if reference == entry.first || entry.others.contains(reference) { return false }
        if let author, peers[slot].id == author { return false }
        guard peers[slot].unwanted.contains(entry.id) else { return true }
        statistics.saved &+= 1
        return false
    }

    private mutating func forward(_ frame: GossipFrame, to slot: Int, into effects: inout [Effect]) {
        statistics.forwarded &+= 1
        effects.append(.send(frame, to: peers[slot].id))
    }

    /// Gives up what nobody has answered for.
    mutating func expireWaiting(now: Instant) {
        // Saturating arithmetic: at the very start nothing is older than the start.
        while let overdue = waiting.overdue(before: now + (.zero - configuration.validationLimit)),
            let entry = waiting.remove(overdue)
        {
            statistics.unanswered &+= 1
            release(entry)
        }
    }
}
