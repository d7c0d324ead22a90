import Foundation
import Multiformats
import PeerCrypto
package import SansIO

/// Files of random bytes, the same for the same seed.
package enum RandomFile {
    /// Writes one, and gives the SHA-256 of its content.
    @discardableResult
    package static func write(
        to path: String, size: Int, using random: inout SeededGenerator
    ) throws -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size + 8)
        while bytes.count < size {
            let word = random.next()
            for shift: UInt64 in stride(from: 0, to: 64, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
        bytes.removeLast(bytes.count - size)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return ContentHash.sha256(bytes).digest
    }
}
