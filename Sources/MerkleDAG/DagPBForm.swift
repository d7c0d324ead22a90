package import Multiformats
import NIOCore

/// dag-pb nodes as values of the data model, which is how they are shown as and made from dag-json.
///
/// Source: https://ipld.io/specs/codecs/dag-pb/spec/#logical-format
extension DagPB.Node {
    /// `{"Data": bytes, "Links": [{"Hash": link, "Name": text, "Tsize": number}]}`; what is absent is left out.
    ///
    /// Errors: a name that is not UTF-8 has no such form.
    package func value() throws(DAGFormatError) -> DAGValue {
        var list: [DAGValue] = []
        for link in links {
            var entries = [DAGEntry("Hash", .link(link.cid))]
            if let name = link.name {
                guard let text = String(validating: name, as: UTF8.self) else { throw .protobuf(.invalidUTF8) }
                entries.append(DAGEntry("Name", .string(text)))
            }
            if let tsize = link.tsize { entries.append(DAGEntry("Tsize", .integer(DAGInteger(tsize)))) }
            list.append(.map(entries))
        }
        var entries: [DAGEntry] = []
        if let data { entries.append(DAGEntry("Data", .bytes(Array(data.readableBytesView)))) }
        entries.append(DAGEntry("Links", .list(list)))
        return .map(entries)
    }

    /// Reads that form strictly: every field of its type, none that does not belong there, links sorted.
    package init(_ value: DAGValue) throws(DAGFormatError) {
        guard case .map(let entries) = value else { throw .notA("dag-pb node") }
        self.init()
        var hasLinks = false
        for entry in entries {
            switch (entry.key, entry.value) {
            case ("Data", .bytes(let bytes)): data = ByteBuffer(bytes: bytes)
            case ("Links", .list(let list)):
                hasLinks = true
                for item in list { links.append(try DagPB.Link(item)) }
            default: throw .notA("dag-pb node")
            }
        }
        guard hasLinks else { throw .notA("dag-pb node") }
        for (left, right) in zip(links, links.dropFirst())
        where (right.name ?? []).lexicographicallyPrecedes(left.name ?? []) {
            throw .unsortedLinks
        }
    }
}

extension DagPB.Link {
    fileprivate init(_ value: DAGValue) throws(DAGFormatError) {
        guard case .map(let entries) = value else { throw .notA("dag-pb link") }
        var cid: CID?
        var name: [UInt8]?
        var tsize: UInt64?
        for entry in entries {
            switch (entry.key, entry.value) {
            case ("Hash", .link(let link)): cid = link
            case ("Name", .string(let text)): name = Array(text.utf8)
            case ("Tsize", .integer(let number)):
                guard let size = number.uint64 else { throw .notA("dag-pb link") }
                tsize = size
            default: throw .notA("dag-pb link")
            }
        }
        guard let cid else { throw .missingHash }
        self.init(cid: cid, name: name, tsize: tsize)
    }
}
