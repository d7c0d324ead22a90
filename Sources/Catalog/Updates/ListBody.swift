package import Multiformats

/// `list.put`: a content list, made or changed. A private list is never published.
package struct ListBody: Equatable, Sendable {
    package var id: String
    package var name: Patch<String> = .unchanged
    package var description: Patch<String> = .unchanged
    package var artwork: Patch<CID> = .unchanged
    package var isAlbum: Patch<Bool> = .unchanged
    /// Fields that are unknown here.
    package var extra: [DAGEntry] = []

    package init(id: String) { self.id = id }

    init(_ fields: inout BodyFields) throws(UpdateError) {
        id = try fields.required("id", BodyFields.id)
        name = try fields.patch("name", BodyFields.text(1...UpdateLimits.title))
        description = try fields.patch("description", BodyFields.text(0...UpdateLimits.description))
        artwork = try fields.patch("artwork", BodyFields.cid)
        isAlbum = try fields.patch("isAlbum", BodyFields.flag)
        extra = fields.left
    }

    var entries: [DAGEntry] {
        var writer = BodyWriter(keeping: extra)
        writer.put("id", id)
        writer.put("name", name)
        writer.put("description", description)
        writer.put("artwork", artwork)
        writer.put("isAlbum", isAlbum)
        return writer.entries
    }
}

/// `list.item`: one change to what a list holds.
///
/// The CID of an `add` is the item's tag, so that one piece of content may occur twice. Items are shown in the
/// order of (position, tag).
package struct ListItemBody: Equatable, Sendable {
    /// The id of the list, which belongs to whoever the update acts for.
    package var list: String
    package var change: Change
    /// Fields that are unknown here.
    package var extra: [DAGEntry] = []

    package init(list: String, _ change: Change) {
        self.list = list
        self.change = change
    }

    /// What happens to the list.
    package enum Change: Hashable, Sendable {
        case add(EntityRef, ListPosition)
        case move(tag: UpdateID, ListPosition)
        /// 1 to 500 tags, without order.
        case remove([UpdateID])
    }

    init(_ fields: inout BodyFields) throws(UpdateError) {
        list = try fields.required("list", BodyFields.id)
        if let item = try fields.optional("add", EntityRef.init) {
            change = .add(item, try fields.required("position", ListPosition.init))
        } else if let tag = try fields.optional("move", BodyFields.update) {
            change = .move(tag: tag, try fields.required("position", ListPosition.init))
        } else {
            let tags = BodyFields.list(1...UpdateLimits.removedTags, of: BodyFields.update)
            change = .remove(try fields.required("remove", tags))
        }
        extra = fields.left
        // Two changes in one would be understood differently by whoever looks for the other first.
        for key in ["add", "move", "remove", "position"] where extra.contains(where: { $0.key == key }) {
            throw .badField(key)
        }
    }

    var entries: [DAGEntry] {
        var writer = BodyWriter(keeping: extra)
        writer.put("list", list)
        switch change {
        case .add(let item, let position):
            writer.put("add", item.value)
            writer.put("position", .bytes(position.bytes))
        case .move(let tag, let position):
            writer.put("move", .link(tag.cid))
            writer.put("position", .bytes(position.bytes))
        case .remove(let tags): writer.put("remove", .list(tags.map { .link($0.cid) }))
        }
        return writer.entries
    }
}

/// A place in a list: 1 to 64 bytes, ordered bytewise, and never ending in zero, so that there is always a place
/// between two of them.
package struct ListPosition: Hashable, Comparable, Sendable {
    package let bytes: [UInt8]

    /// `nil` for no bytes, more than 64, or a zero at the end.
    package init?(_ bytes: [UInt8]) {
        guard let last = bytes.last, last != 0, bytes.count <= UpdateLimits.position else { return nil }
        self.bytes = bytes
    }

    init(_ value: DAGValue, _ field: String) throws(UpdateError) {
        guard case .bytes(let bytes) = value, let position = ListPosition(bytes) else { throw .badField(field) }
        self = position
    }

    package static func < (left: ListPosition, right: ListPosition) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }

    /// A place behind `lower` (`nil`: the beginning) and before `upper` (`nil`: the end).
    ///
    /// `nil` when `lower` is not before `upper`, or when 64 bytes are not enough; the list must then be renumbered
    /// by moves.
    package static func between(_ lower: ListPosition?, _ upper: ListPosition?) -> ListPosition? {
        if let lower, let upper, !(lower < upper) { return nil }
        var result: [UInt8] = []
        var above = upper?.bytes
        for index in 0..<UpdateLimits.position {
            let low = lower.map { index < $0.bytes.count ? Int($0.bytes[index]) : 0 } ?? 0
            let high = above.map { index < $0.count ? Int($0[index]) : 0 } ?? 256
            // A step of 8 towards an open end lets many be added in a row before the bytes grow.
            if high - low > 1 {
                let isOpen = above == nil && lower != nil
                result.append(UInt8(isOpen ? min(low + 8, low + (high - low) / 2) : low + (high - low) / 2))
                return ListPosition(result)
            }
            result.append(UInt8(low))
            if low < high { above = nil }
        }
        return nil
    }
}
