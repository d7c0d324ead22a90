package import Multiformats
package import NIOCore
package import PeerCrypto

/// What a CAR file says before its blocks.
package struct CARHeader: Hashable, Sendable {
    /// 1 or 2, of the file as a whole.
    package let version: Int
    /// Where its DAGs start; may be empty.
    package let roots: [CID]
    /// Where a version 2 file's index starts, in bytes from the file's start; `nil` when it has none.
    package let indexOffset: UInt64?
}

/// One block of a CAR file.
package struct CARSection: Hashable, Sendable {
    /// The block, whose bytes were checked against its CID.
    package let block: Block
    /// Where its length starts, in bytes from the start of the version 1 payload: what indexes hold.
    package let offset: UInt64
}

/// Reads a CAR file, version 1 or 2, from bytes that come in pieces, and checks every block's hash.
///
/// It never looks back: a version 2 index is passed over (it may lie, and blocks come in order anyway).
/// Sections of identity CIDs, which need no storing, are skipped. Feed it with `append`, ask `next` until it
/// gives `nil`, and call `finish` when the source ends.
/// Source: https://ipld.io/specs/transport/car/
package struct CARParser: Sendable {
    /// The longest header, in bytes (GHSA-f2gr-7299-487h).
    package static let maximumHeader = 1 << 20
    /// The longest section: a CID and a block, in bytes.
    package static let maximumSection = Block.maximumLength + CID.maximumWireLength

    package struct Options: Sendable {
        /// Whether a section of length 0 ends the file, as in files that were made longer in advance; otherwise
        /// it is an error.
        package var zeroLengthEndsFile = false

        package init(zeroLengthEndsFile: Bool = false) { self.zeroLengthEndsFile = zeroLengthEndsFile }
    }

    private enum Phase {
        case header
        /// The fixed fields of version 2.
        case characteristics
        /// So many bytes until the version 1 payload.
        case skipping(UInt64)
        case innerHeader
        case sections
        case ended
    }

    /// What the file says of itself; `nil` until enough of it came.
    package private(set) var header: CARHeader?

    private let options: Options
    private var phase = Phase.header
    private var buffer = ByteBuffer()
    /// The bytes of the payload that were parsed, and its length where the file says it.
    private var offset: UInt64 = 0
    private var payloadLength: UInt64?
    private var indexOffset: UInt64?

    package init(options: Options = Options()) { self.options = options }

    /// Whether all blocks were read; what follows in the file is of no interest.
    package var isAtEnd: Bool { if case .ended = phase { true } else { false } }

    /// Takes the file's next bytes.
    package mutating func append(_ bytes: ByteBuffer) {
        guard !isAtEnd else { return }
        buffer.gather(bytes)
    }

    /// The next block; `nil` when more bytes are needed or the file is at its end.
    package mutating func next() throws(CARError) -> CARSection? {
        while true {
            switch phase {
            case .header: guard try readHeader() else { return nil }
            case .characteristics: guard try readCharacteristics() else { return nil }
            case .skipping(let left):
                let step = min(left, UInt64(buffer.readableBytes))
                buffer.moveReaderIndex(forwardBy: Int(step))
                guard step == left else {
                    phase = .skipping(left - step)
                    return nil
                }
                phase = .innerHeader
            case .innerHeader: guard try readInnerHeader() else { return nil }
            case .sections:
                if let payloadLength, offset >= payloadLength {
                    guard offset == payloadLength else { throw .sectionBeyondPayload }
                    end()
                    return nil
                }
                guard let read = try readSection() else { return nil }
                if let section = read.section { return section }
            case .ended: return nil
            }
        }
    }

    /// Says that the source ended; throws when the file should go on.
    package mutating func finish() throws(CARError) {
        switch phase {
        case .ended: return
        case .sections where payloadLength == nil && buffer.readableBytes == 0: end()
        default: throw .truncated
        }
    }

    private mutating func end() {
        phase = .ended
        buffer = ByteBuffer()
    }

    // MARK: Headers

    private mutating func readHeader() throws(CARError) -> Bool {
        guard let (version, roots) = try readHeaderMap() else { return false }
        switch version {
        case 1:
            header = CARHeader(version: 1, roots: roots ?? [], indexOffset: nil)
            guard roots != nil else { throw .invalidHeader("it has no roots") }
            phase = .sections
        case 2:
            offset = 0
            phase = .characteristics
        default: throw .unsupportedVersion(version)
        }
        return true
    }

    private mutating func readCharacteristics() throws(CARError) -> Bool {
        guard buffer.readableBytes >= 40 else { return false }
        buffer.moveReaderIndex(forwardBy: 16)
        guard
            let (start, length, index) = buffer.readMultipleIntegers(
                endianness: .little, as: (UInt64, UInt64, UInt64).self)
        else { return false }
        // The pragma has 11 bytes and these fields 40.
        guard start >= 51 else { throw .invalidHeader("its payload starts inside its header") }
        payloadLength = length
        indexOffset = index == 0 ? nil : index
        phase = .skipping(start - 51)
        return true
    }

    private mutating func readInnerHeader() throws(CARError) -> Bool {
        guard let (version, roots) = try readHeaderMap() else { return false }
        guard version == 1, let roots else { throw .invalidHeader("its payload is not version 1") }
        header = CARHeader(version: 2, roots: roots, indexOffset: indexOffset)
        phase = .sections
        return true
    }

    /// A header's version and roots; `nil` when more bytes are needed.
    private mutating func readHeaderMap() throws(CARError) -> (version: UInt64, roots: [CID]?)? {
        guard let (length, prefix) = try peekLength() else { return nil }
        guard length > 0, length <= UInt64(CARParser.maximumHeader) else { throw .headerTooLong(length) }
        guard buffer.readableBytes >= prefix + Int(length) else { return nil }
        buffer.moveReaderIndex(forwardBy: prefix)
        guard let bytes = buffer.readSlice(length: Int(length)) else { return nil }
        offset += UInt64(prefix) + length
        let value: DAGValue
        do { value = try DagCBOR.decode(bytes) } catch { throw .invalidHeader(error.description) }
        guard case .map(let entries) = value, case .integer(let version)? = value["version"],
            let number = version.uint64
        else { throw .invalidHeader("it names no version") }
        guard entries.allSatisfy({ $0.key == "version" || $0.key == "roots" }) else {
            throw .invalidHeader("it has fields that do not belong there")
        }
        guard let roots = value["roots"] else { return (number, nil) }
        guard case .list(let list) = roots else { throw .invalidHeader("its roots are no list") }
        var cids: [CID] = []
        for item in list {
            guard case .link(let cid) = item else { throw .invalidHeader("a root is no link") }
            cids.append(cid)
        }
        return (number, cids)
    }

    // MARK: Sections

    /// Reads a section; one without a block is an identity CID's, or the file's end.
    private mutating func readSection() throws(CARError) -> (section: CARSection?, Void)? {
        guard let (length, prefix) = try peekLength() else { return nil }
        if length == 0 {
            guard options.zeroLengthEndsFile else { throw .emptySection }
            end()
            return (nil, ())
        }
        guard length <= UInt64(CARParser.maximumSection) else { throw .sectionTooLong(length) }
        let start = offset
        let total = UInt64(prefix) + length
        if let payloadLength, total > payloadLength - start { throw .sectionBeyondPayload }
        guard UInt64(buffer.readableBytes) >= total else { return nil }
        buffer.moveReaderIndex(forwardBy: prefix)
        guard var section = buffer.readSlice(length: Int(length)) else { return nil }
        offset += total
        let cid = try CARParser.readCID(&section)
        if cid.isIdentity { return (nil, ()) }
        do throws(ContentError) {
            return (CARSection(block: try Block(verifying: section, as: cid), offset: start), ())
        } catch {
            throw .invalidBlock(error)
        }
    }

    private static func readCID(_ section: inout ByteBuffer) throws(CARError) -> CID {
        let count = min(section.readableBytes, CID.maximumWireLength)
        guard let head = section.getBytes(at: section.readerIndex, length: count) else { throw .truncated }
        var length = 0
        let cid: CID
        do { cid = try CID(reading: head, at: &length) } catch { throw .invalidCID(error) }
        section.moveReaderIndex(forwardBy: length)
        return cid
    }

    private func peekLength() throws(CARError) -> (value: UInt64, length: Int)? {
        do { return try buffer.peekVarint() } catch { throw .invalidLength(error) }
    }
}

