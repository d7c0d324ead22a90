import CPlatform
import Multiformats
import NIOPosix

/// Turns `/dnsaddr` names, which stand for whole addresses, into those addresses.
///
/// The TXT records of `_dnsaddr.<name>` say `dnsaddr=<multiaddr>`; they may name further `/dnsaddr`. Only addresses of
/// the wanted peer are taken. Source: https://github.com/multiformats/multiaddr/blob/master/protocols/DNSADDR.md
package struct AddressNames: Sendable {
    /// How far one name may lead to another, how many names are looked up for one dial, and how many addresses count.
    static let depth = 4
    static let lookups = 8
    static let addresses = 32

    /// The TXT records of a DNS name; none on errors.
    package var textRecords: @Sendable (_ name: String) async -> [[UInt8]]

    package init(textRecords: @escaping @Sendable (_ name: String) async -> [[UInt8]]) {
        self.textRecords = textRecords
    }

    /// `addresses` with each `/dnsaddr` replaced by what it stands for.
    func expand(_ addresses: [Multiaddr], of peer: PeerID) async -> [Multiaddr] {
        guard addresses.contains(where: \.isAddressName) else { return addresses }
        var result = addresses.filter { !$0.isAddressName }
        var names = addresses.filter(\.isAddressName).compactMap(\.dnsName)
        var asked: Set<String> = []
        for _ in 0..<Self.depth where !names.isEmpty {
            var further: [String] = []
            for name in names where asked.count < Self.lookups && asked.insert(name).inserted {
                for record in await textRecords("_dnsaddr." + name).prefix(4 * Self.addresses) {
                    guard record.starts(with: Self.prefix),
                        let text = String(validating: record.dropFirst(Self.prefix.count), as: UTF8.self),
                        let address = try? Multiaddr(text), address.peerID.map({ $0 == peer }) ?? false
                    else { continue }
                    if address.isAddressName {
                        if let name = address.dnsName { further.append(name) }
                    } else if result.count < Self.addresses, !result.contains(address) {
                        result.append(address)
                    }
                }
            }
            names = further
        }
        return result
    }

    private static let prefix = Array("dnsaddr=".utf8)

    /// By the machine's own resolver, on a thread that may wait for it.
    package static let system = AddressNames { name in
        (try? await NIOThreadPool.singleton.runIfActive { records(of: name) }) ?? []
    }

    private static func records(of name: String) -> [[UInt8]] {
        // What does not fit in a message of multicast DNS is nobody's list of addresses.
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: DNSMessage.maximumLength) { buffer, count in
            count = unsafe cplatform_text_records(name, buffer.baseAddress, buffer.count)
        }
        guard !bytes.isEmpty, let message = try? DNSMessage(decoding: bytes) else { return [] }
        return message.answers.compactMap { record in
            if case .txt(let parts) = record.data { Array(parts.joined()) } else { nil }
        }
    }
}

extension Multiaddr {
    /// Whether it is a name that stands for whole addresses.
    fileprivate var isAddressName: Bool { components.first?.proto == .dnsaddr }
}
