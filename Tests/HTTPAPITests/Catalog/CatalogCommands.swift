import Foundation
import HTTPAPI
import Testing

/// Sends commands of the catalog to a server and reads their answers.
struct CatalogCommands {
    let server: TestServer

    /// The one value of an answer.
    @discardableResult
    func value(_ command: String, _ arguments: [String] = [], _ options: [String: String] = [:], status: Int = 200)
        async throws -> JSON
    {
        try await lines(command, arguments, options, status: status).last ?? .null
    }

    /// All values of an answer.
    @discardableResult
    func lines(_ command: String, _ arguments: [String] = [], _ options: [String: String] = [:], status: Int = 200)
        async throws -> [JSON]
    {
        let query = Parameters(arguments: arguments, options: options).query
        let answer = try await server.post(query.isEmpty ? command : "\(command)?\(query)")
        #expect(answer.status == status, "\(command): \(answer.text)")
        return answer.lines
    }

    /// What an error is called.
    func errorKind(_ command: String, _ arguments: [String] = [], _ options: [String: String] = [:]) async throws
        -> String?
    {
        let query = Parameters(arguments: arguments, options: options).query
        let answer = try await server.post(query.isEmpty ? command : "\(command)?\(query)")
        return answer.headers["x-error-kind"] ?? answer.trailers["x-error-kind"]
    }

    /// The ids of a page.
    func ids(_ command: String, _ arguments: [String] = [], _ options: [String: String] = [:]) async throws
        -> [String]
    {
        try await value(command, arguments, options)["items"]?.elements.compactMap { $0["id"]?.text } ?? []
    }

    /// A second of silence that differs from those of other seeds: mono, 8 bits, 8,000 samples.
    static func wav(seed: UInt8) -> [UInt8] {
        func little(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(value >> (8 * $0) & 0xff) } }
        let samples = [UInt8](repeating: 0x80, count: 7_999) + [seed]
        let format = little(1, 2) + little(1, 2) + little(8_000, 4) + little(8_000, 4) + little(1, 2) + little(8, 2)
        let body =
            Array("WAVEfmt ".utf8) + little(16, 4) + format + Array("data".utf8) + little(samples.count, 4) + samples
        return Array("RIFF".utf8) + little(body.count, 4) + body
    }

    /// A folder with tracks of these names.
    static func album(_ folder: URL, _ name: String, _ tracks: [String]) throws -> String {
        let album = folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: album, withIntermediateDirectories: true)
        for (index, track) in tracks.enumerated() {
            try Data(wav(seed: UInt8(index + 1))).write(to: album.appendingPathComponent(track))
        }
        return album.path
    }
}
