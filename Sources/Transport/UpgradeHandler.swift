import Multiformats
import NIOCore
import PeerCrypto
import SansIO

/// Drives a `ConnectionUpgrade` on a channel, within its time limits, and makes way for the
/// `ConnectionHandler` once it is done.
final class UpgradeHandler: ChannelInboundHandler, RemovableChannelHandler, @unchecked Sendable {  // loop-confined
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Makes the handler that takes over, and gives what to call once it has.
    typealias Finish = (ConnectionUpgrade.Result, any Channel) -> (handler: ConnectionHandler, announce: () -> Void)?

    private var upgrade: ConnectionUpgrade
    private let limits: TransportLimits
    private let finish: Finish
    private let failed: (ConnectionError) -> Void
    private var input = ByteBuffer()
    private var isOver = false
    private var wholeTimer: Scheduled<Void>?
    private var phaseTimer: Scheduled<Void>?
    private var phase = ConnectionUpgrade.Phase.security

    /// `failed` is called at most once, and not after `finish`.
    init(
        upgrade: ConnectionUpgrade, limits: TransportLimits, finish: @escaping Finish,
        failed: @escaping (ConnectionError) -> Void
    ) {
        self.upgrade = upgrade
        self.limits = limits
        self.finish = finish
        self.failed = failed
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { begin(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard wholeTimer == nil, !isOver else { return }
        let channel = context.channel
        wholeTimer = schedule(limits.upgradeTimeout, channel)
        phaseTimer = schedule(limits.negotiationTimeout, channel)
        var words = ByteBuffer()
        upgrade.start(into: &words)
        if words.readableBytes > 0 { context.writeAndFlush(wrapOutboundOut(words), promise: nil) }
    }

    private func schedule(_ duration: Duration, _ channel: any Channel) -> Scheduled<Void> {
        channel.eventLoop.scheduleTask(in: TimeAmount(duration)) { [weak self] in
            self?.fail(.timeout, channel)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver else { return }
        var received = unwrapInboundIn(data)
        input.writeBuffer(&received)
        var output = ByteBuffer()
        do {
            let result = try upgrade.receive(&input, into: &output)
            if output.readableBytes > 0 { context.writeAndFlush(wrapOutboundOut(output), promise: nil) }
            if let result {
                complete(context, result)
            } else if upgrade.phase != phase {
                phase = upgrade.phase
                phaseTimer?.cancel()
                phaseTimer = schedule(limits.negotiationTimeout, context.channel)
            }
        } catch {
            if output.readableBytes > 0 { context.writeAndFlush(wrapOutboundOut(output), promise: nil) }
            fail(error, context.channel)
        }
    }

    private func complete(_ context: ChannelHandlerContext, _ result: ConnectionUpgrade.Result) {
        stop()
        guard let (handler, announce) = finish(result, context.channel) else {
            context.close(promise: nil)
            return
        }
        do {
            try context.pipeline.syncOperations.addHandler(handler, position: .after(self))
        } catch {
            context.close(promise: nil)
            return
        }
        var rest = input
        input = ByteBuffer()
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        announce()
        handler.takeOver(&rest)
    }

    func channelInactive(context: ChannelHandlerContext) {
        if !isOver { fail(.closed, context.channel) }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(ConnectionError(error), context.channel)
    }

    private func fail(_ error: ConnectionError, _ channel: any Channel) {
        guard !isOver else { return }
        stop()
        failed(error)
        channel.close(promise: nil)
    }

    private func stop() {
        isOver = true
        wholeTimer?.cancel()
        phaseTimer?.cancel()
    }
}

extension TimeAmount {
    init(_ duration: Duration) { self = .nanoseconds(duration.wholeNanoseconds) }
}
