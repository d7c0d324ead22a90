import Foundation
import HTTPTypes
import HummingbirdCore
import NIOCore

/// Writes one answer to a connection: the head with the first piece, so that whatever fails before is still
/// an error with a status; what fails later goes into the trailer `X-Stream-Error`, as Kubo does.
///
/// Used by the task of its request.
final class HTTPAnswer: RPCSink {
    private var pending: ResponseWriter?
    private var writer: (any ResponseBodyWriter)?
    private var fields: HTTPFields

    init(_ writer: consuming ResponseWriter, fields: HTTPFields) {
        pending = consume writer
        self.fields = fields
    }

    /// Whether the head is on its way.
    var hasBegun: Bool { pending == nil }

    /// Adds headers to an answer that has not begun.
    func set(_ more: HTTPFields) {
        for field in more { fields[field.name] = field.value }
    }

    func write(_ bytes: ByteBuffer) async throws {
        if bytes.readableBytes == 0 { return }
        try await begin(status: .ok)
        try await writer?.write(bytes)
    }

    func event(_ value: JSON) async throws {
        try await write(value.line)
    }

    /// Ends a stream.
    func finish() async throws {
        try await begin(status: .ok)
        try await writer.take()?.finish(nil)
    }

    /// Answers with one body, if nothing was answered yet.
    func send(status: Int, _ body: ByteBuffer, type: String, isHead: Bool = false) async throws {
        guard let pending = pending.take() else { return }
        fields[.contentType] = type
        fields[.contentLength] = String(body.readableBytes)
        let head = HTTPResponse(status: .init(code: status), headerFields: fields)
        if isHead {
            try await pending.writeResponse(head)
        } else {
            try await pending.write(response: head, body: ResponseBody(byteBuffer: body))
        }
    }

    /// Tells an error: as the answer, or in the trailer of the stream that it ends.
    func fail(_ error: RPCError) async throws {
        if hasBegun {
            var trailer = HTTPFields()
            trailer[.streamError] = error.message.map { $0.isNewline ? " " : String($0) }.joined()
            trailer[.errorKind] = error.kind.rawValue
            try await writer.take()?.finish(trailer)
        } else {
            fields[.errorKind] = error.kind.rawValue
            for name in [HTTPField.Name.chunkedOutput, .streamOutput, .streamLength, .trailer] { fields[name] = nil }
            if error.kind == .unauthorized { fields[.wwwAuthenticate] = "Bearer" }
            if error.kind == .throttled { fields[.retryAfter] = "60" }
            try await send(status: error.status, error.json.line, type: "application/json")
        }
    }

    private func begin(status: HTTPResponse.Status) async throws {
        guard let pending = pending.take() else { return }
        writer = try await pending.writeHead(HTTPResponse(status: status, headerFields: fields))
    }
}

extension HTTPField.Name {
    static let chunkedOutput = known("X-Chunked-Output")
    static let streamOutput = known("X-Stream-Output")
    static let streamLength = known("X-Content-Length")
    static let streamError = known("X-Stream-Error")
    /// `RPCError.Kind`, so that a program need not read the words.
    static let errorKind = known("X-Error-Kind")
    static let frameOptions = known("X-Frame-Options")

    private static func known(_ name: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(name) else { preconditionFailure("\(name) is no header name") }
        return name
    }
}

/// The time as HTTP writes it.
enum HTTPDate {
    /// `Sat, 21 Nov 2026 09:44:15 GMT` (RFC 9110 section 5.6.7).
    static func text(_ date: Date = Date()) -> String {
        let seconds = Int(date.timeIntervalSince1970.rounded(.down))
        let day = seconds / 86400, time = seconds % 86400
        // Days to a civil date, with years that start in March (Howard Hinnant's algorithm).
        let shifted = day + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let index = (5 * dayOfYear + 2) / 153
        let dayOfMonth = dayOfYear - (153 * index + 2) / 5 + 1
        let month = index < 10 ? index + 3 : index - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][day % 7]
        let name = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month - 1]
        return "\(weekday), \(two(dayOfMonth)) \(name) \(year) \(two(time / 3600)):\(two(time / 60 % 60)):\(two(time % 60)) GMT"
    }

    private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : String(number) }
}
