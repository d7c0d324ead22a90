import Foundation
import SansIO

/// What the demo adds: a song and a folder, the same for the same seed.
enum DemoContent {
    struct Item {
        let name: String
        let path: String
        /// Bytes of content in it.
        let size: Int
    }

    static func write(to folder: String, seed: UInt64) throws -> [Item] {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let song = folder + "/song.wav"
        let songSize = try writeSong(to: song, seed: seed)
        let album = folder + "/folder"
        let albumSize = try writeFolder(at: album, seed: seed)
        return [
            Item(name: "song.wav", path: song, size: songSize),
            Item(name: "folder", path: album, size: albumSize),
        ]
    }

    /// Three minutes of 16-bit stereo at 44.1 kHz: a bass, a chord and a melody over them.
    private static func writeSong(to path: String, seed: UInt64) throws -> Int {
        let rate = 44_100
        let frames = rate * 180
        var random = SeededGenerator(seed: seed)
        let scale: [Double] = [0, 2, 4, 7, 9, 12, 14, 16]
        let chords: [[Double]] = [[0, 4, 7], [9, 12, 16], [5, 9, 12], [7, 11, 14]]
        let beat = rate / 2
        var melody: [Double] = []
        for _ in 0...frames / beat { melody.append(scale[Int(random.next() % UInt64(scale.count))]) }

        // One oscillator per voice: a wave table read at a step, instead of eight million sines.
        let table: [Double] = (0..<4096).map { index in
            let angle = Double(index) / 4096 * 2 * Double.pi
            return sin(angle) + 0.3 * sin(2 * angle)
        }
        func step(_ semitone: Double, _ base: Double) -> Double { base * pow(2, semitone / 12) / Double(rate) * 4096 }
        func at(_ phase: Double) -> Double { table[Int(phase) & 4095] }

        var samples = Data(capacity: frames * 4 + 44)
        samples.append(header(dataLength: frames * 4, rate: rate))
        var phases = [Double](repeating: 0, count: 5)
        var block: [UInt8] = []
        block.reserveCapacity(beat * 4)
        for index in 0...frames / beat {
            block.removeAll(keepingCapacity: true)
            let chord = chords[index / 4 % chords.count]
            let steps = [
                step(chord[0], 55), step(chord[0], 220), step(chord[1], 220), step(chord[2], 220),
                step(melody[index], 440),
            ]
            for frame in 0..<min(beat, frames - index * beat) {
                for voice in 0..<5 { phases[voice] += steps[voice] }
                let fade = 1 - Double(frame) / Double(beat)
                let low = at(phases[0]) * 0.25
                let middle = (at(phases[1]) + at(phases[2]) + at(phases[3])) * 0.08
                let high = at(phases[4]) * 0.2 * fade
                for value in [low + middle + high * 0.7, low + middle * 0.8 + high] {
                    let sample = Int16(max(-1, min(1, value)) * 32_000)
                    block.append(UInt8(truncatingIfNeeded: sample))
                    block.append(UInt8(truncatingIfNeeded: sample >> 8))
                }
            }
            samples.append(contentsOf: block)
        }
        try samples.write(to: URL(fileURLWithPath: path))
        return samples.count
    }

    private static func header(dataLength: Int, rate: Int) -> Data {
        func little(_ value: Int, _ bytes: Int) -> [UInt8] {
            (0..<bytes).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
        }
        var header = Array("RIFF".utf8) + little(36 + dataLength, 4) + Array("WAVEfmt ".utf8)
        header += little(16, 4) + little(1, 2) + little(2, 2) + little(rate, 4) + little(rate * 4, 4)
        header += little(4, 2) + little(16, 2) + Array("data".utf8) + little(dataLength, 4)
        return Data(header)
    }

    /// Three hundred small files in folders, and everything that trips up importers: an empty file, an empty
    /// folder, a symlink, names in several scripts.
    private static func writeFolder(at path: String, seed: UInt64) throws -> Int {
        let manager = FileManager.default
        var random = SeededGenerator(seed: seed &+ 1)
        var size = 0
        func write(_ name: String, _ count: Int) throws {
            let url = URL(fileURLWithPath: path).appendingPathComponent(name)
            try manager.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data((0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }).write(to: url)
            size += count
        }
        for index in 0..<300 { try write("notes/part \(index / 50)/note-\(index).txt", Int(random.next() % 6_000) + 1) }
        try write("empty.txt", 0)
        for name in ["música.txt", "音楽.txt", "موسيقى.txt", "музыка.txt", "μουσική.txt", "संगीत.txt", "🎵 song.txt"] {
            try write("names/\(name)", 800)
        }
        try write("cover.jpg", 180_000)
        try manager.createDirectory(atPath: path + "/empty folder", withIntermediateDirectories: true)
        try manager.createSymbolicLink(atPath: path + "/latest", withDestinationPath: "notes/part 0/note-0.txt")
        return size
    }
}
