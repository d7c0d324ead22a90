import Multiformats
import SansIO
import TestSupport
import Testing

/// Every base of the multibase table that names one, against the spec's files and against itself.
@Suite struct MultibaseTests {
    /// Named in the table, not implemented, because nothing in the network uses them.
    private let leftOut: Set<String> = ["base45", "proquint"]

    private func named(_ name: String) -> Base? { Base.allCases.first { "\($0)" == name } }

    /// A row is `name, "text"`; the header holds the bytes, with `\x00` for zero.
    private func rows(_ file: String) throws -> (bytes: [UInt8], rows: [(name: String, text: String)]) {
        func split(_ line: Substring) -> (String, String) {
            let cells = line.split(separator: ",", maxSplits: 1)
            let text = cells[1].drop { $0 != "\"" }.dropFirst()
            return (String(cells[0]), String(text[..<(text.lastIndex(of: "\"") ?? text.endIndex)]))
        }
        let lines = try Vectors.text("multiformats/\(file)").split(separator: "\n")
        let plain = split(lines[0]).1.replacing("\\x00", with: "\0")
        return (Array(plain.utf8), lines.dropFirst().map { split($0) })
    }

    @Test(
        .enabled(if: Vectors.present, "\(Vectors.skipped)"),
        arguments: ["multibase-basic.csv", "multibase-leading_zero.csv", "multibase-two_leading_zeros.csv"])
    func vectors(file: String) throws {
        let (bytes, rows) = try rows(file)
        #expect(rows.count >= 23)
        for row in rows {
            let base = try #require(named(row.name), "\(row.name)")
            #expect(Multibase.encode(bytes, as: base) == row.text)
            let decoded = try Multibase.decode(row.text)
            #expect(decoded.base == base)
            #expect(decoded.bytes == bytes)
        }
    }

    @Test(.enabled(if: Vectors.present, "\(Vectors.skipped)"))
    func eitherCase() throws {
        let (bytes, rows) = try rows("multibase-case_insensitivity.csv")
        #expect(rows.count == 12)
        for row in rows {
            let decoded = try Multibase.decode(row.text)
            #expect("\(decoded.base)" == row.name)
            #expect(decoded.bytes == bytes, "\(row.name)")
        }
    }

    /// The table's prefixes are ours.
    @Test(.enabled(if: Vectors.present, "\(Vectors.skipped)"))
    func table() throws {
        for row in try Vectors.csv("multiformats/multibase-table.csv")
        where row[2] != "none" && !leftOut.contains(row[2]) {
            let base = try #require(named(row[2]), "\(row[2])")
            #expect(base.rawValue.unicodeScalars.first?.value == UInt32(row[0].dropFirst(2), radix: 16))
        }
    }

    /// The spec's own example, for clones without the vector files.
    @Test func examples() throws {
        let bytes = Array("yes mani !".utf8)
        let known: [(Base, String)] = [
            (.base16, "f796573206d616e692021"), (.base32, "bpfsxgidnmfxgsibb"), (.base36, "k2lcpzo5yikidynfl"),
            (.base58btc, "z7paNL19xttacUY"), (.base64url, "ueWVzIG1hbmkgIQ"), (.base64pad, "MeWVzIG1hbmkgIQ=="),
            (.base256emoji, "🚀🏃✋🌈😅🌷🤤😻🌟😅👏"), (.base10, "9573277761329450583662625"),
        ]
        for (base, text) in known {
            #expect(Multibase.encode(bytes, as: base) == text)
            #expect(try Multibase.decode(text).bytes == bytes)
        }
    }

    @Test func refusals() {
        let wrong: [(String, MultiformatError)] = [
            ("", .invalidLength), ("x0", .unknownBase("x")), ("1abc", .unknownBase("1")), ("Qm", .unknownBase("Q")),
            ("z0", .invalidCharacter("0")), ("fg0", .invalidCharacter("g")), ("fabc", .invalidLength),
            // One base32 character carries no whole byte; "b" ends in bits that belong to nothing.
            ("ba", .invalidLength), ("bab", .nonZeroTrailingBits), ("mAB", .nonZeroTrailingBits),
            ("MAA=", .invalidLength), ("M====", .invalidCharacter("=")), ("c========", .invalidCharacter("=")),
            ("mAA==", .invalidCharacter("=")), ("🚀a", .invalidCharacter("a")),
            ("z" + String(repeating: "2", count: 2049), .invalidLength),
        ]
        for (text, error) in wrong {
            #expect(throws: error, "\(text.prefix(20))") { try Multibase.decode(text) }
        }
    }

    @Test(arguments: [1, 2] as [UInt64])
    func roundTrip(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for length in 0..<90 {
            var bytes = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            for index in bytes.indices.prefix(Int(random.next() % 4)) { bytes[index] = 0 }
            // Identity has text for UTF-8 only.
            for base in Base.allCases where base != .identity {
                let text = Multibase.encode(bytes, as: base)
                let decoded = try Multibase.decode(text)
                #expect(decoded.base == base && decoded.bytes == bytes, "\(base) \(bytes.hexText)")
            }
        }
    }

    /// The number bases against long division, one digit at a time.
    @Test(arguments: [7] as [UInt64])
    func numberBasesAgreeWithLongDivision(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let alphabets: [(Base, String)] = [
            (.base10, "0123456789"), (.base36, "0123456789abcdefghijklmnopqrstuvwxyz"),
            (.base58btc, "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"),
        ]
        for length in 0..<60 {
            let bytes = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            for (base, alphabet) in alphabets {
                let digits = Array(alphabet)
                var rest = Array(bytes.drop { $0 == 0 })
                var text = ""
                while !rest.isEmpty {
                    var remainder = 0
                    for index in rest.indices {
                        let value = remainder << 8 | Int(rest[index])
                        rest[index] = UInt8(value / digits.count)
                        remainder = value % digits.count
                    }
                    text.insert(digits[remainder], at: text.startIndex)
                    rest = Array(rest.drop { $0 == 0 })
                }
                let zeros = bytes.prefix { $0 == 0 }.count
                #expect(base.encode(bytes) == String(repeating: digits[0], count: zeros) + text)
            }
        }
    }
}
