/// Reads dag-json from text that may come from anyone.
///
/// Like `CBORReader` it keeps open lists and maps on a stack of its own.
/// Source: https://www.rfc-editor.org/rfc/rfc8259
struct JSONReader {
    /// The longest number that is read, in characters; the longest exact double has fewer.
    static let maximumNumberLength = 1100

    private let bytes: [UInt8]
    private var index = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// A list or map whose end has not been read.
    private struct Frame {
        let isMap: Bool
        var values: [DAGValue] = []
        var entries: [DAGEntry] = []
        var key = ""

        mutating func add(_ value: DAGValue) {
            if isMap { entries.append(DAGEntry(key, value)) } else { values.append(value) }
        }

        /// The whole: a list, a map, or what a map with the single key "/" stands for.
        func value() throws(DAGError) -> DAGValue {
            guard isMap else { return .list(values) }
            guard entries.count == 1, entries[0].key == "/" else {
                _ = try KeyOrder.sorted(entries, by: KeyOrder.bytewise)
                return .map(entries)
            }
            switch entries[0].value {
            case .string(let text):
                guard let cid = try? CID(text) else { throw .invalidLink }
                return .link(cid)
            case .map(let inner):
                guard inner.count == 1, inner[0].key == "bytes", case .string(let text) = inner[0].value,
                    let data = try? Base.base64.decode(text)
                else { throw .reservedKey }
                return .bytes(data)
            default: throw .reservedKey
            }
        }
    }

    /// The value that fills the text.
    mutating func decode(maximumValues: Int) throws(DAGError) -> DAGValue {
        var stack: [Frame] = []
        var budget = maximumValues
        while true {
            guard budget > 0 else { throw .tooManyValues }
            budget -= 1
            skipSpace()
            var complete: DAGValue?
            switch try peek() {
            case UInt8(ascii: "["):
                try open(Frame(isMap: false), on: &stack)
                if take(UInt8(ascii: "]")) {
                    stack.removeLast()
                    complete = .list([])
                }
            case UInt8(ascii: "{"):
                try open(Frame(isMap: true), on: &stack)
                if take(UInt8(ascii: "}")) {
                    stack.removeLast()
                    complete = .map([])
                } else {
                    stack[stack.count - 1].key = try key()
                }
            default: complete = try scalar()
            }
            while let value = complete {
                complete = nil
                skipSpace()
                guard let top = stack.indices.last else {
                    guard index == bytes.count else { throw .trailingBytes }
                    return value
                }
                stack[top].add(value)
                if take(UInt8(ascii: ",")) {
                    if stack[top].isMap { stack[top].key = try key() }
                } else if take(stack[top].isMap ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
                    complete = try stack.removeLast().value()
                } else {
                    throw index < bytes.count ? syntax : .truncated
                }
            }
        }
    }

    private mutating func open(_ frame: Frame, on stack: inout [Frame]) throws(DAGError) {
        // Bytes deep inside are spelt with two maps of their own.
        guard stack.count < DAGValue.maximumDepth + 2 else { throw .tooDeep }
        index += 1
        stack.append(frame)
        skipSpace()
    }

    private mutating func key() throws(DAGError) -> String {
        skipSpace()
        guard try peek() == UInt8(ascii: "\"") else { throw syntax }
        let key = try string()
        skipSpace()
        guard try peek() == UInt8(ascii: ":") else { throw syntax }
        index += 1
        return key
    }

    // MARK: Scalars

    private mutating func scalar() throws(DAGError) -> DAGValue {
        switch try peek() {
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), 0x30...0x39: return try number()
        default: throw syntax
        }
    }

    private mutating func word(_ text: StaticString, _ value: DAGValue) throws(DAGError) -> DAGValue {
        let expected = Array(text.description.utf8)
        let rest = bytes[index...].prefix(expected.count)
        guard rest.elementsEqual(expected) else { throw rest.count < expected.count ? .truncated : syntax }
        index += expected.count
        return value
    }

    private mutating func number() throws(DAGError) -> DAGValue {
        let start = index
        var isFloat = false
        _ = take(UInt8(ascii: "-"))
        if !take(0x30) { try digits() }
        if take(UInt8(ascii: ".")) {
            isFloat = true
            try digits()
        }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            isFloat = true
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
        guard index - start <= JSONReader.maximumNumberLength else { throw .numberOutOfRange }
        let text = String(decoding: bytes[start..<index], as: UTF8.self)
        if isFloat {
            guard let value = Double(text), value.isFinite else { throw .numberOutOfRange }
            return .float(value)
        }
        guard let value = Int128(text), let integer = DAGInteger(exactly: value) else { throw .numberOutOfRange }
        return .integer(integer)
    }

    private mutating func digits() throws(DAGError) {
        guard (0x30...0x39).contains(try peek()) else { throw syntax }
        while index < bytes.count, (0x30...0x39).contains(bytes[index]) { index += 1 }
    }

    /// The string whose opening quote is next.
    private mutating func string() throws(DAGError) -> String {
        index += 1
        var content: [UInt8] = []
        while true {
            let start = index
            while index < bytes.count, bytes[index] >= 0x20, bytes[index] != 0x22, bytes[index] != 0x5c { index += 1 }
            content += bytes[start..<index]
            switch try peek() {
            case 0x22:
                index += 1
                guard let text = String(validating: content, as: UTF8.self) else { throw .invalidUTF8 }
                return text
            case 0x5c: try escape(into: &content)
            default: throw syntax
            }
        }
    }

    private mutating func escape(into content: inout [UInt8]) throws(DAGError) {
        index += 1
        let letter = try peek()
        index += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(letter)
        case UInt8(ascii: "b"): content.append(0x08)
        case UInt8(ascii: "f"): content.append(0x0c)
        case UInt8(ascii: "n"): content.append(0x0a)
        case UInt8(ascii: "r"): content.append(0x0d)
        case UInt8(ascii: "t"): content.append(0x09)
        case UInt8(ascii: "u"):
            var code = UInt32(try codeUnit())
            if (0xd800..<0xdc00).contains(code) {
                guard index + 1 < bytes.count, bytes[index] == 0x5c, bytes[index + 1] == UInt8(ascii: "u") else {
                    throw .invalidUTF8
                }
                index += 2
                let low = UInt32(try codeUnit())
                guard (0xdc00..<0xe000).contains(low) else { throw .invalidUTF8 }
                code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
            }
            guard let scalar = UnicodeScalar(code) else { throw .invalidUTF8 }
            content += UTF8.encode(scalar).map { Array($0) } ?? []
        default: throw syntax
        }
    }

    private mutating func codeUnit() throws(DAGError) -> UInt16 {
        guard index + 4 <= bytes.count else { throw .truncated }
        var value: UInt16 = 0
        for byte in bytes[index..<index + 4] {
            let digit = Alphabet.hex.foldedValues[Int(byte)]
            guard digit != 255 else { throw syntax }
            value = value << 4 | UInt16(digit)
        }
        index += 4
        return value
    }

    // MARK: Bytes

    private var syntax: DAGError { .syntax(offset: index) }

    private func peek() throws(DAGError) -> UInt8 {
        guard index < bytes.count else { throw .truncated }
        return bytes[index]
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard index < bytes.count, bytes[index] == byte else { return false }
        index += 1
        return true
    }

    private mutating func skipSpace() {
        while index < bytes.count {
            switch bytes[index] {
            case 0x20, 0x09, 0x0a, 0x0d: index += 1
            default: return
            }
        }
    }
}
