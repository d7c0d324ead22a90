import Multiformats
import SansIO
import TestSupport
import Testing

/// dag-cbor and dag-json by example, by rule and by random values.
@Suite struct DAGTests {
    /// RFC 8949, appendix A, as far as the data model has a place for it.
    @Test(arguments: [
        ("00", "0"), ("0a", "10"), ("17", "23"), ("1818", "24"), ("1903e8", "1000"), ("1a000f4240", "1000000"),
        ("1b000000e8d4a51000", "1000000000000"), ("1bffffffffffffffff", "18446744073709551615"),
        ("3bffffffffffffffff", "-18446744073709551616"), ("20", "-1"), ("3903e7", "-1000"),
        ("fb3ff199999999999a", "1.1"), ("fb7e37e43c8800759c", "1e+300"), ("fbc010666666666666", "-4.1"),
        ("fb0000000000000000", "0.0"), ("fb8000000000000000", "-0.0"), ("fb3ff0000000000000", "1.0"),
        ("fb4341c37937e08000", "10000000000000000.0"), ("fb3ee4f8b588e368f1", "0.00001"),
        ("fb3eb0c6f7a0b5ed8d", "0.000001"),
        ("fb3e7ad7f29abcaf48", "1e-7"), ("fb444b1ae4d6e2ef50", "1e+21"), ("fb0000000000000001", "5e-324"),
        ("f4", "false"), ("f5", "true"), ("f6", "null"), ("40", #"{"/":{"bytes":""}}"#),
        ("4401020304", #"{"/":{"bytes":"AQIDBA"}}"#),
        ("60", #""""#), ("6449455446", #""IETF""#), ("62225c", #""\"\\""#), ("62c3bc", "\"\u{fc}\""),
        ("64f0908591", "\"\u{10151}\""),
        ("80", "[]"), ("83010203", "[1,2,3]"), ("8301820203820405", "[1,[2,3],[4,5]]"), ("a0", "{}"),
        ("a26161016162820203", #"{"a":1,"b":[2,3]}"#),
        ("a161617818" + "61616161616161616161616161616161616161616161" + "6161", #"{"a":"aaaaaaaaaaaaaaaaaaaaaaaa"}"#),
        ("d82a450001550000", #"{"/":"bafkqaaa"}"#), ("6801020809" + "0a0c0d1f", #""\u0001\u0002\b\t\n\f\r\u001f""#),
    ])
    func pairs(cbor: String, json: String) throws {
        let value = try DagCBOR.decode(hex(cbor), mode: .strict)
        #expect(String(decoding: try DagJSON.encode(value), as: UTF8.self) == json)
        #expect(try DagJSON.decode(json) == value)
        #expect(try DagCBOR.encode(value) == hex(cbor))
    }

    /// Forms that old blocks have: read when tolerant, refused when strict.
    @Test(arguments: [
        ("1800", "0"), ("190017", "23"), ("1a0000ffff", "65535"), ("1b00000000ffffffff", "4294967295"), ("3800", "-1"),
        ("5800", #"{"/":{"bytes":""}}"#), ("7803616263", #""abc""#), ("980101", "[1]"), ("b801616101", #"{"a":1}"#),
        ("f90000", "0.0"), ("f93c00", "1.0"), ("f97bff", "65504.0"), ("f90001", "5.960464477539063e-8"),
        ("f90400", "0.00006103515625"),
        ("f9c400", "-4.0"), ("fa47c35000", "100000.0"), ("fa7f7fffff", "3.4028234663852886e+38"),
        ("a2616202616101", #"{"a":1,"b":2}"#), ("a262616101616202", #"{"aa":1,"b":2}"#),
        ("d82a580500" + "01550000", #"{"/":"bafkqaaa"}"#),
    ])
    func tolerated(cbor: String, json: String) throws {
        #expect(throws: DAGError.notCanonical) { try DagCBOR.decode(hex(cbor), mode: .strict) }
        let value = try DagCBOR.decode(hex(cbor))
        #expect(String(decoding: try DagJSON.encode(value), as: UTF8.self) == json)
    }

    @Test(arguments: [
        ("", DAGError.truncated), ("0000", .trailingBytes), ("18", .truncated), ("1c", .unsupportedItem(0x1c)),
        ("1f", .unsupportedItem(0x1f)),
        ("9f00ff", .unsupportedItem(0x9f)), ("bf6161 00ff", .unsupportedItem(0xbf)),
        ("7f6161ff", .unsupportedItem(0x7f)),
        ("ff", .unsupportedItem(0xff)), ("f7", .unsupportedItem(0xf7)), ("f0", .unsupportedItem(0xf0)),
        ("f818", .unsupportedItem(0xf8)),
        ("f97e00", .notFinite), ("f97c00", .notFinite), ("fa7f800000", .notFinite), ("fb7ff8000000000000", .notFinite),
        ("fbfff0000000000000", .notFinite), ("a10000", .keyIsNotText), ("a1410000", .keyIsNotText),
        ("62c328", .invalidUTF8), ("a162c32800", .invalidUTF8),
        ("c000", .unsupportedTag(0)), ("d82b4100", .unsupportedTag(43)), ("d82a00", .invalidLink),
        ("d82a40", .invalidLink), ("d82a4100", .invalidLink),
        ("d82a6101", .invalidLink), ("d82a4401550000", .invalidLink), ("d82a46000155000000", .invalidLink),
        ("a2616100616100", .duplicateKey("a")),
        ("a3616100616200616100", .duplicateKey("a")), ("8200", .truncated), ("a1616100a0", .trailingBytes),
    ])
    func refused(cbor: String, error: DAGError) {
        #expect(throws: error) { try DagCBOR.decode(hex(cbor)) }
    }

    @Test(arguments: [
        "", " ", "{", "[", "[1,]", "[,1]", "{\"a\":1,}", "{\"a\"}", "{a:1}", "{1:2}", "tru", "truex", "nul", "01", "-",
        "+1", "1.", ".5", "1e", "1e+", "0x1",
        "NaN", "Infinity", "1e999", "-1e999", "18446744073709551616", "-18446744073709551617",
        "99999999999999999999999999999999999999999999", "\"", "\"\\x\"",
        "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\u{1}\"", "\"a\nb\"", "1 2", "[1 2]",
        "{\"a\" 1}", "[1}", "{\"a\":1]", "//", "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"b\":1,\"\\u0061\":2}", "{\"/\":1}", "{\"/\":\"notacid\"}", "{\"/\":{}}", "{\"/\":{\"bytes\":1}}",
        "{\"/\":{\"bytes\":\"AQ==\"}}",
        "{\"/\":{\"bytes\":\"AQ\",\"x\":1}}", "{\"/\":{\"bytes\":\"A\"}}", "{\"/\":[]}", "{\"/\":null}", "\u{feff}1",
    ])
    func refusedJSON(text: String) {
        #expect(throws: DAGError.self) { try DagJSON.decode(text) }
    }

    @Test func toleratedJSON() throws {
        #expect(
            try DagJSON.decode(" { \"b\" : [ 1 , -0 , 2.50e1 , \"\\u00fc\\ud83d\\ude80\\/\" ] , \"a\" : { } } \n")
                == .map([
                    DAGEntry("b", .list([.integer(1), .integer(0), .float(25), .string("ü🚀/")])),
                    DAGEntry("a", .map([])),
                ]))
        // Only the single key is reserved.
        let mixed = try DagJSON.decode(#"{"/":"x","a":1}"#)
        #expect(mixed["/"] == .string("x"))
        #expect(try DagJSON.encode(mixed) == Array(#"{"/":"x","a":1}"#.utf8))
    }

    @Test func refusedValues() throws {
        for number in [Double.nan, .infinity, -.infinity] {
            #expect(throws: DAGError.notFinite) { try DagCBOR.encode(.float(number)) }
            #expect(throws: DAGError.notFinite) { try DagJSON.encode(.list([.float(number)])) }
        }
        let twice = DAGValue.map([DAGEntry("a", .null), DAGEntry("b", .null), DAGEntry("a", .null)])
        #expect(throws: DAGError.duplicateKey("a")) { try DagCBOR.encode(twice) }
        #expect(throws: DAGError.duplicateKey("a")) { try DagJSON.encode(twice) }
        #expect(throws: DAGError.reservedKey) { try DagJSON.encode(.map([DAGEntry("/", .null)])) }
        // Two spellings of one letter are two keys: bytes decide, not what they look like.
        let spellings = DAGValue.map([DAGEntry("\u{e9}", .integer(1)), DAGEntry("e\u{301}", .integer(2))])
        let bytes = try DagCBOR.encode(spellings)
        #expect(try DagCBOR.decode(bytes, mode: .strict)["e\u{301}"] == .integer(2))
        #expect(DAGValue.string("\u{e9}") != .string("e\u{301}"))
    }

    @Test func integers() {
        #expect(DAGInteger(Int.min).int64 == .min && DAGInteger(Int.min).uint64 == nil)
        #expect(DAGInteger(UInt64.max).int64 == nil && DAGInteger(UInt64.max).uint64 == .max)
        #expect(DAGInteger(exactly: -(1 << 64))?.description == "-18446744073709551616")
        #expect(DAGInteger(exactly: 1 << 64) == nil && DAGInteger(exactly: -(1 << 64) - 1) == nil)
        #expect(DAGInteger(-1) == DAGInteger(isNegative: true, raw: 0) && DAGInteger(-1).int64 == -1)
    }

    @Test func paths() throws {
        let value = try DagJSON.decode(#"{"a":[{"b":{"/":"bafkqaaa"}}],"0":1}"#)
        #expect(value.child("a")?.child("0")?.child("b")?.links.map(\.description) == ["bafkqaaa"])
        #expect(value.child("0") == .integer(1))
        for segment in ["1", "-1", "00", "+0", "x", ""] { #expect(value.child("a")?.child(segment) == nil) }
    }

    /// Random values survive both codecs, and both agree on one encoding.
    @Test(arguments: [81, 82, 83] as [UInt64])
    func roundTrip(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<600 {
            let value = randomValue(depth: 4, using: &random)
            let cbor = try DagCBOR.encode(value)
            let fromCBOR = try DagCBOR.decode(cbor, mode: .strict)
            #expect(try DagCBOR.encode(fromCBOR) == cbor)
            let json = try DagJSON.encode(value)
            let fromJSON = try DagJSON.decode(json)
            #expect(try DagJSON.encode(fromJSON) == json)
            #expect(try DagCBOR.encode(fromJSON) == cbor, "\(String(decoding: json, as: UTF8.self))")
            #expect(try DagJSON.encode(fromCBOR) == json)
            #expect(try DagCBOR.links(cbor) == fromCBOR.links)
        }
    }

    private func randomValue(depth: Int, using random: inout SeededGenerator) -> DAGValue {
        let count = Int.random(in: 0...6, using: &random)
        switch Int.random(in: 0..<(depth > 0 ? 9 : 7), using: &random) {
        case 0: return .null
        case 1: return .bool(Bool.random(using: &random))
        case 2:
            return .integer(
                DAGInteger(isNegative: Bool.random(using: &random), raw: random.next() >> (random.next() % 64)))
        case 3:
            let number = Double(bitPattern: random.next())
            return .float(number.isFinite ? number : 0.5)
        case 4: return .string(randomText(using: &random))
        case 5: return .bytes((0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) })
        case 6:
            let hash = Multihash(sha256: (random.next(), random.next(), random.next(), random.next()))
            return .link(
                random.next() & 1 == 0
                    ? CID(codec: .libp2pKey, multihash: hash) : CID(v0: hash) ?? CID(codec: .raw, multihash: hash))
        case 7: return .list((0..<count).map { _ in randomValue(depth: depth - 1, using: &random) })
        default:
            var entries: [DAGEntry] = []
            for _ in 0..<count {
                let key = randomText(using: &random)
                // "/" alone is reserved in dag-json.
                guard key != "/", !entries.contains(where: { $0.key.utf8.elementsEqual(key.utf8) }) else { continue }
                entries.append(DAGEntry(key, randomValue(depth: depth - 1, using: &random)))
            }
            return .map(entries)
        }
    }

    private func randomText(using random: inout SeededGenerator) -> String {
        var text = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0...6, using: &random) {
            let limit: UInt32 = [0x20, 0x7f, 0x7ff, 0x10ffff].randomElement(using: &random) ?? 0
            text.append(UnicodeScalar(UInt32.random(in: 0...limit, using: &random)) ?? "/")
        }
        return String(text)
    }

    /// The printed float leads back to the same bits, and is never longer than Swift's.
    @Test(arguments: [91] as [UInt64])
    func floats(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<20_000 {
            let number =
                random.next() & 1 == 0
                ? Double(bitPattern: random.next())
                : Double(Int64(truncatingIfNeeded: random.next() >> (random.next() % 64))) / 1000
            guard number.isFinite else { continue }
            let text = try DagJSON.encode(.float(number))
            #expect(try DagJSON.decode(text) == .float(number), "\(number)")
        }
    }
}
