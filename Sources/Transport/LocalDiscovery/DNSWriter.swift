/// Writes one DNS message, each name's end only once.
struct DNSWriter {
    private(set) var bytes: [UInt8] = []
    /// Where names and their ends stand, for pointers to them.
    private var places: [DNSName: Int] = [:]

    mutating func word(_ value: UInt16) { bytes += [UInt8(value >> 8), UInt8(truncatingIfNeeded: value)] }

    mutating func long(_ value: UInt32) {
        word(UInt16(value >> 16))
        word(UInt16(truncatingIfNeeded: value))
    }

    mutating func name(_ name: DNSName, compressed: Bool = true) {
        var rest = name
        while let label = rest.labels.first, let parent = rest.parent {
            if compressed, let place = places[rest] { return word(0xc000 | UInt16(place)) }
            if bytes.count < 0x4000 { places[rest] = places[rest] ?? bytes.count }
            bytes.append(UInt8(label.count))
            bytes += label
            rest = parent
        }
        bytes.append(0)
    }

    mutating func question(_ question: DNSMessage.Question) {
        name(question.name)
        word(question.type)
        word(question.recordClass & 0x7fff | (question.wantsUnicast ? 0x8000 : 0))
    }

    mutating func record(_ record: DNSMessage.Record) {
        name(record.name)
        word(record.data.type)
        word(record.recordClass & 0x7fff | (record.flushes ? 0x8000 : 0))
        long(record.timeToLive)
        let place = bytes.count
        word(0)
        switch record.data {
        case .a(let address), .aaaa(let address), .other(_, let address): bytes += address
        case .ptr(let target): name(target)
        case .srv(let priority, let weight, let port, let host):
            word(priority)
            word(weight)
            word(port)
            // RFC 2782 wants this one whole.
            name(host, compressed: false)
        case .txt(let strings):
            for string in strings {
                let string = string.prefix(255)
                bytes.append(UInt8(string.count))
                bytes += string
            }
        }
        let length = UInt16(clamping: bytes.count - place - 2)
        bytes[place] = UInt8(length >> 8)
        bytes[place + 1] = UInt8(truncatingIfNeeded: length)
    }
}

extension DNSMessage {
    /// The message's bytes; names are compressed.
    package var encoded: [UInt8] {
        var writer = DNSWriter()
        writer.word(id)
        writer.word(flags)
        for count in [questions.count, answers.count, authorities.count, additionals.count] {
            writer.word(UInt16(clamping: count))
        }
        questions.forEach { writer.question($0) }
        for record in answers + authorities + additionals { writer.record(record) }
        return writer.bytes
    }
}
