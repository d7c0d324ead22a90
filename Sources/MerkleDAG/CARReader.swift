package import Multiformats
package import NIOCore

/// The blocks of a CAR file that comes as a stream, each checked against its CID.
///
///     var reader = CARReader(body)
///     let header = try await reader.readHeader()
///     while let block = try await reader.next() { ... }
package struct CARReader<Source: AsyncIteratorProtocol> where Source.Element == ByteBuffer {
    private var source: Source
    private var parser: CARParser
    /// A block that came while the header was read.
    private var early: CARSection?
    private var sourceEnded = false

    package init<S: AsyncSequence>(_ bytes: S, options: CARParser.Options = .init()) where S.AsyncIterator == Source {
        source = bytes.makeAsyncIterator()
        parser = CARParser(options: options)
    }

    /// Reads as far as the header and returns it.
    package mutating func readHeader() async throws -> CARHeader {
        while true {
            if let header = parser.header { return header }
            early = try await nextSection(stopsAtHeader: true)
            guard parser.header != nil || !sourceEnded else { throw CARError.truncated }
        }
    }

    /// The next block; `nil` at the end of a file that is whole. Throws `CARError`, or what the source throws.
    package mutating func next() async throws -> Block? {
        if let section = early {
            early = nil
            return section.block
        }
        return try await nextSection(stopsAtHeader: false)?.block
    }

    private mutating func nextSection(stopsAtHeader: Bool) async throws -> CARSection? {
        while true {
            if let section = try parser.next() { return section }
            if parser.isAtEnd || (stopsAtHeader && parser.header != nil) { return nil }
            if let bytes = try await source.next(isolation: #isolation) {
                parser.append(bytes)
            } else {
                sourceEnded = true
                try parser.finish()
                return nil
            }
        }
    }
}

/// What an import of a CAR file brought.
package struct CARImport: Hashable, Sendable {
    package let header: CARHeader
    package let blocks: Int
    package let bytes: UInt64
}

extension CARReader {
    /// Stores every block of a CAR file. After an error, blocks that came before it may be stored already.
    package static func importAll<S: AsyncSequence>(
        _ bytes: S, options: CARParser.Options = .init(), put: @escaping BlockPut
    ) async throws -> CARImport where S.AsyncIterator == Source {
        var reader = CARReader(bytes, options: options)
        let sink = BlockSink(put: put)
        var blocks = 0
        var total: UInt64 = 0
        do {
            let header = try await reader.readHeader()
            while let block = try await reader.next() {
                blocks += 1
                total += UInt64(block.data.readableBytes)
                try await sink.append(block)
            }
            try await sink.finish()
            return CARImport(header: header, blocks: blocks, bytes: total)
        } catch {
            await sink.abandon()
            throw error
        }
    }
}
