import SansIO

/// Keeps us from being a weapon: answers of peers can name a victim's address under many invented PeerIDs.
///
/// An address that never answered gets two packets and then rests ten minutes, whatever PeerID is claimed for
/// it. Into one public household at most four handshakes are in flight, and at most sixteen packets a minute
/// go unanswered. Tables are bounded; the oldest entries leave first.
struct StrangerGuard: Sendable {
    static let packetsToStranger = 2
    static let rest: Duration = .seconds(600)
    static let inFlightPerHousehold = 4
    static let unansweredPerHousehold = 16
    static let minute: Duration = .seconds(60)
    private static let capacity = 16_384

    private struct Household: Sendable {
        var inFlight = 0
        /// When packets went out that nobody answered yet, oldest first.
        var unanswered: [Instant] = []
    }

    /// What answers take, of addresses that have answered.
    private var answering = ExpiringMap<DatagramAddress, RoundTrip>(capacity: 8192, lifetime: .seconds(3600))
    /// How many packets an address had without ever answering; gone ten minutes after the last.
    private var silent = ExpiringMap<DatagramAddress, Int>(capacity: capacity, lifetime: rest)
    private var households = ExpiringMap<DatagramAddress.Household, Household>(capacity: capacity, lifetime: minute)

    /// How many addresses and households are remembered.
    var count: Int { answering.count + silent.count + households.count }

    func hasAnswered(_ address: DatagramAddress, now: Instant) -> Bool {
        answering.value(of: address, now: now) != nil
    }

    /// How long to wait for an answer of `address`.
    func timeout(of address: DatagramAddress, now: Instant) -> Duration {
        answering.value(of: address, now: now)?.timeout ?? RoundTrip.stranger
    }

    /// Whether a handshake may be begun; counts it and its first packet if so.
    mutating func begin(_ address: DatagramAddress, isPublic: Bool, now: Instant) -> DatagramError? {
        if isPublic {
            let household = households.value(of: address.household, now: now)
            guard household?.inFlight ?? 0 < Self.inFlightPerHousehold else { return .busy }
        }
        if let refusal = packet(to: address, isPublic: isPublic, now: now) { return refusal }
        if isPublic {
            var household = households.value(of: address.household, now: now) ?? Household()
            household.inFlight += 1
            households.set(address.household, household, now: now)
        }
        return nil
    }

    /// Whether one more packet of a handshake may go to `address`; counts it if so.
    mutating func packet(to address: DatagramAddress, isPublic: Bool, now: Instant) -> DatagramError? {
        let isStranger = !hasAnswered(address, now: now)
        let before = silent.value(of: address, now: now) ?? 0
        if isStranger, before >= Self.packetsToStranger { return .resting }
        if isPublic {
            var household = households.value(of: address.household, now: now) ?? Household()
            household.unanswered.removeAll { now - $0 >= Self.minute }
            guard household.unanswered.count < Self.unansweredPerHousehold else { return .busy }
            household.unanswered.append(now)
            households.set(address.household, household, now: now)
        }
        if isStranger { silent.set(address, before + 1, now: now) }
        return nil
    }

    /// `address` answered a handshake of `packets` packets; after one packet `sample` is how long it took.
    mutating func answered(
        _ address: DatagramAddress, isPublic: Bool, packets: Int, sample: Duration?, now: Instant
    ) {
        silent.remove(address)
        measured(address, sample, now: now)
        guard isPublic, var household = households.value(of: address.household, now: now) else { return }
        household.unanswered.removeLast(min(packets, household.unanswered.count))
        households.set(address.household, household, now: now)
    }

    /// A peer at `address` began a session with us and confirmed it: it receives there.
    mutating func confirmed(_ address: DatagramAddress, now: Instant) {
        silent.remove(address)
        measured(address, nil, now: now)
    }

    /// `address` asked for a token: somebody lives there who speaks this protocol, so two packets more may go.
    mutating func askedBack(_ address: DatagramAddress, isPublic: Bool, packets: Int, now: Instant) {
        silent.remove(address)
        guard isPublic, var household = households.value(of: address.household, now: now) else { return }
        household.unanswered.removeLast(min(packets, household.unanswered.count))
        households.set(address.household, household, now: now)
    }

    /// A handshake that was begun is over, however it ended.
    mutating func ended(_ address: DatagramAddress, isPublic: Bool, now: Instant) {
        guard isPublic, var household = households.value(of: address.household, now: now) else { return }
        household.inFlight = max(0, household.inFlight - 1)
        households.set(address.household, household, now: now)
    }

    /// An answer came on a session, `sample` after its only request.
    mutating func measured(_ address: DatagramAddress, _ sample: Duration?, now: Instant) {
        guard var known = answering.value(of: address, now: now) else {
            answering.set(address, RoundTrip(sample ?? RoundTrip.stranger / 3), now: now)
            return
        }
        if let sample { known.add(sample) }
        answering.set(address, known, now: now)
    }

    mutating func expire(now: Instant) {
        answering.expire(now: now)
        silent.expire(now: now)
        households.expire(now: now)
    }
}
