import ArgumentParser
import HTTPAPI
import PeerNode

/// Shows a query while it runs: with `--verbose` whom it asks, how far from us they are, how long they took and
/// over which transport; and counts hops.
///
/// A hop is one more peer on the way to an answer: peers that we knew are the first, those that they named the
/// second, and so on.
final class QueryPrinter {
    private let common: CommonOptions
    private let isVerbose: Bool
    /// On which hop a peer stands, from the first one that named it.
    private var hopOf: [String: Int] = [:]
    private let started = ContinuousClock.now

    /// The hop of the latest answer, and how many peers answered.
    private(set) var hops = 0
    private(set) var answers = 0

    init(_ common: CommonOptions, verbose: Bool) {
        self.common = common
        isVerbose = verbose
    }

    /// Milliseconds since the query began.
    var elapsed: Double { ((ContinuousClock.now - started) / .milliseconds(1) * 100).rounded() / 100 }

    /// Takes an event of a routing command; true when it was about the way, false when it is a result.
    func take(_ event: JSON) -> Bool {
        let peer = event["ID"]?.text ?? ""
        switch event["Type"]?.integer {
        case 0:
            let hop = hopOf[peer, default: 1]
            hopOf[peer] = hop
            show("asking", peer, hop, [])
        case 1:
            let hop = hopOf[peer, default: 1]
            let closer = (event["Responses"]?.elements ?? []).compactMap { $0["ID"]?.text }
            for other in closer where hopOf[other] == nil { hopOf[other] = hop + 1 }
            answers += 1
            hops = hop
            let time = event["RoundTrip"]?.integer.map { (Double($0) / 10_000).rounded() / 100 }
            let transport = event["Transport"]?.text ?? ""
            show(
                "answered", peer, hop,
                [
                    .init("rtt_ms", time.map { .double($0) } ?? .null), .init("transport", .string(transport)),
                    .init("closer", .int(closer.count)),
                ],
                "\(time.map { "\($0) ms" } ?? "-") \(transport), \(closer.count) closer")
        case 3:
            let reason = event["Extra"]?.text ?? ""
            // What ends a query without a peer is told as its error.
            guard !peer.isEmpty else { return true }
            show("failed", peer, hopOf[peer, default: 1], [.init("reason", .string(reason))], reason)
        default: return false
        }
        return true
    }

    private func show(_ what: String, _ peer: String, _ hop: Int, _ fields: [JSON.Member], _ words: String = "") {
        guard isVerbose else { return }
        if common.json {
            Output.line(
                .object(
                    [.init("event", .string(what)), .init("peer_id", .string(peer)), .init("hop", .int(hop))] + fields))
        } else {
            let label = what + String(repeating: " ", count: max(0, 9 - what.count))
            Output.line("\(label)hop \(hop)  \(peer)\(words.isEmpty ? "" : "  " + words)")
        }
        Output.flush()
    }
}

/// Options of commands that ask the DHT.
struct QueryOptions: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Show each hop: whom it asks, the round trip and the transport.")
    var verbose = false

    @Option(help: ArgumentHelp("How long to look at most, such as 30s.", valueName: "time"))
    var timeout: String?

    var parameters: [String: String] {
        timeout.map { ["timeout": $0, "hops": "true"] } ?? ["hops": "true"]
    }

    func validate() throws {
        if let timeout, Quantity.duration(timeout) == nil {
            throw ValidationError("'\(timeout)' is no time: write one like 30s or 2m")
        }
    }
}
