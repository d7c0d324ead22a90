/// Sizes and durations as people write them: `10GB`, `1.5GiB`, `36h`, `1h30m`.
package enum Quantity {
    private static let units: [(name: String, bytes: Int)] = [
        ("KIB", 1 << 10), ("MIB", 1 << 20), ("GIB", 1 << 30), ("TIB", 1 << 40),
        ("KB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000),
        ("K", 1000), ("M", 1_000_000), ("G", 1_000_000_000), ("T", 1_000_000_000_000), ("B", 1),
    ]

    /// Bytes of `10GB` (10^10), `10GiB` (10 * 2^30) or a bare number; nil for anything else.
    package static func bytes(_ text: String) -> Int? {
        var digits = text.uppercased().filter { $0 != " " && $0 != "_" }
        var unit = 1
        if let found = units.first(where: { digits.hasSuffix($0.name) }) {
            unit = found.bytes
            digits.removeLast(found.name.count)
        }
        if let whole = Int(digits) {
            guard whole >= 0 else { return nil }
            let (product, overflow) = whole.multipliedReportingOverflow(by: unit)
            return overflow ? nil : product
        }
        guard let number = decimal(digits) else { return nil }
        return Int(exactly: (number * Double(unit)).rounded())
    }

    /// `1.5 GB` and the like, for people.
    package static func describe(bytes: Int) -> String {
        scaled(Double(bytes), [(1e12, " TB"), (1e9, " GB"), (1e6, " MB"), (1e3, " kB")]) ?? "\(bytes) B"
    }

    /// The time of `36h`, `1h30m`, `90s`, `250ms`, `2d` or `0`; nil for anything else.
    package static func duration(_ text: String) -> Duration? {
        if text == "0" { return .zero }
        var total = Duration.zero
        var rest = text[...]
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            let name = rest.dropFirst(digits.count).prefix { $0.isLetter }
            guard let number = decimal(String(digits)), !name.isEmpty else { return nil }
            let seconds: Double
            switch name {
            case "ms": seconds = 0.001
            case "s": seconds = 1
            case "m": seconds = 60
            case "h": seconds = 3600
            case "d": seconds = 86400
            case "us", "µs": seconds = 1e-6
            case "ns": seconds = 1e-9
            default: return nil
            }
            guard number * seconds < 1e10 else { return nil }
            total += .seconds(number * seconds)
            rest = rest.dropFirst(digits.count + name.count)
        }
        return text.isEmpty ? nil : total
    }

    /// `1h30m`, `90ms` and the like; `duration` reads it back.
    package static func describe(_ duration: Duration) -> String {
        let (whole, attoseconds) = duration.components
        var seconds = whole
        var text = ""
        for (size, name) in [(Int64(86400), "d"), (3600, "h"), (60, "m"), (1, "s")] where seconds >= size {
            text += "\(seconds / size)\(name)"
            seconds %= size
        }
        let milliseconds = attoseconds / 1_000_000_000_000_000
        if milliseconds > 0 { text += "\(milliseconds)ms" }
        return text.isEmpty ? "0s" : text
    }

    /// A plain decimal number without sign or exponent.
    private static func decimal(_ text: String) -> Double? {
        guard !text.isEmpty, text.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }) else { return nil }
        return Double(text)
    }

    private static func scaled(_ value: Double, _ steps: [(Double, String)]) -> String? {
        guard let (size, unit) = steps.first(where: { value >= $0.0 }) else { return nil }
        let tenths = Int((value / size * 10).rounded())
        return tenths >= 1000 || tenths % 10 == 0
            ? "\((tenths + 5) / 10)\(unit)" : "\(tenths / 10).\(tenths % 10)\(unit)"
    }
}
