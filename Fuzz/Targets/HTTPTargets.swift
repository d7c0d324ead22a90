import HTTPAPI
import NIOCore

extension FuzzTarget {
    /// What HTTP clients send.
    static let http: [FuzzTarget] = [
        FuzzTarget("multipart") { input in
            // The first byte says how the body is cut into pieces.
            let body = ByteBuffer(bytes: input.dropFirst())
            let whole = read(body, piece: max(1, body.readableBytes))
            agree(whole == read(body, piece: max(1, Int(input.first ?? 1))), "the parts do not depend on the pieces")
        }
    ]

    /// The headers and contents of the parts, up to the end or the first mistake.
    private static func read(_ body: ByteBuffer, piece: Int) -> [String] {
        guard var parser = try? MultipartParser(boundary: "b") else { return [] }
        var rest = body
        var found: [String] = []
        var content = ""
        do {
            while let next = rest.readSlice(length: min(piece, rest.readableBytes)), next.readableBytes > 0 {
                parser.append(next)
                while let event = try parser.next() {
                    switch event {
                    case .part(let headers): found.append("\(headers.sorted { $0.key < $1.key })")
                    case .content(let bytes): content += bytes.readableBytesView.map { "\($0)," }.joined()
                    case .partEnd:
                        found.append(content)
                        content = ""
                    }
                }
            }
        } catch {
            return found
        }
        return found
    }
}
