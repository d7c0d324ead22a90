/// One key of the configuration: its name, help, check, and where its value lives.
package struct Setting: Sendable {
    /// `section.name`, as in the file.
    package let key: String
    /// One line for people.
    package let help: String
    /// Checks a value and stores it.
    let apply: @Sendable (inout NodeConfiguration, SettingValue) throws(ValueError) -> Void
    /// The present value.
    package let read: @Sendable (NodeConfiguration) -> SettingValue

    /// The part before the dot.
    package var section: String { String(key.prefix { $0 != "." }) }

    /// The variable that sets it: `network.listen` is `PEERNODE_NETWORK_LISTEN`.
    package var variable: String { "PEERNODE_" + key.uppercased().replacing(".", with: "_") }
}

extension Setting {
    /// The setting called `key`.
    package static func named(_ key: String) -> Setting? { byKey[key] }

    /// The key that `key` was probably meant to be.
    package static func suggestion(for key: String) -> String? {
        if let full = all.first(where: { $0.key.hasSuffix("." + key) }) { return full.key }
        return nearestName(to: key, in: all.map(\.key))
    }

    /// The sections, in the order of `all`.
    package static let sections: [String] = all.reduce(into: []) { sections, setting in
        if sections.last != setting.section { sections.append(setting.section) }
    }

    private static let byKey = Dictionary(uniqueKeysWithValues: all.map { ($0.key, $0) })
}

/// A value as the file, the environment or a flag gives it, before a setting has checked it.
package enum SettingValue: Sendable, Equatable {
    case text(String)
    case number(Int)
    case flag(Bool)
    case list([String])
}

extension SettingValue: CustomStringConvertible {
    /// The value as the environment would carry it; lists with commas.
    package var description: String {
        switch self {
        case .text(let text): text
        case .number(let number): String(number)
        case .flag(let flag): String(flag)
        case .list(let items): items.joined(separator: ",")
        }
    }

    /// The value as the file carries it.
    package var toml: String {
        switch self {
        case .text(let text): Self.quoted(text)
        case .number(let number): String(number)
        case .flag(let flag): String(flag)
        case .list(let items): "[" + items.map(Self.quoted).joined(separator: ", ") + "]"
        }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// The value as a list: itself, or the parts of a text between commas.
    var items: [String] {
        if case .list(let items) = self { return items }
        return description.split(separator: ",").map {
            String($0.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }
    }
}

// MARK: Kinds of values

extension Setting {
    typealias Place<Value> = any WritableKeyPath<NodeConfiguration, Value> & Sendable

    /// Any text that `check` accepts; it gives nil, or what the text must be.
    static func text(
        _ key: String, _ place: Place<String>, _ help: String,
        _ check: @escaping @Sendable (String) -> String? = { _ in nil }
    ) -> Setting {
        Setting(key: key, help: help) { (configuration, value) throws(ValueError) in
            guard case .text(let text) = value else { throw ValueError("a text") }
            if let expected = check(text) { throw ValueError(expected) }
            configuration[keyPath: place] = text
        } read: {
            .text($0[keyPath: place])
        }
    }

    /// One of a few words.
    static func choice(_ key: String, _ place: Place<String>, _ words: [String], _ help: String) -> Setting {
        text(key, place, help + ": " + words.joined(separator: ", ")) {
            words.contains($0) ? nil : "one of " + words.joined(separator: ", ")
        }
    }

    /// True or false.
    static func flag(_ key: String, _ place: Place<Bool>, _ help: String) -> Setting {
        Setting(key: key, help: help) { (configuration, value) throws(ValueError) in
            guard let flag = Bool(value.description) else { throw ValueError("true or false") }
            configuration[keyPath: place] = flag
        } read: {
            .flag($0[keyPath: place])
        }
    }

    /// A whole number in `range`.
    static func number(
        _ key: String, _ place: Place<Int>, _ range: ClosedRange<Int>, _ help: String
    ) -> Setting {
        Setting(key: key, help: help) { (configuration, value) throws(ValueError) in
            guard let number = Int(value.description), range.contains(number) else {
                throw ValueError("a number from \(range.lowerBound) to \(range.upperBound)")
            }
            configuration[keyPath: place] = number
        } read: {
            .number($0[keyPath: place])
        }
    }

    /// Bytes, at least `minimum`.
    static func size(_ key: String, _ place: Place<Int>, minimum: Int, _ help: String) -> Setting {
        Setting(key: key, help: help) { (configuration, value) throws(ValueError) in
            guard let bytes = Quantity.bytes(value.description), bytes >= minimum else {
                throw ValueError("a size of at least \(minimum) bytes, such as 10GB or 10GiB")
            }
            configuration[keyPath: place] = bytes
        } read: {
            .number($0[keyPath: place])
        }
    }

    /// A span of time, at least `minimum`.
    static func time(_ key: String, _ place: Place<Duration>, minimum: Duration, _ help: String) -> Setting {
        Setting(key: key, help: help) { (configuration, value) throws(ValueError) in
            guard let time = Quantity.duration(value.description), time >= minimum else {
                throw ValueError("a time of at least \(Quantity.describe(minimum)), such as 30s, 36h or 1h30m")
            }
            configuration[keyPath: place] = time
        } read: {
            .text(Quantity.describe($0[keyPath: place]))
        }
    }

    /// Texts that `check` accepts, one by one.
    static func list(
        _ key: String, _ place: Place<[String]>, _ help: String, _ check: @escaping @Sendable (String) -> String?
    ) -> Setting {
        Setting(key: key, help: help) { (configuration, value) throws(ValueError) in
            let items = value.items
            guard items.count <= 256 else { throw ValueError("a list of at most 256 entries") }
            for item in items {
                if let expected = check(item) { throw ValueError("a list in which each entry is \(expected)") }
            }
            configuration[keyPath: place] = items
        } read: {
            .list($0[keyPath: place])
        }
    }
}
