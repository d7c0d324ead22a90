package import Multiformats
package import NIOCore

/// Writes CAR version 1: a header, then each block behind its length and CID.
package enum CARWriter {
    /// The file's first bytes.
    package static func header(roots: [CID]) -> ByteBuffer {
        var map = ByteBuffer()
        // {"roots": [...], "version": 1}, in dag-cbor's order of keys.
        map.writeInteger(UInt8(0xa2))
        map.writeBytes([0x65] + Array("roots".utf8))
        writeHead(major: 4, UInt64(roots.count), to: &map)
        for root in roots {
            // Tag 42: a byte string of a zero byte and the CID.
            map.writeBytes([0xd8, 0x2a])
            writeHead(major: 2, UInt64(root.byteCount + 1), to: &map)
            map.writeInteger(UInt8(0))
            map.writeCID(root)
        }
        map.writeBytes([0x67] + Array("version".utf8) + [0x01])
        var result = ByteBuffer()
        result.writeVarint(UInt64(map.readableBytes))
        result.writeBuffer(&map)
        return result
    }

    /// What comes before a block's bytes.
    package static func sectionHeader(_ cid: CID, length: Int) -> ByteBuffer {
        var result = ByteBuffer()
        result.reserveCapacity(48)
        result.writeVarint(UInt64(cid.byteCount + length))
        result.writeCID(cid)
        return result
    }

    private static func writeHead(major: UInt8, _ value: UInt64, to buffer: inout ByteBuffer) {
        switch value {
        case 0..<24: buffer.writeInteger(major << 5 | UInt8(value))
        case 24..<0x100: buffer.writeMultipleIntegers(major << 5 | 24, UInt8(value))
        case 0x100..<0x1_0000: buffer.writeMultipleIntegers(major << 5 | 25, UInt16(value))
        default: buffer.writeMultipleIntegers(major << 5 | 26, UInt32(truncatingIfNeeded: value))
        }
    }

    /// The CAR file of everything under `roots`, in the order of a depth-first walk, as buffers to send one
    /// after the other; blocks are not copied.
    package static func export(roots: [CID], window: Int = 16, get: @escaping BlockGet) -> CARExport {
        CARExport(roots: roots, walker: DAGWalker(roots: roots, window: window, get: get))
    }
}

/// A CAR file as it is made. Iterate once.
package struct CARExport: AsyncSequence, Sendable {
    package typealias Element = ByteBuffer

    let roots: [CID]
    let walker: DAGWalker

    package func makeAsyncIterator() -> Iterator {
        Iterator(walk: walker.makeAsyncIterator(), pending: CARWriter.header(roots: roots))
    }

    package struct Iterator: AsyncIteratorProtocol {
        fileprivate let walk: DAGWalker.Iterator
        fileprivate var pending: ByteBuffer?

        package mutating func next() async throws -> ByteBuffer? {
            if let buffer = pending {
                pending = nil
                return buffer
            }
            while let block = try await walk.next() {
                // The bytes of identity CIDs travel inside the links to them.
                guard !block.cid.isIdentity, let data = block.data else { continue }
                pending = data
                return CARWriter.sectionHeader(block.cid, length: data.readableBytes)
            }
            return nil
        }
    }
}
