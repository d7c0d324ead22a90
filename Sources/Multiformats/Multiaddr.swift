/// A network address that says how it is reached: `/ip4/127.0.0.1/tcp/4001/p2p/12D3KooW...`.
///
/// It keeps the binary form, which is checked once; two addresses are equal when their bytes are.
/// Every protocol of the table is read, also those that nobody here can dial, because peers send them
/// all. An unknown protocol makes its whole address unreadable, but never the message around it.
/// Source: https://github.com/multiformats/multiaddr
package struct Multiaddr: Hashable, Sendable {
    /// The longest binary form that is accepted, in bytes; real addresses have less than a thousand.
    package static let maximumLength = 4096

    /// One step of an address: a protocol and its value in binary form.
    package struct Component: Hashable, Sendable, CustomStringConvertible {
        package let proto: Proto
        package let value: [UInt8]

        /// A component of a value that is already in binary form.
        package init(_ proto: Proto, _ value: [UInt8] = []) throws(MultiformatError) {
            try proto.check(value)
            self.init(checked: proto, value)
        }

        init(checked proto: Proto, _ value: [UInt8]) {
            self.proto = proto
            self.value = value
        }

        /// The value as text; empty for protocols that have none.
        package var text: String { proto.text(of: value) }

        package var description: String {
            switch proto.kind {
            case .none: "/\(proto.name)"
            case .path where value.first == UInt8(ascii: "/"): "/\(proto.name)\(text)"
            default: "/\(proto.name)/\(text)"
            }
        }
    }

    /// The binary form.
    package let bytes: [UInt8]

    /// Parses the text form.
    ///
    /// Errors: unknown protocols, missing or wrong values, nothing at all. Slashes at the end are ignored.
    package init(_ text: String) throws(MultiformatError) {
        // Text is at most three times as long as its bytes (percent escapes), apart from names.
        guard text.utf8.count <= 4 * Multiaddr.maximumLength else { throw .invalidLength }
        // By bytes: a slash and a combining mark behind it are one Character.
        var parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            .map { String(Substring($0)) }[...]
        guard let before = parts.popFirst(), before.isEmpty else {
            throw .invalidAddress("an address starts with '/'")
        }
        while parts.last?.isEmpty == true { parts.removeLast() }
        guard !parts.isEmpty else { throw .invalidAddress("the address is empty") }
        var components: [Component] = []
        while let name = parts.popFirst() {
            guard let proto = Proto(name: name) else { throw .unknownProtocol(String(name.prefix(80))) }
            if case .none = proto.kind {
                components.append(Component(checked: proto, []))
                continue
            }
            guard let first = parts.popFirst() else { throw .invalidAddress("/\(proto.name) needs a value") }
            var value = first
            if case .path = proto.kind {
                // A path is everything that follows.
                value = "/" + ([first] + parts).joined(separator: "/")
                parts = []
            }
            components.append(Component(checked: proto, try proto.value(from: value)))
        }
        try self.init(components: components)
    }

    /// Reads the binary form, which must fill `bytes`.
    package init(_ bytes: [UInt8]) throws(MultiformatError) {
        guard !bytes.isEmpty, bytes.count <= Multiaddr.maximumLength else { throw .invalidLength }
        var index = 0
        while index < bytes.count {
            let component = try Component(reading: bytes, at: &index)
            try component.proto.check(component.value)
        }
        self.bytes = bytes
    }

    /// An address of checked components, at least one.
    package init(components: [Component]) throws(MultiformatError) {
        var bytes: [UInt8] = []
        for component in components { component.append(to: &bytes) }
        guard !bytes.isEmpty, bytes.count <= Multiaddr.maximumLength else { throw .invalidLength }
        self.bytes = bytes
    }

    init(checked bytes: [UInt8]) { self.bytes = bytes }

    /// The steps from the outermost to the innermost; taken apart on every call.
    package var components: [Component] {
        var result: [Component] = []
        var index = 0
        while index < bytes.count, let component = try? Component(reading: bytes, at: &index) {
            result.append(component)
        }
        return result
    }
}

extension Multiaddr.Component {
    /// Reads one component without looking into its value.
    init(reading bytes: [UInt8], at index: inout Int) throws(MultiformatError) {
        let code = try Varint.number(bytes, at: &index)
        guard let proto = Multiaddr.Proto(code: code) else { throw .unknownProtocol(String(code)) }
        let length: Int
        if let fixed = proto.kind.fixedLength {
            length = fixed
        } else {
            let number = try Varint.number(bytes, at: &index)
            guard number <= UInt64(bytes.count - index) else { throw .truncated }
            length = Int(number)
        }
        guard length <= bytes.count - index else { throw .truncated }
        self.init(checked: proto, Array(bytes[index..<index + length]))
        index += length
    }

    func append(to bytes: inout [UInt8]) {
        Varint.append(proto.code, to: &bytes)
        if proto.kind.fixedLength == nil { Varint.append(UInt64(value.count), to: &bytes) }
        bytes += value
    }
}

extension Multiaddr: CustomStringConvertible, Codable {
    /// The text form, in which PeerIDs are base58 and IPv6 addresses as RFC 5952 wants them.
    package var description: String { components.map(\.description).joined() }

    package init(from decoder: any Decoder) throws {
        try self.init(try decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
