import Multiformats
package import NIOCore

/// One negotiation of multistream-select 1.0: which protocol this connection or stream speaks.
///
/// A pure machine: bytes in, bytes out, and the agreed protocol once. It never reads beyond the
/// negotiation, so what is left in `input` belongs to the agreed protocol.
///
/// ```
/// dialer    start: header + first proposal in one write
///           header -> echo: agreed | na: next proposal, or noneAccepted
/// listener  header -> proposal: header (once) + echo: agreed | header + na, and again
/// ```
/// The dialer speaks first without waiting: a listener that shares its port waits for the first bytes.
/// Source: https://github.com/multiformats/multistream-select
package struct Multistream: Sendable {
    /// The longest token read, newline included (go-multistream's limit), in bytes.
    package static let maximumToken = 1024
    /// How many proposals a listener answers with `na` before it gives up.
    package static let maximumRefusals = 32
    static let header = "/multistream/1.0.0"
    static let refusal = "na"

    private enum Role {
        case dialer(proposals: [String])
        case listener(offers: @Sendable (String) -> Bool)
    }

    private let role: Role
    private var sawHeader = false
    /// The dialer's proposal in question; the listener's number of refusals.
    private var turn = 0

    /// The dialer's side; `proposals` are tried in order and must not be empty.
    package init(proposing proposals: [String]) {
        precondition(!proposals.isEmpty, "a negotiation needs a proposal")
        role = .dialer(proposals: proposals)
    }

    /// The listener's side; `offers` says whether a proposed protocol is spoken here.
    package init(offering offers: @escaping @Sendable (String) -> Bool) {
        role = .listener(offers: offers)
    }

    /// Appends what is said without being asked: the dialer's header and first proposal.
    package func start(into output: inout ByteBuffer) {
        guard case .dialer(let proposals) = role else { return }
        Self.write(Self.header, to: &output)
        Self.write(proposals[0], to: &output)
    }

    /// Consumes whole tokens from `input` and appends answers to `output`.
    ///
    /// Returns the agreed protocol, after which no more may be passed in; `nil` when more bytes are needed.
    package mutating func receive(
        _ input: inout ByteBuffer, into output: inout ByteBuffer
    ) throws(MultistreamError) -> String? {
        while let token = try Self.readToken(&input) {
            guard sawHeader else {
                guard token == Self.header else { throw .notMultistream }
                sawHeader = true
                if case .listener = role { Self.write(Self.header, to: &output) }
                continue
            }
            switch role {
            case .dialer(let proposals):
                // Also when it is asked again after it has failed.
                guard turn < proposals.count else { throw .noneAccepted }
                if token == proposals[turn] { return token }
                guard token == Self.refusal else { throw .unexpectedAnswer }
                turn += 1
                guard turn < proposals.count else { throw .noneAccepted }
                Self.write(proposals[turn], to: &output)
            case .listener(let offers):
                if offers(token) {
                    Self.write(token, to: &output)
                    return token
                }
                turn += 1
                guard turn <= Self.maximumRefusals else { throw .tooManyProposals }
                Self.write(Self.refusal, to: &output)
            }
        }
        return nil
    }

    static func write(_ token: String, to output: inout ByteBuffer) {
        output.writeVarint(UInt64(token.utf8.count + 1))
        output.writeString(token)
        output.writeInteger(UInt8(ascii: "\n"))
    }

    /// The next whole token without its newline; `nil` when more bytes are needed.
    static func readToken(_ input: inout ByteBuffer) throws(MultistreamError) -> String? {
        let prefix: (value: UInt64, length: Int)?
        do { prefix = try input.peekVarint() } catch { throw .tokenLength }
        guard let prefix else { return nil }
        guard prefix.value > 0, prefix.value <= UInt64(maximumToken) else { throw .tokenLength }
        let length = Int(prefix.value)
        guard input.readableBytes >= prefix.length + length else { return nil }
        let start = input.readerIndex + prefix.length
        guard let bytes = input.getBytes(at: start, length: length), bytes.last == UInt8(ascii: "\n"),
            let token = String(validating: bytes.dropLast(), as: UTF8.self)
        else { throw .malformedToken }
        input.moveReaderIndex(forwardBy: prefix.length + length)
        return token
    }
}
