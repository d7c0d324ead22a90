/// A domain name: labels from the innermost to the top, `["_p2p", "_udp", "local"]`.
///
/// ASCII letters are kept in lower case, since DNS takes both for the same (RFC 1035, section 2.3.3).
package struct DNSName: Hashable, Sendable, CustomStringConvertible {
    /// The longest label, in bytes.
    package static let maximumLabel = 63
    /// The longest name as it is sent: a length byte before each label and a zero at the end.
    package static let maximumLength = 255

    /// Each has 1 to 63 bytes.
    package private(set) var labels: [[UInt8]] = []
    /// How many bytes it takes without compression.
    package private(set) var length = 1

    /// The root, which has no labels.
    init() {}

    /// A name of `labels`; throws `DNSError.malformed` when one of them is empty or something is too long.
    package init(labels: some Sequence<[UInt8]>) throws(DNSError) {
        for label in labels { try append(label[...]) }
    }

    /// A name as it is written, with dots between the labels and perhaps one at the end.
    package init(_ text: String) throws(DNSError) {
        for label in text.utf8.split(separator: UInt8(ascii: ".")) { try append(ArraySlice(label)) }
    }

    /// Adds a label at the end, towards the top.
    mutating func append(_ label: ArraySlice<UInt8>) throws(DNSError) {
        guard (1...Self.maximumLabel).contains(label.count), length + label.count < Self.maximumLength else {
            throw .malformed
        }
        labels.append(label.map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 })
        length += label.count + 1
    }

    /// This name below `label`: `host` and `local` give `host.local`.
    package func below(_ label: String) throws(DNSError) -> DNSName {
        try DNSName(labels: [Array(label.utf8)] + labels)
    }

    /// The name without its first label; `nil` for the root.
    package var parent: DNSName? {
        guard let first = labels.first else { return nil }
        var parent = self
        parent.labels.removeFirst()
        parent.length -= first.count + 1
        return parent
    }

    /// The name with dots; bytes that would not print are escaped.
    package var description: String {
        labels.map { label in
            label.map { byte in
                (0x21...0x7e).contains(byte) && byte != UInt8(ascii: ".") && byte != UInt8(ascii: "\\")
                    ? String(UnicodeScalar(byte)) : "\\\(byte)"
            }.joined()
        }.joined(separator: ".")
    }
}

/// Why bytes are no DNS message.
package enum DNSError: Error, Hashable, Sendable {
    /// The bytes end before the message does.
    case truncated
    /// A label, a name, a pointer or a record is not as it must be.
    case malformed
    /// More bytes or records than are read.
    case tooLarge
}
