import NIOCore
import PeerCrypto

/// Encrypts a whole connection with a private network's key: the outermost layer, below multistream.
///
/// Each side sends 24 random bytes, then everything XORed with the stream they start. Nothing says that the
/// key is wrong; what comes out is then no multistream header, and the upgrade ends.
final class PrivateNetworkHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let key: PrivateNetworkKey
    private let nonce: [UInt8]
    private let outgoing: PrivateNetworkCipher
    private var incoming: PrivateNetworkCipher?
    private var remoteNonce = ByteBuffer()
    private var hasSentNonce = false

    init(key: PrivateNetworkKey) {
        self.key = key
        nonce = PrivateNetworkCipher.makeNonce()
        outgoing = PrivateNetworkCipher(key: key, nonce: nonce)
    }

    func channelActive(context: ChannelHandlerContext) {
        sendNonce(context)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var input = unwrapInboundIn(data)
        if incoming == nil {
            let missing = PrivateNetworkCipher.nonceLength - remoteNonce.readableBytes
            if let piece = input.readSlice(length: min(missing, input.readableBytes)) {
                remoteNonce.writeImmutableBuffer(piece)
            }
            guard remoteNonce.readableBytes == PrivateNetworkCipher.nonceLength else { return }
            incoming = PrivateNetworkCipher(key: key, nonce: Array(remoteNonce.readableBytesView))
        }
        guard input.readableBytes > 0, let incoming else { return }
        var plaintext = ByteBufferAllocator().buffer(capacity: input.readableBytes)
        incoming.apply(input, into: &plaintext)
        context.fireChannelRead(wrapInboundOut(plaintext))
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        sendNonce(context)
        let plaintext = unwrapOutboundIn(data)
        var ciphertext = ByteBufferAllocator().buffer(capacity: plaintext.readableBytes)
        outgoing.apply(plaintext, into: &ciphertext)
        context.write(wrapOutboundOut(ciphertext), promise: promise)
    }

    private func sendNonce(_ context: ChannelHandlerContext) {
        guard !hasSentNonce else { return }
        hasSentNonce = true
        context.write(wrapOutboundOut(ByteBuffer(bytes: nonce)), promise: nil)
    }
}
