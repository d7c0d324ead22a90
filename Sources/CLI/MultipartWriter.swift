import HTTPAPI
import NIOCore

/// Writes parts as `multipart/form-data`, in the form that Kubo's clients use (see `MultipartReader`).
struct MultipartWriter {
    let boundary: String

    /// A boundary that no content will contain: 32 random hex digits.
    static func boundary() -> String {
        (0..<2).map { _ in
            let digits = String(UInt64.random(in: .min ... .max), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    /// Reads all parts of `reader` and gives the body to `write`, piece by piece.
    func write(_ reader: any PartReader, to write: (ByteBuffer) async throws -> Void) async throws {
        // Small files travel together: one piece for each would cost more than its bytes.
        var pending = ByteBuffer()
        func flush() async throws {
            if pending.readableBytes > 0 { try await write(pending) }
            pending = ByteBuffer()
        }
        while let part = try await reader.nextPart() {
            pending.writeString(head(of: part))
            while let bytes = try await reader.nextChunk() {
                if bytes.readableBytes < Self.smallPiece {
                    pending.writeImmutableBuffer(bytes)
                } else {
                    try await flush()
                    try await write(bytes)
                }
                if pending.readableBytes >= Self.smallPieces { try await flush() }
            }
            pending.writeString("\r\n")
        }
        pending.writeString("--\(boundary)--\r\n")
        try await flush()
    }

    /// Pieces below this many bytes are gathered, up to so many.
    private static let smallPiece = 64 << 10
    private static let smallPieces = 256 << 10

    private func head(of part: Part) -> String {
        var field = part.field
        var separator = "?"
        if let mode = part.mode {
            field += "\(separator)mode=0\(String(mode, radix: 8))"
            separator = "&"
        }
        if let time = part.modified { field += "\(separator)mtime=\(time.seconds)&mtime-nsecs=\(time.nanoseconds)" }
        let type =
            switch part.kind {
            case .file: "application/octet-stream"
            case .folder: "application/x-directory"
            case .symlink: "application/symlink"
            }
        return "--\(boundary)\r\nContent-Disposition: form-data; name=\"\(field)\"; "
            + "filename=\"\(Parameters.encode(part.path))\"\r\nContent-Type: \(type)\r\n\r\n"
    }
}
