import Foundation
import Gossip
import Multiformats
import NIOCore
import PeerCrypto
import SansIO

/// What one message costs the gossip core: frames as they come from eight mesh peers, decoded, deduplicated, accepted
/// and forwarded. Validators and sockets are not in it.
enum GossipBench {
    private static let messages = 100_000

    static func run(into table: inout ResultTable) throws {
        let topic = Topic("/coliving/bench/updates/1")
        var configuration = GossipConfiguration()
        configuration.scoring = .smallSwarm
        configuration.topicSettings[topic] = .anonymous(dataBytes: 64 << 10, scoring: .smallSwarm)
        let peers = (1...8).map { KeyPair(seed: [UInt8](repeating: UInt8($0), count: 32)).peerID }
        let own = KeyPair(seed: [UInt8](repeating: 9, count: 32)).peerID
        var now = Instant(nanoseconds: 1_000_000_000)
        var core = GossipSub(configuration, peer: own, sequence: 0, start: now, seed: 1)
        var effects: [GossipSub.Effect] = []
        core.handle(.subscribe(topic), now: now, into: &effects)
        for peer in peers {
            core.handle(.connected(peer, .v1_2, isOutbound: true, ipGroup: nil), now: now, into: &effects)
            var hello = GossipRPC()
            hello.subscriptions = [.init(topic, isSubscribed: true)]
            hello.graft = [topic]
            core.handle(.received(hello, from: peer), now: now, into: &effects)
        }
        let frames = (0..<messages).map { frame(UInt64($0), in: topic) }
        var delivered = 0
        let new = try Scratch.seconds {
            for (index, frame) in frames.enumerated() {
                now = now + .microseconds(100)
                effects.removeAll(keepingCapacity: true)
                let rpc = try GossipRPC(decoding: frame)
                core.handle(.received(rpc, from: peers[index % 8]), now: now, into: &effects)
                if case .validate(let id, _, _, _)? = effects.first {
                    core.handle(.validated(id, .accept), now: now, into: &effects)
                }
                if case .deliver? = effects.last { delivered += 1 }
                if let deadline = core.deadline, deadline <= now { core.tick(now: now, into: &effects) }
            }
        }
        table.note(
            "gossip core: new messages of 1 KiB a second", String(format: "%.0f", Double(messages) / new),
            "\(delivered) delivered, \(core.statistics.forwarded / UInt64(messages)) sent on each")
        let old = frames.suffix(50_000)
        let duplicates = try Scratch.seconds {
            for (index, frame) in old.enumerated() {
                effects.removeAll(keepingCapacity: true)
                let rpc = try GossipRPC(decoding: frame)
                core.handle(.received(rpc, from: peers[(index + 1) % 8]), now: now, into: &effects)
            }
        }
        table.note(
            "gossip core: duplicates of 1 KiB a second", String(format: "%.0f", Double(old.count) / duplicates))
    }

    /// A frame with one message, as a stream hands it over.
    private static func frame(_ number: UInt64, in topic: Topic) -> ByteBuffer {
        var data = ByteBuffer(integer: number)
        data.writeRepeatingByte(7, count: 1_016)
        var rpc = GossipRPC()
        rpc.messages = [GossipMessage(data, in: topic)]
        var frame = rpc.frames().first ?? ByteBuffer()
        _ = try? frame.readVarint()
        return frame
    }
}
