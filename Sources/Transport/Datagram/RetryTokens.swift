import NIOCore
import PeerCrypto
import SansIO

/// Proofs that a sender receives what is sent to its address: a keyed hash of address and port.
///
/// Nothing is stored for them. The secret changes every 120 seconds and the one before is accepted too.
struct RetryTokens: Sendable {
    static let period: Duration = .seconds(120)

    private let random: @Sendable (Int) -> SecretBytes
    private let start: Instant
    private var epoch: UInt64 = 0
    private var current: SecretBytes
    private var previous: SecretBytes

    init(start: Instant, random: @escaping @Sendable (Int) -> SecretBytes) {
        self.random = random
        self.start = start
        current = random(32)
        previous = random(32)
    }

    /// The token for `address` now.
    mutating func token(for address: DatagramAddress, now: Instant) -> ShortMAC {
        rotate(now: now)
        return Self.token(current, address, epoch: epoch)
    }

    /// Whether `token` was given to `address` in this period or the one before.
    mutating func accepts(_ token: ShortMAC, from address: DatagramAddress, now: Instant) -> Bool {
        guard !token.isZero else { return false }
        rotate(now: now)
        return token == Self.token(current, address, epoch: epoch)
            || token == Self.token(previous, address, epoch: epoch &- 1)
    }

    private mutating func rotate(now: Instant) {
        let elapsed = UInt64(max(0, (now - start).wholeNanoseconds)) / UInt64(Self.period.wholeNanoseconds)
        guard elapsed > epoch else { return }
        previous = elapsed == epoch + 1 ? current : random(32)
        current = random(32)
        epoch = elapsed
    }

    private static func token(_ secret: SecretBytes, _ address: DatagramAddress, epoch: UInt64) -> ShortMAC {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(32)
        func append(_ word: UInt64) {
            for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> (8 * UInt64(shift)))) }
        }
        append(address.high)
        append(address.low)
        append(UInt64(address.port) | (address.isIPv6 ? 1 << 16 : 0) | UInt64(address.scope) << 32)
        append(epoch)
        return BLAKE2b.mac(bytes, key: secret)
    }
}
