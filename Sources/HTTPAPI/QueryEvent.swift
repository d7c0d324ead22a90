import DHT
import Multiformats
import PeerNode

/// What a query has seen, as Kubo's routing commands tell it: `{"Extra","ID","Responses","Type"}`, one a line.
///
/// A request with `hops=true`, as our own program sends, gets more: how long an answer took and how it travelled.
/// Source of the numbers: `QueryEventType` of go-libp2p.
struct QueryEvent {
    enum Kind: Int {
        case sendingQuery = 0
        case peerResponse = 1
        case finalPeer = 2
        case queryError = 3
        case provider = 4
        case value = 5
    }

    let kind: Kind
    var peer: PeerID?
    var responses: [KadPeer]?
    var extra = ""
    /// Fields that Kubo does not know.
    var more: [JSON.Member] = []

    var json: JSON {
        .object(
            [
                .init("Extra", .string(extra)), .init("ID", .string(peer?.description ?? "")),
                .init("Responses", responses.map { .array($0.map(Self.info)) } ?? .null),
                .init("Type", .int(kind.rawValue)),
            ] + more)
    }

    /// A peer and where it is, without `/p2p/`, as Go writes an `AddrInfo`.
    static func info(_ peer: KadPeer) -> JSON {
        ["ID": JSON(peer.id), "Addrs": .array(peer.addresses.map { JSON($0) })]
    }
}

extension QueryEvent {
    /// What happened on the way, which is the same for every query; nil for an event that is a result.
    ///
    /// - Parameter hops: whether round trips and transports are told, too.
    init?(onTheWay event: RoutingEvent, hops: Bool) {
        switch event {
        case .asking(let peer): self.init(kind: .sendingQuery, peer: peer)
        case .answered(let peer, let report, let closer):
            self.init(kind: .peerResponse, peer: peer, responses: closer)
            if hops {
                let time = report.roundTrip.map { JSON.int(Int($0 / .nanoseconds(1))) } ?? .null
                more = [
                    .init("RoundTrip", time), .init("Transport", .string(report.transport == .stream ? "tcp" : "udp")),
                ]
            }
        case .failed(let peer, let failure): self.init(kind: .queryError, peer: peer, extra: failure.words)
        case .provider, .peer, .value, .stored: return nil
        }
    }
}

extension CallFailure {
    /// Why nothing came back, for people.
    var words: String {
        switch self {
        case .unreachable: "it cannot be reached"
        case .timeout: "it did not answer in time"
        case .refused: "it does not serve this DHT"
        case .malformed: "its answer made no sense"
        }
    }
}
