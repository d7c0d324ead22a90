import Multiformats
import NIOCore
import PeerCrypto
import SansIO
import Transport

extension FuzzTarget {
    /// Everything between the socket and a stream's bytes.
    static let transport: [FuzzTarget] = [
        FuzzTarget("multistream", maximumLength: 2048) { input in
            let piece = max(1, Int(input.first ?? 1))
            let bytes = ByteBuffer(bytes: input.dropFirst())
            let known: Set = ["/noise", "/yamux/1.0.0", "/ipfs/ping/1.0.0"]
            negotiate(Multistream(offering: { known.contains($0) }), bytes, piece, known)
            negotiate(Multistream(proposing: ["/noise", "/yamux/1.0.0"]), bytes, piece, known)
        },
        FuzzTarget("upgrade", maximumLength: 4096) { input in
            let isDialer = input.first.map { $0 % 2 == 0 } ?? false
            var upgrade = ConnectionUpgrade(isDialer: isDialer, identity: identity, expecting: nil)
            var output = ByteBuffer()
            if isDialer { upgrade.start(into: &output) }
            var bytes = ByteBuffer(bytes: input.dropFirst())
            let result = try? upgrade.receive(&bytes, into: &output)
            agree(result == nil, "a stranger's bytes are no connection")
            agree(output.readableBytes < 4096, "an answer that outgrows the question")
        },
        FuzzTarget("noise-frames", maximumLength: 1024, readFrames),
        FuzzTarget("yamux", maximumLength: 8192) { input in
            var session = FuzzedSession(isServer: input.first.map { $0 % 2 == 0 } ?? true)
            session.play(ByteBuffer(bytes: input.dropFirst()))
        },
        FuzzTarget("identify", maximumLength: 8192) { input in
            var framer = MessageFramer(maximum: Identify.maximumMessage)
            var identify = Identify()
            var rest = ByteBuffer(bytes: input)
            do {
                while let message = try framer.next(&rest) { try identify.merge(message) }
                // The same bytes as one message, so that the fuzzer need not find lengths.
                try identify.merge(ByteBuffer(bytes: input))
            } catch {}
            agree(framer.heldBytes <= Identify.maximumMessage + 8, "the framer holds more than a message")
            agree(identify.listenAddresses.count <= 128, "too many addresses")
            agree((identify.protocols ?? []).count <= 2048, "too many protocols")
            for message in identify.encoded {
                agree(message.readableBytes <= Identify.maximumMessage, "we send too much")
            }
        },
    ]

    private static let identity = KeyPair(seed: [UInt8](repeating: 5, count: 32))

    private static func negotiate(_ machine: Multistream, _ bytes: ByteBuffer, _ piece: Int, _ known: Set<String>) {
        var machine = machine
        var output = ByteBuffer()
        var pending = ByteBuffer()
        var rest = bytes
        machine.start(into: &output)
        while let next = rest.readSlice(length: min(piece, rest.readableBytes)), next.readableBytes > 0 {
            pending.writeImmutableBuffer(next)
            let agreed: String?
            do { agreed = try machine.receive(&pending, into: &output) } catch { return }
            agree(output.readableBytes < 64 << 10, "answers without end")
            guard let agreed else { continue }
            agree(known.contains(agreed), "agreed on what nobody offered")
            return
        }
    }

