/// Reads one DNS message, which must fill its bytes up to the last record that it announces.
struct DNSReader {
    private let bytes: [UInt8]
    private var index = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func byte() throws(DNSError) -> UInt8 {
        guard index < bytes.count else { throw .truncated }
        defer { index += 1 }
        return bytes[index]
    }

    mutating func word() throws(DNSError) -> UInt16 { try UInt16(byte()) << 8 | UInt16(byte()) }

    mutating func long() throws(DNSError) -> UInt32 { try UInt32(word()) << 16 | UInt32(word()) }

    mutating func take(_ count: Int) throws(DNSError) -> ArraySlice<UInt8> {
        guard count <= bytes.count - index else { throw .truncated }
        defer { index += count }
        return bytes[index..<index + count]
    }

    /// A name, whose end may be a pointer to an earlier place, and that one's end too.
    ///
    /// Every pointer leads further back than the one before, so reading ends; the name's own limit bounds the work.
    mutating func name() throws(DNSError) -> DNSName {
        var name = DNSName()
        var place = index
        var limit = index
        var isElsewhere = false
        while true {
            guard place < bytes.count else { throw .truncated }
            let first = bytes[place]
            place += 1
            switch first {
            case 0:
                if !isElsewhere { index = place }
                return name
            case 1...63:
                guard Int(first) <= bytes.count - place else { throw .truncated }
                try name.append(bytes[place..<place + Int(first)])
                place += Int(first)
            case 0xc0...:
                guard place < bytes.count else { throw .truncated }
                let target = Int(first & 0x3f) << 8 | Int(bytes[place])
                if !isElsewhere { index = place + 1 }
                isElsewhere = true
                guard target < limit, target >= 12 else { throw .malformed }
                limit = target
                place = target
            default: throw .malformed
            }
        }
    }

    mutating func question() throws(DNSError) -> DNSMessage.Question {
        var question = DNSMessage.Question(try name(), type: try word())
        let recordClass = try word()
        question.recordClass = recordClass & 0x7fff
        question.wantsUnicast = recordClass & 0x8000 != 0
        return question
    }

    mutating func record() throws(DNSError) -> DNSMessage.Record {
        let name = try name()
        let type = try word()
        let recordClass = try word()
        let timeToLive = try long()
        let length = Int(try word())
        guard length <= bytes.count - index else { throw .truncated }
        let end = index + length
        let data = try data(of: type, until: end)
        guard index == end else { throw .malformed }
        var record = DNSMessage.Record(name, flushes: recordClass & 0x8000 != 0, timeToLive: timeToLive, data)
        record.recordClass = recordClass & 0x7fff
        return record
    }

    private mutating func data(of type: UInt16, until end: Int) throws(DNSError) -> DNSMessage.RecordData {
        switch type {
        case DNSMessage.a: return .a(Array(try take(4)))
        case DNSMessage.aaaa: return .aaaa(Array(try take(16)))
        case DNSMessage.ptr: return .ptr(try name())
        case DNSMessage.srv:
            return .srv(priority: try word(), weight: try word(), port: try word(), host: try name())
        case DNSMessage.txt:
            var strings: [[UInt8]] = []
            while index < end { strings.append(Array(try take(Int(try byte())))) }
            return .txt(strings)
        default: return .other(type, Array(try take(end - index)))
        }
    }
}

extension DNSMessage {
    /// Reads a message; bytes behind its last record are ignored, as resolvers do.
    package init(decoding bytes: [UInt8]) throws(DNSError) {
        guard bytes.count <= Self.maximumLength else { throw .tooLarge }
        var reader = DNSReader(bytes)
        id = try reader.word()
        flags = try reader.word()
        let counts = [Int(try reader.word()), Int(try reader.word()), Int(try reader.word()), Int(try reader.word())]
        guard counts.reduce(0, +) <= Self.maximumRecords else { throw .tooLarge }
        for _ in 0..<counts[0] { questions.append(try reader.question()) }
        for _ in 0..<counts[1] { answers.append(try reader.record()) }
        for _ in 0..<counts[2] { authorities.append(try reader.record()) }
        for _ in 0..<counts[3] { additionals.append(try reader.record()) }
    }
}
