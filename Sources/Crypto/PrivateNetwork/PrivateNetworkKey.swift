import Multiformats

/// The pre-shared key of a private network: without it, connections to the network are noise.
///
/// Source: https://github.com/libp2p/specs/blob/master/pnet/Private-Networks-PSK-V1.md
package struct PrivateNetworkKey: Sendable {
    /// 32 bytes, for the ciphers and handshakes that mix them in.
    package let secret: SecretBytes

    /// A new random key.
    package static func generate() -> PrivateNetworkKey { PrivateNetworkKey(secret: .random(32)) }

    private init(secret: SecretBytes) { self.secret = secret }

    /// Reads the content of a `swarm.key` file: a line `/key/swarm/psk/1.0.0/`, a line that names the form
    /// (`/base16/`, `/base64/`, `/bin/`), then the key in that form.
    package init(file content: [UInt8]) throws(PrivateNetworkError) {
        guard content.count <= 4096 else { throw .malformed }
        var rest = content[...]
        func line() -> String {
            let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
            var line = rest[..<end]
            if line.last == UInt8(ascii: "\r") { line.removeLast() }
            rest = rest[end...].dropFirst()
            return String(decoding: line, as: UTF8.self)
        }
        let header = line()
        guard header == "/key/swarm/psk/1.0.0/" else { throw .unknownHeader(header) }
        let form = line()
        var key: [UInt8]
        switch form {
        case "/base16/", "/base64/":
            let text = String(decoding: rest, as: UTF8.self).filter { !$0.isWhitespace }
            guard let decoded = try? (form == "/base16/" ? Base.base16 : Base.base64pad).decode(text) else {
                throw .malformed
            }
            key = decoded
        case "/bin/":
            // An editor may have put a line's end behind the key.
            key = Array(rest.prefix(32))
            guard rest.dropFirst(32).allSatisfy({ $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) else {
                throw .wrongLength(rest.count)
            }
        default: throw .unknownForm(form)
        }
        defer { Sodium.zero(&key) }
        guard key.count == 32 else { throw .wrongLength(key.count) }
        secret = SecretBytes(key)
    }

    /// The key as a `swarm.key` file: a secret.
    package var fileText: String { "/key/swarm/psk/1.0.0/\n/base16/\n\(Base.base16.encode(secret.reveal()))\n" }
}

extension PrivateNetworkKey: CustomStringConvertible, CustomReflectable {
    package var description: String { "PrivateNetworkKey" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// Why a file is not a swarm key.
package enum PrivateNetworkError: Error, Hashable, Sendable {
    case malformed
    case unknownHeader(String)
    case unknownForm(String)
    case wrongLength(Int)
}

extension PrivateNetworkError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .malformed: "the key is not written in the form that its file names"
        case .unknownHeader: "its first line is not /key/swarm/psk/1.0.0/"
        case .unknownForm: "its second line is not /base16/, /base64/ or /bin/"
        case .wrongLength(let length): "the key has \(length) bytes instead of 32"
        }
    }
}
