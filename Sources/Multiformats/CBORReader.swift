/// Reads dag-cbor from bytes that may come from anyone.
///
/// It keeps the open lists and maps on a stack of its own, so that nesting cannot exhaust the thread's,
/// and believes no count that the remaining bytes could not hold.
/// Source: https://www.rfc-editor.org/rfc/rfc8949 (section 3)
struct CBORReader {
    private let bytes: [UInt8]
    private let mode: DagCBOR.Mode
    private var index = 0
    /// Items that open lists and maps have announced and that have not begun; each needs at least one byte.
    private var owed: UInt64 = 0

    init(_ bytes: [UInt8], mode: DagCBOR.Mode) {
        self.bytes = bytes
        self.mode = mode
    }

    /// What one header and its content stand for.
    private enum Item {
        case scalar(DAGValue)
        case list(count: Int)
        case map(count: Int)
    }

    /// A list or map whose end has not been read.
    private struct Frame {
        let isMap: Bool
        var remaining: Int
        var values: [DAGValue] = []
        var entries: [DAGEntry] = []
        var key = ""

        /// Adds the next value; returns the whole when it was the last.
        mutating func add(_ value: DAGValue) throws(DAGError) -> DAGValue? {
            remaining -= 1
            if !isMap {
                values.append(value)
                return remaining == 0 ? .list(values) : nil
            }
            entries.append(DAGEntry(key, value))
            guard remaining == 0 else { return nil }
            // Only the sort finds keys that come twice when they come in any order.
            _ = try KeyOrder.sorted(entries, by: KeyOrder.lengthFirst)
            return .map(entries)
        }
    }

    /// The value that fills the bytes.
    mutating func decode(maximumValues: Int) throws(DAGError) -> DAGValue {
        var stack: [Frame] = []
        var budget = maximumValues
        while true {
            guard budget > 0 else { throw .tooManyValues }
            budget -= 1
            if let top = stack.indices.last {
                owed -= 1
                if stack[top].isMap {
                    stack[top].key = try key(after: stack[top].entries.last?.key)
                    owed -= 1
                }
            }
            var complete: DAGValue?
            switch try item() {
            case .scalar(let value): complete = value
            case .list(let count):
                guard stack.count < DAGValue.maximumDepth else { throw .tooDeep }
                if count == 0 { complete = .list([]) } else { stack.append(Frame(isMap: false, remaining: count)) }
            case .map(let count):
                guard stack.count < DAGValue.maximumDepth else { throw .tooDeep }
                if count == 0 { complete = .map([]) } else { stack.append(Frame(isMap: true, remaining: count)) }
            }
            while let value = complete {
                guard let top = stack.indices.last else {
                    guard index == bytes.count else { throw .trailingBytes }
                    return value
                }
                complete = try stack[top].add(value)
                if complete != nil { stack.removeLast() }
            }
        }
    }

    /// The links of the item that fills the bytes; needs no stack, as it only counts what is owed.
    mutating func links() throws(DAGError) -> [CID] {
        var result: [CID] = []
        owed = 1
        while owed > 0 {
            owed -= 1
            let first = try byte()
            switch first >> 5 {
            case 0, 1: _ = try argument(first)
            case 2, 3: _ = try span(first)
            case 4: _ = try announce(first, each: 1)
            case 5: _ = try announce(first, each: 2)
            case 6: result.append(try link(first))
            default: try skipSimple(first)
            }
        }
        guard index == bytes.count else { throw .trailingBytes }
        return result
    }

    // MARK: Items

    private mutating func item() throws(DAGError) -> Item {
        let first = try byte()
        switch first >> 5 {
        case 0: return .scalar(.integer(DAGInteger(isNegative: false, raw: try argument(first))))
        case 1: return .scalar(.integer(DAGInteger(isNegative: true, raw: try argument(first))))
        case 2: return .scalar(.bytes(Array(bytes[try span(first)])))
        case 3: return .scalar(.string(try text(first)))
        case 4: return .list(count: try announce(first, each: 1))
        case 5: return .map(count: try announce(first, each: 2))
        case 6: return .scalar(.link(try link(first)))
        default: return .scalar(try simple(first))
        }
    }

    private mutating func key(after previous: String?) throws(DAGError) -> String {
        let first = try byte()
        guard first >> 5 == 3 else { throw .keyIsNotText }
        let key = try text(first)
        if mode == .strict, let previous, !KeyOrder.lengthFirst(previous, key) {
            if previous.utf8.elementsEqual(key.utf8) { throw .duplicateKey(key) }
            throw .notCanonical
        }
        return key
    }

