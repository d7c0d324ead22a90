import Foundation
import SansIO

/// What the demo adds beside the album: a folder, the same for the same seed.
enum DemoContent {
    /// Bytes of content in what `write` writes, and the folder's path.
    struct Folder {
        let path: String
        let size: Int
    }

    /// Three hundred small files in folders, and everything that trips up importers: an empty file, an empty
    /// folder, a symlink, names in several scripts.
    static func write(to path: String, seed: UInt64) throws -> Folder {
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
        return Folder(path: path, size: size)
    }
}
