import PeerNode

/// The query of a request: positional `arg`s, and options by name. Unknown ones are ignored, as Kubo does.
package struct Parameters: Sendable {
    /// Positional arguments, in order.
    package let arguments: [String]
    private let options: [String: String]

    /// How many parameters a query may have.
    static let maximumCount = 4096

    package init(arguments: [String] = [], options: [String: String] = [:]) {
        self.arguments = arguments
        self.options = options
    }

    /// Parses `a=b&arg=c`; the last of a repeated option wins.
    package init(query: Substring) throws(RPCError) {
        var arguments: [String] = []
        var options: [String: String] = [:]
        let pairs = query.split(separator: "&", maxSplits: Self.maximumCount)
        guard pairs.count <= Self.maximumCount else { throw .usage("the request has too many parameters") }
        for pair in pairs {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.decode(halves[0]), let value = Self.decode(halves.count > 1 ? halves[1] : "") else {
                throw .usage("a parameter of the request is not percent-encoded text")
            }
            if name == "arg" { arguments.append(value) } else { options[name] = value }
        }
        self.init(arguments: arguments, options: options)
    }

    /// These, and those of a form; an option that both have is the form's.
    func merging(_ form: Parameters) -> Parameters {
        Parameters(arguments: arguments + form.arguments, options: options.merging(form.options) { $1 })
    }

    /// The text of a form-encoded value; nil for a broken escape or text that is not UTF-8.
    static func decode(_ text: Substring, plusIsSpace: Bool = true) -> String? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        var iterator = text.utf8.makeIterator()
        while let byte = iterator.next() {
            if byte == UInt8(ascii: "%") {
                guard let high = iterator.next().flatMap(digit), let low = iterator.next().flatMap(digit) else {
                    return nil
                }
                bytes.append(high << 4 | low)
            } else {
                bytes.append(plusIsSpace && byte == UInt8(ascii: "+") ? 0x20 : byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// `text` with everything but unreserved characters percent-encoded.
    package static func encode(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "_"), UInt8(ascii: "~"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                result += byte < 16 ? "%0" : "%"
                result += String(byte, radix: 16, uppercase: true)
            }
        }
        return result
    }

    /// The query that `init(query:)` reads back.
    package var query: String {
        let parts =
            arguments.map { "arg=" + Self.encode($0) }
            + options.sorted { $0.key < $1.key }.map { Self.encode($0.key) + "=" + Self.encode($0.value) }
        return parts.joined(separator: "&")
    }

    /// Whether they are to be sent as a form: a target is limited in length, and shown by tools that list requests.
    package var areForm: Bool {
        options.keys.contains { Self.secrets.contains($0) } || query.utf8.count > Self.maximumQuery
    }

    private static let secrets: Set<String> = ["passphrase", "new-passphrase", "words"]
    /// The longest query that is sent, in bytes: a part of what `RequestGuard` lets through.
    private static let maximumQuery = 4 << 10

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

extension Parameters {
    /// The argument at `index`, called `name` in the error that its lack is.
    package func argument(_ index: Int = 0, _ name: String) throws(RPCError) -> String {
        guard index < arguments.count else { throw .usage("argument \"\(name)\" is required") }
        return arguments[index]
    }

    /// The option under the first of `names` that is there.
    package func text(_ names: String...) -> String? { first(names)?.value }

    package func flag(_ names: String..., default fallback: Bool = false) throws(RPCError) -> Bool {
        guard let (name, value) = first(names) else { return fallback }
        switch value {
        case "true", "1", "t", "T", "TRUE", "True": return true
        // Kubo reads a bare name as true.
        case "": return true
        case "false", "0", "f", "F", "FALSE", "False": return false
        default: throw .usage("option '\(name)' must be true or false, not '\(value)'")
        }
    }

    /// A whole number that is not negative.
    package func count(_ names: String...) throws(RPCError) -> Int? {
        guard let (name, value) = first(names), !value.isEmpty else { return nil }
        guard let number = Int(value), number >= 0 else {
            throw .usage("option '\(name)' must be a number from 0, not '\(value)'")
        }
        return number
    }

    /// A span of time such as `30s`.
    package func time(_ names: String...) throws(RPCError) -> Duration? {
        guard let (name, value) = first(names), !value.isEmpty else { return nil }
        guard let time = Quantity.duration(value) else {
            throw .usage("option '\(name)' must be a time such as 30s or 1m, not '\(value)'")
        }
        return time
    }

    private func first(_ names: [String]) -> (name: String, value: String)? {
        for name in names {
            if let value = options[name] { return (name, value) }
        }
        return nil
    }
}