    /// Sealed frames in pieces that the input chooses, one of them perhaps damaged: what opens is a beginning of
    /// what was sealed, and reading always ends.
    private static func readFrames(_ input: [UInt8]) {
        let key = SecretBytes([UInt8](repeating: 3, count: 32))
        let sender = NoiseCipher(key: key)
        var wire = ByteBuffer()
        var sealed = ByteBuffer()
        var choices = ByteBuffer(bytes: input)
        for _ in 0..<4 {
            let length = Int(choices.readInteger(as: UInt16.self) ?? 0) % (NoiseCipher.maximumPlaintext + 1)
            let plaintext = ByteBuffer(repeating: UInt8(truncatingIfNeeded: length), count: length)
            sealed.writeImmutableBuffer(plaintext)
            guard (try? sender.seal(plaintext, into: &wire)) != nil else { return agree(false, "sealing") }
        }
        var isDamaged = false
        if let place: UInt32 = choices.readInteger(), place % 4 == 0 {
            isDamaged = true
            let index = wire.readerIndex + Int(place / 4) % wire.readableBytes
            let old = wire.getInteger(at: index, as: UInt8.self) ?? 0
            wire.setInteger(old ^ 0x80, at: index)
        }
        var reader = NoiseReader(cipher: NoiseCipher(key: key))
        var opened = ByteBuffer()
        var rounds = 0
        do {
            while wire.readableBytes > 0 {
                let size = max(1, Int(choices.readInteger(as: UInt16.self) ?? 60_000))
                var piece = wire.readSlice(length: min(size, wire.readableBytes)) ?? ByteBuffer()
                var isDone = false
                while !isDone {
                    rounds += 1
                    agree(rounds < 300_000, "reading never ends")
                    var plaintext = ByteBuffer()
                    plaintext.reserveCapacity(piece.readableBytes)
                    isDone = try reader.receive(&piece, into: &plaintext)
                    opened.writeImmutableBuffer(plaintext)
                }
            }
            // A damaged length may leave the last frame waiting for bytes that never come.
            agree(isDamaged || opened == sealed, "what was sealed opens")
            agree(sealed.readableBytesView.starts(with: opened.readableBytesView), "what opens was sealed")
        } catch {
            agree(sealed.readableBytesView.starts(with: opened.readableBytesView), "what opens was sealed")
        }
    }
}

/// A yamux session under a stranger's frames; each event is answered in a way that its bytes choose.
private struct FuzzedSession {
    private let budget = MemoryBudget(limit: 2 << 20)
    private let limits: YamuxLimits
    private var session: YamuxSession
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var turn: UInt32 = 0

    init(isServer: Bool) {
        var limits = YamuxLimits()
        limits.inboundStreams = 16
        limits.backlog = 8
        self.limits = limits
        session = YamuxSession(role: isServer ? .server : .client, limits: limits, budget: budget, now: now)
        session.roundTrip = .milliseconds(50)
        _ = session.open(now: now)
    }

    mutating func play(_ input: ByteBuffer) {
        var rest = input
        var pending = ByteBuffer()
        do {
            while rest.readableBytes > 0 {
                let size = max(1, Int(rest.readInteger(as: UInt8.self) ?? 1))
                if let piece = rest.readSlice(length: min(size, rest.readableBytes)) {
                    pending.writeImmutableBuffer(piece)
                }
                while let event = try session.receive(&pending, now: now) { answer(event) }
                agree(pending.readableBytes < YamuxFrame.headerLength, "a whole header was left")
                agree(session.inboundStreamCount <= limits.inboundStreams, "too many streams")
                agree(session.outbox.readableBytes <= 2 * limits.outbox, "answers pile up")
                agree(budget.taken >= 0 && budget.taken <= budget.limit, "the budget")
                now = now + .milliseconds(1)
            }
        } catch {}
        session.removeAll()
        agree(budget.taken == 0, "the budget is given back")
        agree(session.streamCount == 0 && session.inboundStreamCount == 0, "streams are forgotten")
    }

    private mutating func answer(_ event: YamuxSession.Event) {
        turn &+= 1
        switch event {
        case .opened(let id):
            if turn % 3 != 0 { session.accept(id) }
            if turn % 5 == 0 { session.reset(id) } else { session.acknowledgeInbound(id) }
        case .data(let id, let bytes):
            if turn % 4 != 0 { session.consumed(id, bytes: bytes.readableBytes, now: now) }
        case .inputClosed(let id), .credit(let id):
            let length = min(session.credit(of: id), Int(turn % 7) * 10_000)
            if !session.isGone(id), length > 0 || turn % 2 == 0, session.credit(of: id) > 0 {
                _ = session.claim(id, length: length, isLast: turn % 2 == 0)
            }
        case .reset: _ = session.open(now: now)
        case .pong, .goAway: session.ping(turn)
        }
    }
}
