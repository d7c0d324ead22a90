import NIOCore

/// Reads one frame; see `GossipRPC.init(decoding:limits:)`.
struct GossipRPCDecoder {
    private(set) var rpc = GossipRPC()
    private let payload: ByteBuffer
    private let limits: GossipRPC.Limits
    private var budget: Int
    private var ihaveIDs = 0

    init(_ payload: ByteBuffer, _ limits: GossipRPC.Limits) {
        self.payload = payload
        self.limits = limits
        budget = limits.elements
    }

    mutating func decode(_ bytes: Span<UInt8>) throws(GossipRPCError) {
        var scanner = WireScanner(0..<bytes.count)
        while let field = try scanner.next(bytes, budget: &budget) {
            switch field.number {
            case 1: try subscription(bytes, try field.bytes())
            case 2: try message(bytes, try field.bytes())
            case 3: try control(bytes, try field.bytes())
            default: break
            }
        }
    }

    private mutating func subscription(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(GossipRPCError) {
        var topic: Topic?
        var isSubscribed = false
        var scanner = WireScanner(range)
        while let field = try scanner.next(bytes, budget: &budget) {
            switch field.number {
            case 1: isSubscribed = try field.varint() != 0
            case 2: topic = self.topic(try field.bytes())
            default: break
            }
        }
        if let topic, rpc.subscriptions.count < limits.topics {
            rpc.subscriptions.append(.init(topic, isSubscribed: isSubscribed))
        }
    }

    private mutating func message(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(GossipRPCError) {
        guard rpc.messages.count < limits.messages else { throw .tooManyElements }
        let fields = try GossipMessage.Fields(bytes, range, budget: &budget)
        rpc.messages.append(GossipMessage(encoded: slice(range), fields: fields))
    }

    private mutating func control(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(GossipRPCError) {
        var scanner = WireScanner(range)
        while let field = try scanner.next(bytes, budget: &budget) {
            switch field.number {
            case 1: try ihave(bytes, try field.bytes())
            case 2: try Self.ids(bytes, try field.bytes(), limits.ids, &budget, to: &rpc.iwant)
            case 3: try graft(bytes, try field.bytes())
            case 4: try prune(bytes, try field.bytes())
            case 5: try Self.ids(bytes, try field.bytes(), limits.ids, &budget, to: &rpc.idontwant)
            default: break
            }
        }
    }

    private mutating func ihave(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(GossipRPCError) {
        var topic: Topic?
        var ids: [MessageID] = []
        var scanner = WireScanner(range)
        while let field = try scanner.next(bytes, budget: &budget) {
            switch field.number {
            case 1: topic = self.topic(try field.bytes())
            case 2:
                guard let id = Self.id(bytes, try field.bytes()), ihaveIDs < limits.ids else { break }
                ihaveIDs += 1
                ids.append(id)
            default: break
            }
        }
        if let topic, !ids.isEmpty { rpc.ihave.append(.init(topic, ids)) }
    }

    /// The ids of an IWANT or IDONTWANT.
    private static func ids(
        _ bytes: Span<UInt8>, _ range: Range<Int>, _ limit: Int, _ budget: inout Int, to list: inout [MessageID]
    ) throws(GossipRPCError) {
        var scanner = WireScanner(range)
        while let field = try scanner.next(bytes, budget: &budget) {
            guard field.number == 1, let id = id(bytes, try field.bytes()), list.count < limit else { continue }
            list.append(id)
        }
    }

    private mutating func graft(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(GossipRPCError) {
        var topic: Topic?
        var scanner = WireScanner(range)
        while let field = try scanner.next(bytes, budget: &budget) {
            if field.number == 1 { topic = self.topic(try field.bytes()) }
        }
        if let topic, rpc.graft.count < limits.topics { rpc.graft.append(topic) }
    }

    private mutating func prune(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(GossipRPCError) {
        var topic: Topic?
        var prune = GossipRPC.Prune(Topic(bytes: ByteBuffer()))
        var scanner = WireScanner(range)
        while let field = try scanner.next(bytes, budget: &budget) {
            switch field.number {
            case 1: topic = self.topic(try field.bytes())
            case 2:
                if let hint = try hint(bytes, try field.bytes()), prune.peers.count < limits.hints {
                    prune.peers.append(hint)
                }
            case 3: prune.backoff = try field.varint()
            default: break
            }
        }
        guard let topic, rpc.prune.count < limits.topics else { return }
        prune.topic = topic
        rpc.prune.append(prune)
    }

    private mutating func hint(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(GossipRPCError) -> PeerHint? {
        var hint = PeerHint(ByteBuffer())
        var scanner = WireScanner(range)
        while let field = try scanner.next(bytes, budget: &budget) {
            switch field.number {
            case 1: hint.peer = slice(try field.bytes())
            case 2:
                let range = try field.bytes()
                if !range.isEmpty, range.count <= limits.recordBytes { hint.record = slice(range) }
            default: break
            }
        }
        return hint.peer.readableBytes > 0 && hint.peer.readableBytes <= 128 ? hint : nil
    }

    private static func id(_ bytes: Span<UInt8>, _ range: Range<Int>) -> MessageID? {
        range.isEmpty || range.count > MessageID.maximumLength ? nil : MessageID(bytes, range)
    }

    private func topic(_ range: Range<Int>) -> Topic? {
        range.isEmpty || range.count > Topic.maximumLength ? nil : Topic(bytes: slice(range))
    }

    private func slice(_ range: Range<Int>) -> ByteBuffer {
        payload.getSlice(at: payload.readerIndex + range.lowerBound, length: range.count) ?? ByteBuffer()
    }
}
