import DHT
import Foundation
import Multiformats
import NIOCore
import PeerCrypto
import PeerNode

/// What stands in a record of a name, and whether it counts.
extension API {
    func inspectName(_ request: RPCRequest) async throws -> RPCReply {
        let bytes = [UInt8](try await request.file(limit: IPNSRecord.maximumLength + 1).readableBytesView)
        let record: IPNSRecord
        do {
            record = try IPNSRecord(unverified: bytes)
        } catch {
            throw RPCError(.malformed, "this is no IPNS record that can be used: \(error)")
        }
        var validation = JSON.null
        if let text = request.parameters.text("verify"), !text.isEmpty {
            let name = try Self.ipnsName(text)
            var reason = ""
            do {
                _ = try IPNSRecord(verifying: bytes, of: name, now: .now())
            } catch {
                reason = error.description
            }
            validation = [
                "Valid": .bool(reason.isEmpty), "Reason": .string(reason), "Name": .string(name.description),
            ]
        }
        let dump = try request.parameters.flag("dump", default: true) ? Self.hexDump(bytes) : ""
        return .value([
            "Entry": [
                "Value": .string(String(decoding: record.value, as: UTF8.self)), "ValidityType": 0,
                "Validity": .string(Self.goTime(record.validity)), "Sequence": .int(Int(clamping: record.sequence)),
                "TTL": .int(Self.nanoseconds(record.timeToLive)),
            ],
            "PbSize": .int(bytes.count), "SignatureType": record.hasVersion1 ? "V1+V2" : "V2",
            "HexDump": .string(dump), "Validation": validation,
        ])
    }

    static func ipnsName(_ text: String) throws(RPCError) -> IPNSName {
        do {
            return try IPNSName(text)
        } catch {
            throw RPCError(.malformed, "invalid name '\(text)': \(error)")
        }
    }

    /// RFC 3339 without the zeros at the end of the fraction, as Go writes it.
    private static func goTime(_ time: UTCTime) -> String {
        var text = Substring(time.text.dropLast())
        while text.last == "0" { text.removeLast() }
        if text.last == "." { text.removeLast() }
        return text + "Z"
    }

    /// Sixteen bytes a line: where they are, what they are, and how they read.
    private static func hexDump(_ bytes: [UInt8]) -> String {
        func digits(_ number: Int, _ width: Int) -> String {
            let text = String(number, radix: 16)
            return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
        }
        var text = ""
        for start in stride(from: 0, to: bytes.count, by: 16) {
            let line = bytes[start..<min(start + 16, bytes.count)]
            var column = digits(start, 8)
            for (index, byte) in line.enumerated() {
                column += (index % 8 == 0 ? "  " : " ") + digits(Int(byte), 2)
            }
            column += String(repeating: " ", count: max(0, 60 - column.utf8.count))
            let shown = line.map { (0x20..<0x7f).contains($0) ? String(UnicodeScalar($0)) : "." }.joined()
            text += "\(column)|\(shown)|\n"
        }
        return text
    }
}
