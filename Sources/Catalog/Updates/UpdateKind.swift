/// What an update is about. Kinds that are not known here are kept, forwarded and ignored by the view.
package struct UpdateKind: RawRepresentable, Hashable, Sendable {
    /// The longest name, in bytes of UTF-8.
    package static let maximumLength = 64

    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }

    /// The first update of every author.
    package static let authorCreate = UpdateKind(rawValue: "author.create")
    package static let profileSet = UpdateKind(rawValue: "profile.set")
    package static let contentPut = UpdateKind(rawValue: "content.put")
    package static let contentDelete = UpdateKind(rawValue: "content.delete")
    /// Hides the author's own updates, and lets their bodies go.
    package static let forget = UpdateKind(rawValue: "forget")
    package static let listPut = UpdateKind(rawValue: "list.put")
    package static let listDelete = UpdateKind(rawValue: "list.delete")
    package static let listItem = UpdateKind(rawValue: "list.item")
    package static let edgeSet = UpdateKind(rawValue: "edge.set")
    package static let commentPut = UpdateKind(rawValue: "comment.put")
    package static let commentDelete = UpdateKind(rawValue: "comment.delete")
    package static let plays = UpdateKind(rawValue: "plays")
    package static let nodeAnnounce = UpdateKind(rawValue: "node.announce")
    package static let grant = UpdateKind(rawValue: "grant")
    package static let revoke = UpdateKind(rawValue: "revoke")
    package static let rotate = UpdateKind(rawValue: "rotate")
    package static let label = UpdateKind(rawValue: "label")

    /// Every kind that has a typed body.
    package static let known: [UpdateKind] = [
        .authorCreate, .profileSet, .contentPut, .contentDelete, .forget, .listPut, .listDelete, .listItem, .edgeSet,
        .commentPut, .commentDelete, .plays, .nodeAnnounce, .grant, .revoke, .rotate, .label,
    ]

    /// Whether it decides who may sign or act: such bodies are never erased, and an update of this kind is not
    /// taken without its body.
    package var isRights: Bool { self == .authorCreate || self == .rotate || self == .grant || self == .revoke }

    /// Whether it may be done for another author under a grant. What is about the log itself may not, so there is
    /// no granting on.
    package var mayBeGranted: Bool { !isRights && self != .forget && self != .nodeAnnounce }
}

extension UpdateKind: CustomStringConvertible {
    package var description: String { rawValue }
}
