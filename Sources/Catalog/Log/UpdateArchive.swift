import Multiformats
package import NIOCore

/// Updates in a file: a line that names the format, then each update's length as a varint and its bytes.
///
/// Whoever reads one in verifies everything, so a file from anyone will do. In the order of the times an import
/// never waits for an ancestor.
package enum UpdateArchive {
    /// The first line.
    package static let header = Array("coliving-updates/1\n".utf8)

    /// Appends one update.
    package static func append(_ block: [UInt8], to bytes: inout [UInt8]) {
        Varint.append(UInt64(block.count), to: &bytes)
        bytes += block
    }

    /// Takes the updates apart that arrive in pieces of any size.
    package struct Reader {
        private var buffer = ByteBuffer()
        private var hasHeader = false

        package init() {}

        /// Adds a piece, and returns the updates that are whole now.
        package mutating func receive(_ piece: ByteBuffer) throws(UpdateArchiveError) -> [[UInt8]] {
            var piece = piece
            buffer.writeBuffer(&piece)
            if !hasHeader {
                guard buffer.readableBytes >= header.count else {
                    guard header.starts(with: buffer.readableBytesView) else { throw .otherFormat }
                    return []
                }
                guard buffer.readBytes(length: header.count) == header else { throw .otherFormat }
                hasHeader = true
            }
            var blocks: [[UInt8]] = []
            while let length = try nextLength(), let bytes = buffer.readBytes(length: length) { blocks.append(bytes) }
            buffer.discardReadBytes()
            return blocks
        }

        /// To be called at the end of the file; throws when an update is cut off.
        package func finish() throws(UpdateArchiveError) {
            guard hasHeader else { throw .otherFormat }
            guard buffer.readableBytes == 0 else { throw .truncated }
        }

        /// The length of the update that comes next, once it is here as a whole.
        private mutating func nextLength() throws(UpdateArchiveError) -> Int? {
            var length = 0
            for (index, byte) in buffer.readableBytesView.enumerated() {
                // Three bytes hold 2 MiB, far beyond the longest update.
                guard index < 3 else { throw .tooLong }
                length |= Int(byte & 0x7f) << (7 * index)
                guard byte & 0x80 == 0 else { continue }
                guard length <= Update.maximumLength else { throw .tooLong }
                guard buffer.readableBytes >= index + 1 + length else { return nil }
                buffer.moveReaderIndex(forwardBy: index + 1)
                return length
            }
            return nil
        }
    }
}

/// Why a file is no archive of updates.
package enum UpdateArchiveError: Error, Hashable, Sendable {
    case otherFormat
    /// An update longer than any can be.
    case tooLong
    /// The file ends within an update.
    case truncated
}

extension UpdateArchiveError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .otherFormat: "this is no export of a catalog"
        case .tooLong: "an update in it is longer than any can be"
        case .truncated: "it ends within an update"
        }
    }
}

extension UpdateLog {
    /// Every update that is held in the order of the times, in pieces of an archive of about 256 KiB; the first has
    /// the header line. Headers without a body come alone. One view of the log, whatever arrives meanwhile.
    package func export(_ piece: ([UInt8]) throws -> Void) throws(CatalogError) {
        try database.read { database in
            var bytes = UpdateArchive.header
            try database.sql(
                "SELECT header, body FROM log_updates WHERE header IS NOT NULL ORDER BY time, digest"
            ).run { row in
                UpdateArchive.append(row.blobs(0, 1), to: &bytes)
                guard bytes.count >= 256 * 1024 else { return }
                try piece(bytes)
                bytes.removeAll(keepingCapacity: true)
            }
            try piece(bytes)
        }
    }
}