/// Why a CAR file cannot be read. Scope: the file; blocks before the error are good.
package enum CARError: Error, Hashable, Sendable {
    case truncated
    case invalidLength(VarintError)
    case headerTooLong(UInt64)
    case invalidHeader(String)
    case unsupportedVersion(UInt64)
    case emptySection
    case sectionTooLong(UInt64)
    /// A section of a version 2 file reaches past its payload.
    case sectionBeyondPayload
    case invalidCID(MultiformatError)
    case invalidBlock(ContentError)
}

extension CARError: CustomStringConvertible {
    /// What is wrong, in words for a user.
    package var description: String {
        switch self {
        case .truncated: "the CAR file ends too early"
        case .invalidLength: "the CAR file is damaged: a length is no number"
        case .headerTooLong(let length): "the CAR file's header claims \(length) bytes"
        case .invalidHeader(let reason): "the CAR file's header is not valid: \(reason)"
        case .unsupportedVersion(let version): "CAR version \(version) is unknown"
        case .emptySection: "the CAR file has an empty section"
        case .sectionTooLong(let length): "a section of the CAR file claims \(length) bytes"
        case .sectionBeyondPayload: "a section of the CAR file reaches past its payload"
        case .invalidCID(let error): "a CID in the CAR file is not valid: \(error)"
        case .invalidBlock(let error): "a block in the CAR file is not valid: \(error)"
        }
    }
}
