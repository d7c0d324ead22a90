package import Multiformats
package import NIOCore

/// A request of a peer, to be answered once from any thread, or never: it then times out at the peer.
package struct DatagramRequest: Sendable {
    private let ask: DatagramAsk
    private let endpoint: DatagramEndpoint

    init(_ ask: DatagramAsk, endpoint: DatagramEndpoint) {
        self.ask = ask
        self.endpoint = endpoint
    }

    package var peer: PeerID { ask.peer }
    /// Where it came from: `/ip4/.../udp/...`.
    package var address: Multiaddr { ask.address.multiaddr }
    /// False for a stranger's first packet, which may be a replay: answer it, believe nothing.
    package var isConfirmed: Bool { ask.isConfirmed }
    package var message: ByteBuffer { ask.message }
    /// How many entries of a long answer the peer has already.
    package var offset: UInt8 { ask.offset }
    /// The most bytes that the answer may have. A longer one is not sent.
    package var room: Int { ask.room }

    /// Sends the answer, within ten seconds of the request. `isWhole` is false when something was left out
    /// for want of room.
    package func answer(_ message: ByteBuffer, isWhole: Bool) {
        endpoint.post(.answer(ask.serial, message, isWhole: isWhole))
    }

    /// Says that no answer will come, so that its place is free at once.
    package func refuse() { endpoint.post(.refuse(ask.serial)) }
}
