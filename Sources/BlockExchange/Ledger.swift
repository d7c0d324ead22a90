/// What passed between us and one peer, in both directions, as `bitswap ledger` shows it.
///
/// It outlives a connection, within the bounds of `BitswapConfiguration.rememberedPeers`.
package struct Ledger: Hashable, Sendable {
    /// Bytes of blocks, without the messages around them.
    package var bytesSent: UInt64 = 0
    package var bytesReceived: UInt64 = 0
    package var blocksSent: UInt64 = 0
    package var blocksReceived: UInt64 = 0
    /// Messages exchanged in both directions.
    package var exchanges: UInt64 = 0
    /// Blocks that we had not asked for, or no longer.
    package var duplicates: UInt64 = 0
    package var unsolicited: UInt64 = 0

    package init() {}

    /// How deep the peer is in our debt: bytes sent for each byte received.
    package var debtRatio: Double { Double(bytesSent) / Double(bytesReceived &+ 1) }
}
