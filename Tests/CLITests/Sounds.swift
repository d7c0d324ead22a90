import Foundation

/// Sounds and pictures to publish, written byte by byte.
enum Sounds {
    /// Noise that differs from that of other seeds: mono, 8 bits, 8,000 samples a second.
    static func wav(seed: UInt64, samples: Int = 8_000) -> Data {
        func little(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(value >> (8 * $0) & 0xff) } }
        let format = little(1, 2) + little(1, 2) + little(8_000, 4) + little(8_000, 4) + little(1, 2) + little(8, 2)
        // An array: a million appends to `Data` take a second.
        var file = Array("RIFF".utf8) + little(samples + 36, 4) + Array("WAVEfmt ".utf8) + little(16, 4) + format
        file += Array("data".utf8) + little(samples, 4)
        file.reserveCapacity(file.count + samples)
        var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
        for _ in 0..<samples {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            file.append(UInt8(truncatingIfNeeded: state >> 32))
        }
        return Data(file)
    }

    /// A folder with tracks of these names, each another noise.
    static func album(
        in folder: URL, _ name: String, _ tracks: [String], samples: Int = 8_000, seed: UInt64 = 1
    ) throws -> String {
        let album = folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: album, withIntermediateDirectories: true)
        for (index, track) in tracks.enumerated() {
            try wav(seed: seed + UInt64(index), samples: samples).write(to: album.appendingPathComponent(track))
        }
        return album.path
    }

    /// One red pixel.
    static let png =
        Data(
            base64Encoded:
                "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC")
        ?? Data()
}
