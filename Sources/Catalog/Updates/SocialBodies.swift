package import Multiformats

/// `edge.set`: an author's follow, save, repost or subscription, on or off.
package struct EdgeBody: Equatable, Sendable {
    /// What the edge means; others than these are kept and ignored.
    package struct Relation: RawRepresentable, Hashable, Sendable {
        package let rawValue: String
        package init(rawValue: String) { self.rawValue = rawValue }

        /// Of an author.
        package static let follow = Relation(rawValue: "follow")
        /// Of content or a list.
        package static let save = Relation(rawValue: "save")
        /// Of content or a list, never of one's own.
        package static let repost = Relation(rawValue: "repost")
        /// Of an author.
        package static let subscribe = Relation(rawValue: "subscribe")
    }

    package var relation: Relation
    package var target: Reference
    package var isOn: Bool
    /// Fields that are unknown here.
    package var extra: [DAGEntry] = []

    package init(_ relation: Relation, _ target: Reference, isOn: Bool = true) {
        self.relation = relation
        self.target = target
        self.isOn = isOn
    }

    init(_ fields: inout BodyFields) throws(UpdateError) {
        relation = Relation(rawValue: try fields.required("rel", BodyFields.text(1...UpdateLimits.word)))
        target = try fields.required("target", Reference.init)
        isOn = try fields.required("on", BodyFields.flag)
        extra = fields.left
        switch (relation, target) {
        case (.follow, .author), (.subscribe, .author), (.save, .content), (.save, .list), (.repost, .content),
            (.repost, .list):
            break
        case (.follow, _), (.subscribe, _), (.save, _), (.repost, _): throw .badField("target")
        default: break
        }
    }

    var entries: [DAGEntry] {
        var writer = BodyWriter(keeping: extra)
        writer.put("rel", relation.rawValue)
        writer.put("target", target.value)
        writer.put("on", .bool(isOn))
        return writer.entries
    }
}

/// `comment.put`: a comment on content, made or changed.
package struct CommentBody: Equatable, Sendable {
    package var id: String
    package var content: EntityRef
    /// The comment that this one answers.
    package var parent: EntityRef?
    /// 1 to 400 Unicode scalars.
    package var text: String
    /// Fields that are unknown here.
    package var extra: [DAGEntry] = []

    package init(id: String, on content: EntityRef, parent: EntityRef? = nil, text: String) {
        self.id = id
        self.content = content
        self.parent = parent
        self.text = text
    }

    init(_ fields: inout BodyFields) throws(UpdateError) {
        id = try fields.required("id", BodyFields.id)
        content = try fields.required("content", EntityRef.init)
        parent = try fields.optional("parent", EntityRef.init)
        text = try fields.required("text", BodyFields.text(1...UpdateLimits.comment))
        extra = fields.left
    }

    var entries: [DAGEntry] {
        var writer = BodyWriter(keeping: extra)
        writer.put("id", id)
        writer.put("content", content.value)
        if let parent { writer.put("parent", parent.value) }
        writer.put("text", text)
        return writer.entries
    }
}

/// `plays`: how often a node served content, as it reports it. The greatest count per (author, content, day)
/// stands, so a repeat adds nothing.
package struct PlaysBody: Equatable, Sendable {
    /// One row of the tally.
    package struct Row: Hashable, Sendable {
        package var content: EntityRef
        /// Days since 1970-01-01, UTC.
        package var day: UInt64
        package var count: UInt64

        package init(_ content: EntityRef, day: UInt64, count: UInt64) {
            self.content = content
            self.day = day
            self.count = count
        }
    }

    package var rows: [Row]
    /// Fields that are unknown here.
    package var extra: [DAGEntry] = []

    package init(_ rows: [Row]) { self.rows = rows }

    init(_ fields: inout BodyFields) throws(UpdateError) {
        rows = try fields.required("plays", BodyFields.list(0...UpdateLimits.plays, of: Row.init))
        extra = fields.left
    }

    var entries: [DAGEntry] {
        var writer = BodyWriter(keeping: extra)
        writer.put("plays", .list(rows.map(\.value)))
        return writer.entries
    }
}

extension PlaysBody.Row {
    init(_ value: DAGValue, _ field: String) throws(UpdateError) {
        var fields = try BodyFields(value, named: field)
        content = try fields.required("content", EntityRef.init)
        day = try fields.required("day", BodyFields.number)
        count = try fields.required("count", BodyFields.number)
        try fields.expectNoMore(in: field)
    }

    var value: DAGValue {
        var writer = BodyWriter(keeping: [])
        writer.put("content", content.value)
        writer.put("day", day)
        writer.put("count", count)
        return .map(writer.entries)
    }
}

/// `label`: moderation that other nodes may choose to follow.
package struct LabelBody: Equatable, Sendable {
    package var subject: Reference
    /// Such as `spam`.
    package var label: String
    package var reason: String?
    /// `false` takes the label back.
    package var isOn: Bool
    /// Fields that are unknown here.
    package var extra: [DAGEntry] = []

    package init(_ subject: Reference, label: String, reason: String? = nil, isOn: Bool = true) {
        self.subject = subject
        self.label = label
        self.reason = reason
        self.isOn = isOn
    }

    init(_ fields: inout BodyFields) throws(UpdateError) {
        subject = try fields.required("subject", Reference.init)
        label = try fields.required("label", BodyFields.text(1...UpdateLimits.word))
        reason = try fields.optional("reason", BodyFields.text(0...UpdateLimits.reason))
        isOn = try fields.optional("on", BodyFields.flag) ?? true
        extra = fields.left
    }

    var entries: [DAGEntry] {
        var writer = BodyWriter(keeping: extra)
        writer.put("subject", subject.value)
        writer.put("label", label)
        if let reason { writer.put("reason", reason) }
        if !isOn { writer.put("on", .bool(false)) }
        return writer.entries
    }
}
