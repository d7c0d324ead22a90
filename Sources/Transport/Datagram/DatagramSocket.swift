import CPlatform
import NIOCore
import NIOPosix

/// One UDP socket: packets come in through NIO, several a system call, and go out in batches that name the
/// local address to send from, which NIO cannot.
final class DatagramSocket: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    /// Packets taken with one system call.
    static let packetsPerRead = 32
    /// Bytes that wait at most before they are sent.
    private static let batch = 64 * DatagramPacket.maximumLength

    private let driver: DatagramDriver
    private let endpoint: DatagramEndpoint
    private(set) var channel: (any Channel)?
    private(set) var bound: DatagramAddress?
    private var number = 0
    /// The bytes of packets that wait to be sent, and where each begins, ends and goes.
    private var bytes = ByteBufferAllocator().buffer(capacity: batch + DatagramPacket.maximumLength)
    private var waiting: [cplatform_datagram] = []

    init(driver: DatagramDriver, endpoint: DatagramEndpoint) {
        self.driver = driver
        self.endpoint = endpoint
    }

    var isOpen: Bool { channel != nil }
    /// Whether it is bound to every address of the machine.
    var isWildcard: Bool { bound.map { $0.high == 0 && $0.low == 0 } ?? false }

    func channelActive(context: ChannelHandlerContext) {
        channel = context.channel
        bound = context.channel.localAddress.flatMap { DatagramAddress($0) }
        guard let number = driver.add(self) else { return context.close(promise: nil) }
        self.number = number
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        channel = nil
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        guard let source = DatagramAddress(envelope.remoteAddress) else { return }
        let asked = envelope.metadata?.packetInfo.flatMap { DatagramAddress($0.destinationAddress) }
        driver.receive(
            envelope.data, from: source, at: DatagramLocal(socket: number, address: asked), endpoint: endpoint)
    }

    /// The end of a burst: what its packets caused leaves together.
    func channelReadComplete(context: ChannelHandlerContext) {
        // Requests that were answered at once are part of the burst.
        endpoint.drain()
        context.fireChannelReadComplete()
    }

    /// An error of one packet (an ICMP message that found its way here) is none of the socket.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {}

    func queue(_ packet: ByteBuffer, to address: DatagramAddress, from local: DatagramAddress?) {
        let offset = bytes.readableBytes
        bytes.writeImmutableBuffer(packet)
        waiting.append(
            cplatform_datagram(
                offset: UInt32(offset), length: UInt32(packet.readableBytes), high: address.high, low: address.low,
                from_high: local?.high ?? 0, from_low: local?.low ?? 0, scope: address.scope, port: address.port,
                is_ipv6: address.isIPv6 ? 1 : 0, has_from: local == nil ? 0 : 1))
        if bytes.readableBytes >= Self.batch { flush() }
    }

    func flush() {
        guard !waiting.isEmpty else { return }
        try? channel?.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { handle in
            _ = unsafe bytes.withUnsafeReadableBytes { bytes in
                unsafe cplatform_send_datagrams(handle, bytes.baseAddress, waiting, waiting.count)
            }
        }
        waiting.removeAll(keepingCapacity: true)
        bytes.clear()
    }
}
