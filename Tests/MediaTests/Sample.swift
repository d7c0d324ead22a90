import Testing

/// Bytes with a name for the list of tests, and what is expected of them. As an argument of its own type, so that
/// nobody prints thousands of bytes.
struct Sample<Expected: Sendable>: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    let expected: Expected

    init(_ name: String, _ bytes: [UInt8], _ expected: Expected) {
        self.name = name
        self.bytes = bytes
        self.expected = expected
    }

    var testDescription: String { name }
}
