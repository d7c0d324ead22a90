import Foundation
import Multiformats
import NIOCore
import PeerCrypto

/// What this machine can do at most, measured before each run, since machines and their moods differ.
struct Limits {
    /// One core's SHA-256 (swift-crypto) of 1 MiB blocks, bytes a second.
    let sha256: Double
    /// One core's ChaCha20-Poly1305 (libsodium) of 64 KiB messages, bytes a second.
    let aead: Double
    /// A plain append to disk with fdatasync every 16 MiB, bytes a second.
    let append: Double

    static func measure(folder: Folders) throws -> Limits {
        var block = ByteBuffer(repeating: 7, count: 1 << 20)
        var sum: UInt64 = 0
        let rounds = 512
        let hashing = Scratch.seconds {
            for round in 0..<rounds {
                block.setInteger(UInt64(round), at: 0)
                sum &+= ContentHash.sha256(block).words?.0 ?? 0
            }
        }
        let aead = sealSeconds(rounds: 4096)
        let append = try appendSeconds(to: folder.disk + "/append", from: folder.bigFile, size: folder.size)
        precondition(sum != 1, "keeps the hashing from being optimised away")
        return Limits(
            sha256: Double(rounds << 20) / hashing, aead: Double(4096 << 16) / aead,
            append: Double(folder.size) / append)
    }

    func report(into table: inout ResultTable) {
        table.note("limit: SHA-256, one core", String(format: "%.0f MB/s", sha256 / 1e6))
        table.note("limit: ChaCha20-Poly1305 at 64 KiB, one core", String(format: "%.0f MB/s", aead / 1e6))
        table.note("limit: append, fdatasync every 16 MiB", String(format: "%.0f MB/s", append / 1e6))
    }

    /// Seconds for `rounds` messages of 64 KiB, sealed in place.
    private static func sealSeconds(rounds: Int) -> Double {
        let key = SecretBytes.random(AEAD.keyLength)
        var buffer = ByteBuffer(repeating: 7, count: 1 << 16)
        return Scratch.seconds {
            for round in 0..<rounds {
                AEAD.sealInPlace(
                    &buffer, at: 0, length: 1 << 16, key: key, nonce: AEAD.Nonce(counter: UInt64(round)))
            }
        }
    }

    private static func appendSeconds(to path: String, from source: String, size: Int) throws -> Double {
        let input = unsafe open(source, O_RDONLY)
        let output = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        defer {
            close(input)
            close(output)
            unsafe unlink(path)
        }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        return Scratch.seconds {
            var done = 0
            while done < size {
                let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(input, $0.baseAddress, $0.count) }
                if count <= 0 { break }
                var rest = buffer[..<count]
                while !rest.isEmpty {
                    let written = unsafe rest.withUnsafeBytes { unsafe write(output, $0.baseAddress, $0.count) }
                    if written <= 0 { return }
                    rest = rest.dropFirst(written)
                }
                done += count
                if done % (16 << 20) == 0 { fdatasync(output) }
            }
            fdatasync(output)
        }
    }
}
