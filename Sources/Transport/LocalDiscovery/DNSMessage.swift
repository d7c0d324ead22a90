/// A DNS message as multicast DNS uses them.
///
/// Sources: RFC 1035 section 4, RFC 2782 (SRV), RFC 6762 (the top bit of a class).
package struct DNSMessage: Hashable, Sendable {
    /// The longest message that is read, in bytes (RFC 6762, section 17).
    package static let maximumLength = 9000
    /// The most questions and records together that are read.
    package static let maximumRecords = 256

    /// Something asked.
    package struct Question: Hashable, Sendable {
        package var name: DNSName
        package var type: UInt16
        /// 1 is the Internet, 255 any.
        package var recordClass: UInt16 = 1
        /// Whether the asker would rather have the answer for itself alone.
        package var wantsUnicast = false

        package init(_ name: DNSName, type: UInt16) {
            self.name = name
            self.type = type
        }
    }

    /// Something told.
    package struct Record: Hashable, Sendable {
        package var name: DNSName
        package var recordClass: UInt16 = 1
        /// Whether it replaces what was known of that name and type: for records that only one host has.
        package var flushes = false
        /// How long it may be believed, in seconds; 0 takes it back.
        package var timeToLive: UInt32
        package var data: RecordData

        package init(_ name: DNSName, flushes: Bool = false, timeToLive: UInt32, _ data: RecordData) {
            self.name = name
            self.flushes = flushes
            self.timeToLive = timeToLive
            self.data = data
        }
    }

    /// What a record says.
    package enum RecordData: Hashable, Sendable {
        /// An IPv4 address, four bytes.
        case a([UInt8])
        /// An IPv6 address, sixteen bytes.
        case aaaa([UInt8])
        case ptr(DNSName)
        case srv(priority: UInt16, weight: UInt16, port: UInt16, host: DNSName)
        /// Strings of at most 255 bytes each.
        case txt([[UInt8]])
        /// A type that nobody here reads, as its bytes.
        case other(UInt16, [UInt8])

        /// The number of its type.
        package var type: UInt16 {
            switch self {
            case .a: DNSMessage.a
            case .aaaa: DNSMessage.aaaa
            case .ptr: DNSMessage.ptr
            case .srv: DNSMessage.srv
            case .txt: DNSMessage.txt
            case .other(let type, _): type
            }
        }
    }

    package static let a: UInt16 = 1
    package static let ptr: UInt16 = 12
    package static let txt: UInt16 = 16
    package static let aaaa: UInt16 = 28
    package static let srv: UInt16 = 33
    /// A question about every type.
    package static let any: UInt16 = 255

    /// Zero in multicast, where nobody looks at it.
    package var id: UInt16 = 0
    /// All flags: whether it is an answer, the operation, the result.
    package var flags: UInt16
    package var questions: [Question] = []
    package var answers: [Record] = []
    package var authorities: [Record] = []
    package var additionals: [Record] = []

    /// An empty query, or an empty answer with authority.
    package init(isResponse: Bool) { flags = isResponse ? 0x8400 : 0 }

    package var isResponse: Bool { flags & 0x8000 != 0 }

    /// Whether it is a plain query or answer without an error; others are ignored (RFC 6762, sections 18.3, 18.11).
    package var isOrdinary: Bool { flags & 0x780f == 0 }
}
