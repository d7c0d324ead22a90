/// Finds the records of a pack by reading it, for what the index does not know.
///
/// After a damaged place the search goes on at the next possible record start, so one bad header costs one
/// block and not the rest of the pack.
struct PackScanner {
    /// A record that was found.
    struct Found: Sendable {
        var multihash: [UInt8]
        var location: Location
        var added: UInt32
    }

    private let pack: PackFile
    private let salt: UInt64
    private let length: Int64
    private var window: [UInt8] = []
    private var windowStart: Int64 = 0

    init(_ pack: PackFile, salt: UInt64) throws(RepositoryError) {
        self.pack = pack
        self.salt = salt
        length = try pack.file.length()
    }

    /// Calls `body` for every intact record at or after `start`; returns where the last of them ends.
    ///
    /// From `checkingDataFrom` on the data's CRC is checked too: what was written shortly before a power loss
    /// may have a header and no data.
    mutating func scan(
        from start: Int64, checkingDataFrom: Int64, body: (Found) throws -> Void
    ) throws -> Int64 {
        let step = Int64(pack.kind.alignment)
        var position = (max(start, PackFormat.start) + step - 1) & ~(step - 1)
        var end = position
        while position + Int64(PackFormat.fixedLength) <= length {
            guard let header = try header(at: position) else {
                position = try next(after: position, step: step)
                continue
            }
            let record = Int64(
                PackFormat.recordLength(
                    hashLength: header.multihash.count, dataLength: header.dataLength, kind: pack.kind))
            let dataEnd = position + Int64(header.length + header.dataLength)
            var good = dataEnd <= length
            if good, position >= checkingDataFrom { good = try dataIsIntact(header, at: position) }
            guard good else {
                position += step
                continue
            }
            let location = Location(pack: pack.id, offset: position, length: header.dataLength)
            try body(Found(multihash: header.multihash, location: location, added: header.added))
            position += record
            end = position
        }
        return end
    }

    private mutating func header(at position: Int64) throws(RepositoryError) -> RecordHeader? {
        try fill(position, PackFormat.maximumHeaderLength)
        let offset = Int(position - windowStart)
        return unsafe window.withUnsafeBytes { bytes in
            unsafe RecordHeader(UnsafeRawBufferPointer(rebasing: bytes[offset...]), salt: salt)
        }
    }

    private mutating func dataIsIntact(_ header: RecordHeader, at position: Int64) throws(RepositoryError) -> Bool {
        try fill(position, header.length + header.dataLength)
        let offset = Int(position - windowStart) + header.length
        guard window.count >= offset + header.dataLength else { return false }
        return unsafe window.withUnsafeBytes { bytes in
            let data = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + header.dataLength])
            let crc = unsafe crc32c(data)
            return crc == header.dataCRC
        }
    }

    /// Makes the window hold `count` bytes at `position`, or what there is of them.
    private mutating func fill(_ position: Int64, _ count: Int) throws(RepositoryError) {
        let wanted = min(position + Int64(count), length)
        if position >= windowStart, wanted <= windowStart + Int64(window.count) { return }
        // Small records lie close together; large ones are visited a header at a time.
        let ahead = pack.kind == .small ? 1 << 20 : 4096
        window = try pack.file.bytes(max(count, ahead), at: position)
        windowStart = position
    }

    /// The next place where a record may start; holes are leapt over.
    private mutating func next(after position: Int64, step: Int64) throws(RepositoryError) -> Int64 {
        var candidate = position + step
        if candidate % 65_536 == 0, let data = pack.file.nextData(after: candidate) {
            candidate = max(candidate, data & ~(step - 1))
        } else if candidate % 65_536 == 0 {
            return length
        }
        return candidate
    }
}
