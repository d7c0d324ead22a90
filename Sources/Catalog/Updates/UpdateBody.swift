package import Multiformats

/// What an update says, by its kind. Unknown kinds and fields are kept as they came.
package enum UpdateBody: Equatable, Sendable {
    case authorCreate(AuthorCreateBody)
    case profile(ProfileBody)
    case content(ContentBody)
    case contentDelete(DeleteBody)
    case forget(ForgetBody)
    case list(ListBody)
    case listDelete(DeleteBody)
    case listItem(ListItemBody)
    case edge(EdgeBody)
    case comment(CommentBody)
    case commentDelete(DeleteBody)
    case plays(PlaysBody)
    case node(NodeBody)
    case grant(GrantBody)
    case revoke(RevokeBody)
    case rotate(RotateBody)
    case label(LabelBody)
    case unknown(UpdateKind, [DAGEntry])

    /// Reads the body of an update of this kind; everything its bytes alone can violate is checked.
    package init(_ bytes: [UInt8], kind: UpdateKind) throws(UpdateError) {
        try self.init(bytes[...], kind: kind)
    }

    /// The same from a part of an array.
    package init(_ bytes: ArraySlice<UInt8>, kind: UpdateKind) throws(UpdateError) {
        guard bytes.count <= Update.maximumLength else { throw .tooLong(bytes.count) }
        var check = CanonicalCBOR(bytes)
        try check.wholeMap()
        let value: DAGValue
        do { value = try DagCBOR.decode(Array(bytes), mode: .strict) } catch { throw .encoding(error) }
        guard case .map(let entries) = value else { throw .notAMap }
        var fields = BodyFields(entries)
        self =
            switch kind {
            case .authorCreate: .authorCreate(try AuthorCreateBody(&fields))
            case .profileSet: .profile(try ProfileBody(&fields))
            case .contentPut: .content(try ContentBody(&fields))
            case .contentDelete: .contentDelete(try DeleteBody(&fields))
            case .forget: .forget(try ForgetBody(&fields))
            case .listPut: .list(try ListBody(&fields))
            case .listDelete: .listDelete(try DeleteBody(&fields))
            case .listItem: .listItem(try ListItemBody(&fields))
            case .edgeSet: .edge(try EdgeBody(&fields))
            case .commentPut: .comment(try CommentBody(&fields))
            case .commentDelete: .commentDelete(try DeleteBody(&fields))
            case .plays: .plays(try PlaysBody(&fields))
            case .nodeAnnounce: .node(try NodeBody(&fields))
            case .grant: .grant(try GrantBody(&fields))
            case .revoke: .revoke(try RevokeBody(&fields))
            case .rotate: .rotate(try RotateBody(&fields))
            case .label: .label(try LabelBody(&fields))
            default: .unknown(kind, entries)
            }
    }

    /// The kind that goes with it.
    package var kind: UpdateKind {
        switch self {
        case .authorCreate: .authorCreate
        case .profile: .profileSet
        case .content: .contentPut
        case .contentDelete: .contentDelete
        case .forget: .forget
        case .list: .listPut
        case .listDelete: .listDelete
        case .listItem: .listItem
        case .edge: .edgeSet
        case .comment: .commentPut
        case .commentDelete: .commentDelete
        case .plays: .plays
        case .node: .nodeAnnounce
        case .grant: .grant
        case .revoke: .revoke
        case .rotate: .rotate
        case .label: .label
        case .unknown(let kind, _): kind
        }
    }

    /// The fields as they are written, unknown ones included.
    package var entries: [DAGEntry] {
        switch self {
        case .authorCreate(let body): body.entries
        case .profile(let body): body.entries
        case .content(let body): body.entries
        case .contentDelete(let body), .listDelete(let body), .commentDelete(let body): body.entries
        case .forget(let body): body.entries
        case .list(let body): body.entries
        case .listItem(let body): body.entries
        case .edge(let body): body.entries
        case .comment(let body): body.entries
        case .plays(let body): body.entries
        case .node(let body): body.entries
        case .grant(let body): body.entries
        case .revoke(let body): body.entries
        case .rotate(let body): body.entries
        case .label(let body): body.entries
        case .unknown(_, let entries): entries
        }
    }

    /// The canonical bytes, read back once, so that nothing is signed that others would refuse.
    package func encoded() throws(UpdateError) -> [UInt8] {
        let bytes: [UInt8]
        do { bytes = try DagCBOR.encode(.map(entries)) } catch { throw .encoding(error) }
        _ = try UpdateBody(bytes, kind: kind)
        return bytes
    }

    /// What depends on the header too: nobody follows or reposts what is their own, and an announced node has
    /// signed for this author and time.
    ///
    /// `subject` is who the update acts for.
    func check(subject: AuthorID, author: AuthorID, time: UInt64) throws(UpdateError) {
        switch self {
        case .edge(let edge) where edge.relation == .follow || edge.relation == .repost:
            guard edge.target.author != subject else { throw .aboutOneself }
        case .node(let node): try node.verify(author: author, time: time)
        default: break
        }
    }
}
