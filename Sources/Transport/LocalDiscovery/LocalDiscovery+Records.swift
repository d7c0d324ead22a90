import Multiformats
import SansIO

// What the records say: ours, and those of others.
extension LocalDiscovery {
    /// Where every kind of service of a network is listed (RFC 6763, section 9).
    static let types = (try? DNSName("_services._dns-sd._udp.local")) ?? DNSName()
    private static let prefix = Array("dnsaddr=".utf8)
    /// Ports say nothing here, since the addresses have their own; Kubo sends this one.
    private static let port: UInt16 = 4001
    /// The most text that we tell, in bytes, so that an answer fits in one packet of any network.
    private static let maximumText = 800
    /// The most neighbours that a question names to keep them quiet.
    private static let maximumKnown = 20

    // MARK: Ours

    /// The question who is there, with those whose records still hold.
    func question(on link: Int, now: Instant) -> DNSMessage {
        var message = DNSMessage(isResponse: false)
        message.questions = [.init(service, type: DNSMessage.ptr)]
        let fresh = sightings.filter { key, sighting in
            key.link == link && sighting.expires > now + .seconds(Int64(Self.timeToLive / 2))
        }
        var seen: Set<DNSName> = []
        for (_, sighting) in fresh.sorted(by: { $0.key.peer < $1.key.peer })
        where message.answers.count < Self.maximumKnown && seen.insert(sighting.instance).inserted {
            let left = UInt32(clamping: (sighting.expires - now).components.seconds)
            message.answers.append(.init(service, timeToLive: left, .ptr(sighting.instance)))
        }
        return message
    }

    /// The types of our records that answer `question`.
    func records(for question: DNSMessage.Question) -> Set<UInt16> {
        let ours: Set<UInt16>
        switch question.name {
        case service: ours = [DNSMessage.ptr]
        case instance: ours = [DNSMessage.srv, DNSMessage.txt]
        case host: ours = [DNSMessage.a, DNSMessage.aaaa]
        default: return []
        }
        return question.type == DNSMessage.any ? ours : ours.intersection([question.type])
    }

    /// The answer that is wanted on a link; `nil` when we have nothing of that kind.
    ///
    /// With the pointer to us goes everything that is needed to reach us, since many ask only once.
    func answer(_ presence: Presence) -> DNSMessage? {
        var message = DNSMessage(isResponse: true)
        if presence.asksForTypes {
            message.answers.append(.init(Self.types, timeToLive: Self.timeToLive, .ptr(service)))
        }
        let pointer = DNSMessage.Record(service, timeToLive: Self.timeToLive, .ptr(instance))
        let isWhole = presence.wanted.contains(DNSMessage.ptr)
        if isWhole { message.answers.append(pointer) }
        for record in unique(presence) {
            if presence.wanted.contains(record.data.type) {
                message.answers.append(record)
            } else if isWhole {
                message.additionals.append(record)
            }
        }
        return message.answers.isEmpty ? nil : message
    }

    /// The records that only we have.
    private func unique(_ presence: Presence) -> [DNSMessage.Record] {
        var texts: [[UInt8]] = []
        var length = 0
        for address in presence.announced {
            let text = Self.prefix + Array(address.appending(peer).description.utf8)
            guard text.count <= 255, length + text.count < Self.maximumText else { continue }
            length += text.count + 1
            texts.append(text)
        }
        var data: [(DNSName, DNSMessage.RecordData)] = [
            (instance, .srv(priority: 0, weight: 0, port: Self.port, host: host))
        ]
        if !texts.isEmpty { data.append((instance, .txt(texts))) }
        data += presence.link.addresses.prefix(8).map { (host, $0.isIPv6 ? .aaaa($0.bytes) : .a($0.bytes)) }
        return data.map { .init($0, flushes: true, timeToLive: Self.timeToLive, $1) }
    }

    /// The answer that takes our pointer back.
    var goodbye: DNSMessage {
        var message = DNSMessage(isResponse: true)
        message.answers = [.init(service, timeToLive: 0, .ptr(instance))]
        return message
    }

    // MARK: Theirs

    /// A peer as a packet tells it.
    struct Told {
        var peer: PeerID
        var instance: DNSName
        var addresses: [Multiaddr]
        var timeToLive: UInt32
    }

    /// The instances that leave.
    func goodbyes(in message: DNSMessage) -> [DNSName] {
        message.answers.compactMap { record in
            guard record.timeToLive == 0, record.name == service, case .ptr(let name) = record.data else { return nil }
            return name
        }
    }

    /// The peers that a packet tells of, in its order, each once, without us.
    func peers(in message: DNSMessage) -> [Told] {
        var result: [Told] = []
        for record in message.answers + message.additionals {
            guard case .txt(let strings) = record.data, record.name != instance, record.name.parent == service else {
                continue
            }
            for string in strings {
                guard let (peer, address) = Self.address(in: string), peer != self.peer else { continue }
                if let index = result.firstIndex(where: { $0.peer == peer }) {
                    guard result[index].addresses.count < Self.maximumAddresses,
                        !result[index].addresses.contains(address)
                    else { continue }
                    result[index].addresses.append(address)
                } else if result.count < Self.maximumPeersPerPacket {
                    result.append(
                        Told(peer: peer, instance: record.name, addresses: [address], timeToLive: record.timeToLive))
                }
            }
        }
        return result
    }

    /// A peer and where it is, of `dnsaddr=<address>/p2p/<peer>`; `nil` for anything that no neighbour can be at.
    private static func address(in string: [UInt8]) -> (PeerID, Multiaddr)? {
        guard string.starts(with: prefix) else { return nil }
        let text = String(decoding: string.dropFirst(prefix.count), as: UTF8.self)
        guard let whole = try? Multiaddr(text), let peer = whole.peerID, let address = whole.transportPart,
            isUseful(address)
        else { return nil }
        return (peer, address)
    }
}
