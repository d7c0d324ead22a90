import Multiformats
package import NIOCore
import NIOPosix

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Where the packets of local discovery go: the networks of this machine, or what a test puts in their place.
package protocol DiscoveryMedium: Sendable {
    /// The links there are now, in any order.
    func links() -> [LocalDiscovery.Link]

    /// Opens a link. `receive` is called on `loop` with each packet that came on this link to the group, and with
    /// its sender.
    func open(
        _ link: LocalDiscovery.Link, on loop: any EventLoop,
        receive: @escaping @Sendable (_ packet: [UInt8], _ from: IPAddress) -> Void
    ) async throws -> any DiscoverySocket
}

/// An open link of a medium.
package protocol DiscoverySocket: Sendable {
    /// Sends to everyone on the link; what cannot be sent is lost, as any packet may be.
    func send(_ packet: [UInt8])
    func close() async
}

/// Multicast DNS on the interfaces of this machine: 224.0.0.251 and ff02::fb, port 5353 (RFC 6762, section 3).
///
/// Other responders of the machine keep working, since the port is shared. Only what came to the group is read:
/// routers do not pass it on, so that nobody beyond the link can ask or tell.
package struct MulticastMedium: DiscoveryMedium {
    private let port: Int
    private let isLoopback: Bool

    /// The standard's port on every interface but loopback.
    package init() { self.init(port: 5353, onLoopback: false) }

    /// With `onLoopback`, on that interface alone: for tests, which leave no other trace.
    package init(port: Int, onLoopback: Bool) {
        self.port = port
        isLoopback = onLoopback
    }

    package func links() -> [LocalDiscovery.Link] {
        Dictionary(grouping: devices(), by: \.interfaceIndex).map { index, devices in
            LocalDiscovery.Link(id: index, addresses: devices.compactMap { $0.address.flatMap { IPAddress($0) } })
        }
    }

    package func open(
        _ link: LocalDiscovery.Link, on loop: any EventLoop,
        receive: @escaping @Sendable (_ packet: [UInt8], _ from: IPAddress) -> Void
    ) async throws -> any DiscoverySocket {
        var socket = MulticastSocket()
        var failure: (any Error)?
        var families: Set<NIOBSDSocket.ProtocolFamily> = []
        for device in devices() where device.interfaceIndex == link.id {
            guard let address = device.address, families.insert(address.protocol).inserted else { continue }
            do {
                let target = try SocketAddress(
                    ipAddress: address.protocol == .inet ? "224.0.0.251" : "ff02::fb", port: port)
                let channel = try await bind(address, on: loop)
                do {
                    try await join(channel, target, device, receive).get()
                } catch {
                    try? await channel.close()
                    throw error
                }
                socket.ends.append((channel, target))
            } catch {
                failure = error
            }
        }
        if socket.ends.isEmpty { throw failure ?? ChannelError.operationUnsupported }
        return socket
    }

    /// Every address on an interface that is of use, once each.
    private func devices() -> [NIONetworkDevice] {
        ((try? System.enumerateDevices()) ?? []).compactMap { device in
            guard let address = device.address, address.ipAddress != nil else { return nil }
            let isLocal = IPAddress(address).map { ip in IPRange.loopback.contains { $0.contains(ip) } } ?? false
            guard isLocal == isLoopback, device.multicastSupported || isLoopback else { return nil }
            var device = device
            // Linux delivers multicast on its loopback interface without saying so.
            device.multicastSupported = true
            return device
        }
    }

    private func bind(_ address: SocketAddress, on loop: any EventLoop) async throws -> any Channel {
        var bootstrap = DatagramBootstrap(group: loop)
            .channelOption(.socketOption(.so_reuseaddr), value: 1)
            .channelOption(
                ChannelOptions.Types.SocketOption(level: .socket, name: .init(rawValue: CInt(SO_REUSEPORT))), value: 1
            )
            .channelOption(
                .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: DNSMessage.maximumLength))
        if address.protocol == .inet6 {
            bootstrap = bootstrap.channelOption(
                ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only), value: 1)
        }
        return try await bootstrap.bind(host: address.protocol == .inet ? "0.0.0.0" : "::", port: port).get()
    }

    /// Makes the socket hear and speak to the group on one interface only.
    private func join(
        _ channel: any Channel, _ target: SocketAddress, _ device: NIONetworkDevice,
        _ receive: @escaping @Sendable (_ packet: [UInt8], _ from: IPAddress) -> Void
    ) -> EventLoopFuture<Void> {
        guard let options = channel as? any SocketOptionProvider, let multicast = channel as? any MulticastChannel
        else {
            return channel.eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
        }
        let index = device.interfaceIndex
        var steps = [channel.setOption(.receivePacketInfo, value: true)]
        if target.protocol == .inet {
            let bytes = device.address.flatMap { IPAddress($0) }?.bytes ?? []
            let number = bytes.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            // The option takes the four bytes of the address, in their order.
            steps.append(
                options.unsafeSetSocketOption(level: .ip, name: .ip_multicast_if, value: number.bigEndian))
            steps.append(options.setIPMulticastTTL(255))
        } else {
            steps.append(options.setIPv6MulticastIF(CUnsignedInt(truncatingIfNeeded: index)))
            steps.append(options.setIPv6MulticastHops(255))
        }
        return EventLoopFuture.andAllSucceed(steps, on: channel.eventLoop)
            .flatMap { channel.pipeline.addHandler(PacketReader(link: index, group: target.ipAddress, receive)) }
            .flatMap { multicast.joinGroup(target, device: device) }
    }
}

/// A link's sockets, one a family.
private struct MulticastSocket: DiscoverySocket {
    var ends: [(channel: any Channel, target: SocketAddress)] = []

    func send(_ packet: [UInt8]) {
        for (channel, target) in ends {
            let envelope = AddressedEnvelope(remoteAddress: target, data: channel.allocator.buffer(bytes: packet))
            channel.writeAndFlush(envelope, promise: nil)
        }
    }

    func close() async {
        for (channel, _) in ends { try? await channel.close() }
    }
}

/// Takes what came on its link to the group, and drops the rest: the system hands a socket also what other
/// sockets of the machine have joined.
private final class PacketReader: ChannelInboundHandler, Sendable {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let link: Int
    private let group: String?
    private let receive: @Sendable ([UInt8], IPAddress) -> Void

    init(link: Int, group: String?, _ receive: @escaping @Sendable ([UInt8], IPAddress) -> Void) {
        self.link = link
        self.group = group
        self.receive = receive
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        guard let info = envelope.metadata?.packetInfo, info.interfaceIndex == link,
            info.destinationAddress.ipAddress == group, let source = IPAddress(envelope.remoteAddress)
        else { return }
        receive(Array(envelope.data.readableBytesView), source)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // An interface that went away; the next look at the interfaces closes the socket.
    }
}

extension IPAddress {
    /// The address of a socket's end; `nil` when it is no IP address.
    fileprivate init?(_ address: SocketAddress) {
        guard let address = Multiaddr(address) else { return nil }
        self.init(address)
    }
}