    private mutating func text(_ first: UInt8) throws(DAGError) -> String {
        guard let text = String(validating: bytes[try span(first)], as: UTF8.self) else { throw .invalidUTF8 }
        return text
    }

    private mutating func link(_ first: UInt8) throws(DAGError) -> CID {
        let tag = try argument(first)
        guard tag == 42 else { throw .unsupportedTag(tag) }
        let content = try byte()
        guard content >> 5 == 2 else { throw .invalidLink }
        let range = try span(content)
        // The zero in front is multibase's "binary", from a time when links were text.
        guard bytes[range].first == 0 else { throw .invalidLink }
        var position = range.lowerBound + 1
        guard let cid = try? CID(reading: bytes, at: &position), position == range.upperBound else {
            throw .invalidLink
        }
        return cid
    }

    private mutating func simple(_ first: UInt8) throws(DAGError) -> DAGValue {
        let number: Double
        switch first {
        case 0xf4: return .bool(false)
        case 0xf5: return .bool(true)
        case 0xf6: return .null
        case 0xf9:
            guard mode == .tolerant else { throw .notCanonical }
            number = Double(CBORReader.half(UInt16(truncatingIfNeeded: try integer(2))))
        case 0xfa:
            guard mode == .tolerant else { throw .notCanonical }
            number = Double(Float(bitPattern: UInt32(truncatingIfNeeded: try integer(4))))
        case 0xfb: number = Double(bitPattern: try integer(8))
        default: throw .unsupportedItem(first)
        }
        guard number.isFinite else { throw .notFinite }
        return .float(number)
    }

    private mutating func skipSimple(_ first: UInt8) throws(DAGError) {
        switch first {
        case 0xf4...0xf7: break
        case 0xf9: _ = try integer(2)
        case 0xfa: _ = try integer(4)
        case 0xfb: _ = try integer(8)
        default: throw .unsupportedItem(first)
        }
    }

    /// A 16-bit float as a 32-bit one; Swift has no such type on every machine.
    static func half(_ bits: UInt16) -> Float {
        let sign: Float = bits & 0x8000 == 0 ? 1 : -1
        let exponent = Int(bits >> 10 & 0x1f)
        let fraction = Float(bits & 0x3ff)
        switch exponent {
        case 0: return sign * fraction * 0x1p-24
        case 31: return fraction == 0 ? sign * .infinity : .nan
        default: return sign * (1 + fraction * 0x1p-10) * Float(sign: .plus, exponent: exponent - 15, significand: 1)
        }
    }

    // MARK: Headers

    private mutating func byte() throws(DAGError) -> UInt8 {
        guard index < bytes.count else { throw .truncated }
        index += 1
        return bytes[index - 1]
    }

    private mutating func integer(_ length: Int) throws(DAGError) -> UInt64 {
        guard length <= bytes.count - index else { throw .truncated }
        var value: UInt64 = 0
        for byte in bytes[index..<index + length] { value = value << 8 | UInt64(byte) }
        index += length
        return value
    }

    /// The number in or behind a header.
    private mutating func argument(_ first: UInt8) throws(DAGError) -> UInt64 {
        let value: UInt64
        let smallest: UInt64
        switch first & 0x1f {
        case let short where short < 24: return UInt64(short)
        case 24: (value, smallest) = (try integer(1), 24)
        case 25: (value, smallest) = (try integer(2), 1 << 8)
        case 26: (value, smallest) = (try integer(4), 1 << 16)
        case 27: (value, smallest) = (try integer(8), 1 << 32)
        default: throw .unsupportedItem(first)
        }
        guard value >= smallest || mode == .tolerant else { throw .notCanonical }
        return value
    }

    /// Where the content of a byte or text string lies.
    private mutating func span(_ first: UInt8) throws(DAGError) -> Range<Int> {
        let length = try argument(first)
        guard length <= UInt64(bytes.count - index) else { throw .truncated }
        let start = index
        index += Int(length)
        return start..<index
    }

    /// The count of a list or map, checked against the bytes that are left for what was announced so far.
    private mutating func announce(_ first: UInt8, each: UInt64) throws(DAGError) -> Int {
        let count = try argument(first)
        let left = UInt64(bytes.count - index)
        guard left >= owed, count <= (left - owed) / each else { throw .truncated }
        owed += count * each
        return Int(count)
    }
}
