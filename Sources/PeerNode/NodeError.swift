package import DHT
package import Multiformats

/// What a node could not do, in words that say what failed, why, and what to do.
package enum NodeError: Error, Sendable {
    /// The repo does not exist yet.
    case noRepository(String)
    case repositoryExists(String)
    /// Nobody who is connected has the block, and it is not here.
    case notFound(CID)
    /// The block is not here and the node is offline.
    case offline(CID)
    /// Something that only a running node can do.
    case needsRunningNode(String)
    case timedOut(String)
    case badAddress(String)
    case notConnected(PeerID)
    case notPinned(CID)
    case full(String)
    case shuttingDown
    case noSwarmKey(String)
    /// Something that this network does not have.
    case wrongNetwork(String)
    /// The DHT could not do it.
    case routing(QueryFailure)
}

extension NodeError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noRepository(let path): "There is no repo at \(path): create it with `peernode init`."
        case .repositoryExists(let path): "A repo exists at \(path) already: use `init --if-needed` to accept that."
        case .notFound(let cid):
            "\(cid) was not found: no connected peer has it. Connect to one that does with `peernode swarm connect`."
        case .offline(let cid):
            "\(cid) is not in this repo, and no node is running: start one with `peernode run` to fetch it."
        case .needsRunningNode(let what): "\(what) needs a running node: start one with `peernode run`."
        case .timedOut(let what): "\(what) took too long: try again, or allow more time with --timeout."
        case .badAddress(let text):
            "'\(text)' is no usable address: write one like /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW..."
        case .notConnected(let peer): "\(peer) is not connected: connect with `peernode swarm connect` first."
        case .notPinned(let cid): "\(cid) is not pinned: see `peernode pin ls`."
        case .full(let why): "The repo takes no more content: \(why)"
        case .shuttingDown: "The node is shutting down."
        case .noSwarmKey(let path):
            "The private network's key cannot be read from \(path): put the swarm.key file there, or name it with --swarm-key."
        case .wrongNetwork(let why): "Not in this network: \(why)."
        case .routing(.noPeers):
            "No peer of the DHT is known yet: name one with `peernode bootstrap add`, or wait until one is found."
        case .routing(.invalid(let why)): "The record is not valid: \(why)."
        case .routing(.tooMany): "Too many queries are under way: try again in a moment."
        case .routing(.unreachable): "No peer of the DHT could be reached: see `peernode stats dht`."
        case .routing(.cancelled): "The query was given up."
        }
    }
}
