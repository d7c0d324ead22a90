package import Foundation

/// The answer to a GET over HTTP/1.1, as curl or a music player would send it to a node's API.
package struct HTTPGet {
    package let status: Int
    /// By name in small letters.
    package let headers: [String: String]
    package let body: Data

    /// Asks `url`, such as `http://127.0.0.1:5101/v1/tracks/ID/stream`, and reads the whole answer.
    ///
    /// Throws `Failure` when nobody listens, nothing comes for a minute, or the answer is not as long as it says.
    package init(_ url: String, headers: [String: String] = [:]) throws {
        guard let parts = URLComponents(string: url), let host = parts.host, let port = parts.port else {
            throw Failure("'\(url)' is no address of a node's API.")
        }
        let socket = try Self.connect(host, port)
        defer { close(socket) }
        var path = parts.percentEncodedPath
        if let query = parts.percentEncodedQuery { path += "?" + query }
        let fields = headers.map { "\($0.key): \($0.value)\r\n" }.joined()
        try Self.send(
            Array("GET \(path) HTTP/1.1\r\nHost: \(host):\(port)\r\nConnection: close\r\n\(fields)\r\n".utf8), socket)
        let answer = try Self.receive(socket)
        guard let end = answer.range(of: Data("\r\n\r\n".utf8)) else { throw Failure("\(url) did not answer.") }
        var lines = String(decoding: answer[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        let words = lines.removeFirst().split(separator: " ")
        guard words.count > 1, let status = Int(words[1]) else { throw Failure("\(url) does not speak HTTP.") }
        self.status = status
        self.headers = Dictionary(
            lines.compactMap { line in
                let pair = line.split(separator: ":", maxSplits: 1)
                return pair.count == 2
                    ? (pair[0].lowercased(), pair[1].trimmingCharacters(in: .whitespaces)) : nil
            }
        ) { first, _ in first }
        body = Data(answer[end.upperBound...])
        guard let length = self.headers["content-length"].flatMap({ Int($0) }), length == body.count else {
            throw Failure(
                "\(url) sent \(body.count) bytes, not \(self.headers["content-length"] ?? "as many as it said").")
        }
    }

    private static func connect(_ host: String, _ port: Int) throws -> Int32 {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found = unsafe UnsafeMutablePointer<addrinfo>?.none
        guard unsafe getaddrinfo(host, String(port), &hints, &found) == 0, let place = unsafe found else {
            throw Failure("\(host) cannot be found.")
        }
        defer { unsafe freeaddrinfo(place) }
        let socket = unsafe Foundation.socket(place.pointee.ai_family, place.pointee.ai_socktype, 0)
        var patience = timeval(tv_sec: 60, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        unsafe setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, size)
        guard unsafe Foundation.connect(socket, place.pointee.ai_addr, place.pointee.ai_addrlen) == 0 else {
            close(socket)
            throw Failure("Nobody listens at \(host):\(port).")
        }
        return socket
    }

    private static func send(_ bytes: [UInt8], _ socket: Int32) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe write(socket, $0.baseAddress, $0.count) }
            guard count > 0 else { throw Failure("The node's API takes no request.") }
            rest = rest.dropFirst(count)
        }
    }

    private static func receive(_ socket: Int32) throws -> Data {
        var data = Data()
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(socket, $0.baseAddress, $0.count) }
            guard count >= 0 else { throw Failure("The node's API did not answer within a minute.") }
            if count == 0 { return data }
            data.append(contentsOf: buffer[..<count])
        }
    }
}
