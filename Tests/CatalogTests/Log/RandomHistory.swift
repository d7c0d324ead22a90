import Catalog
import Multiformats
import PeerCrypto
import SansIO

/// A random history of several authors: forks, rotations by the true recovery key, rival rotations, grants, revokes,
/// forgetting, and acts for others with and without the right to; clocks that are days ahead, and some that jump. All
/// of it is valid; what counts is another matter.
struct RandomHistory {
    struct Author {
        let id: AuthorID
        /// By the `author.create` or `rotate` that put it in force.
        var keys: [UpdateID: KeyPair]
        var recoveries: [UpdateID: RecoveryKey]
        /// Era by update.
        var eras: [UpdateID: UpdateID]
        var updates: [Update]
    }

    private(set) var authors: [Author] = []
    private(set) var updates: [Update] = []
    private var grants: [Update] = []
    private var luck: SeededGenerator
    private var nextKey: UInt8 = 1

    init(seed: UInt64, authors count: Int, updates total: Int) throws {
        luck = SeededGenerator(seed: seed)
        for _ in 0..<count { try addAuthor() }
        while updates.count < total { try addUpdate() }
    }

    private mutating func draw(_ bound: Int) -> Int { Int.random(in: 0..<max(1, bound), using: &luck) }

    private mutating func newKey() -> KeyPair {
        nextKey &+= 1
        return KeyPair(seed: (0..<32).map { _ in UInt8.random(in: 0...255, using: &luck) })
    }

    private mutating func newRecovery() -> RecoveryKey {
        RecoveryKey(seed: SecretBytes((0..<32).map { _ in UInt8.random(in: 0...255, using: &luck) }))
    }

    private mutating func addAuthor() throws {
        let (key, recovery) = (newKey(), newRecovery())
        let first = try Update.sign(
            .authorCreate(AuthorCreateBody(recovery: recovery.hash)), author: nil, prev: [], seq: 0,
            time: UInt64(1_000 + draw(5_000) + (draw(3) == 0 ? 400_000_000 : 0)), with: key)
        authors.append(
            Author(
                id: first.author, keys: [first.id: key], recoveries: [first.id: recovery], eras: [first.id: first.id],
                updates: [first]))
        updates.append(first)
    }

    /// Mostly the last updates, sometimes any: a fork. All of one era.
    private mutating func heads(of author: Author) -> [Update] {
        let anchor = draw(4) == 0 ? draw(author.updates.count) : author.updates.count - 1 - draw(2)
        let first = author.updates[max(0, anchor)]
        var heads = [first]
        for _ in 0..<draw(3) {
            let other = author.updates[draw(author.updates.count)]
            if author.eras[other.id] == author.eras[first.id], !heads.contains(where: { $0.id == other.id }) {
                heads.append(other)
            }
        }
        return heads.sorted { $0.id < $1.id }
    }

    private mutating func addUpdate() throws {
        let index = draw(authors.count)
        let author = authors[index]
        let heads = heads(of: author)
        guard let head = heads.first, let era = author.eras[head.id], let key = author.keys[era],
            let recovery = author.recoveries[era]
        else { return }
        let seq = (heads.map(\.seq).max() ?? 0) + 1
        let time = (heads.map(\.time).max() ?? 0) + UInt64(1 + draw(500) + (draw(40) == 0 ? 90_000_000 : 0))
        var (signer, acting): (KeyPair, UpdateHeader.Acting?) = (key, nil)
        var after: (key: KeyPair, recovery: RecoveryKey)?
        let body: UpdateBody
        switch draw(28) {
        case 0:
            let new = (newKey(), newRecovery())
            after = new
            body = .rotate(RotateBody(key: new.0.publicKey.data, recovery: new.1.hash))
            signer = KeyPair(seed: recovery.seed)
        case 1: body = .forget(ForgetBody((0...draw(3)).map { _ in author.updates[draw(author.updates.count)].id }))
        case 2, 3, 4:
            let entity: Reference? = draw(3) == 0 ? .content(EntityRef(author.id, "c\(draw(3))")) : nil
            body = .grant(
                GrantBody(
                    to: authors[draw(authors.count)].id,
                    kinds: draw(5) == 0 ? [.profileSet] : [.contentPut, .profileSet],
                    entity: entity))
        case 5:
            guard let grant = grants.isEmpty ? nil : grants[draw(grants.count)], case .grant(let given) = grant.body,
                let grantee = authors.first(where: { $0.id == given.grantee })
            else { return }
            let keep = (0..<draw(3)).map { _ in grantee.updates[draw(grantee.updates.count)].id }
            body = .revoke(RevokeBody(grant.id, keep: keep))
        case 8...12:
            guard let grant = grants.isEmpty ? nil : grants[draw(grants.count)], grant.author != author.id else {
                return
            }
            acting = UpdateHeader.Acting(for: grant.author, by: grant.id)
            body = content()
        case 13...17: body = social(author)
        default: body = draw(2) == 0 ? content() : profile()
        }
        let update = try Update.sign(
            body, author: author.id, prev: heads.map(\.id), seq: seq, time: time, acting: acting, with: signer)
        if let after {
            authors[index].keys[update.id] = after.key
            authors[index].recoveries[update.id] = after.recovery
            authors[index].eras[update.id] = update.id
        } else {
            authors[index].eras[update.id] = era
        }
        if update.kind == .grant { grants.append(update) }
        authors[index].updates.append(update)
        updates.append(update)
    }

    private mutating func content() -> UpdateBody {
        var body = ContentBody(id: "c\(draw(3))")
        body.title = .set("t\(draw(100))")
        return .content(body)
    }

    private mutating func anyContent() -> EntityRef { EntityRef(authors[draw(authors.count)].id, "c\(draw(3))") }

    /// Lists and their items, edges, comments, plays, and deletions of any of them.
    private mutating func social(_ author: Author) -> UpdateBody {
        let list = "l\(draw(2))"
        switch draw(9) {
        case 0:
            var body = ListBody(id: list)
            body.name = .set("L\(draw(100))")
            return .list(body)
        case 1, 2:
            let tag = author.updates[draw(author.updates.count)].id
            guard let position = ListPosition([UInt8(1 + draw(4))]) else { return profile() }
            switch draw(5) {
            case 0: return .listItem(ListItemBody(list: list, .move(tag: tag, position)))
            case 1: return .listItem(ListItemBody(list: list, .remove([tag])))
            default: return .listItem(ListItemBody(list: list, .add(anyContent(), position)))
            }
        case 3:
            let others = authors.filter { $0.id != author.id }
            guard !others.isEmpty else { return profile() }
            return .edge(EdgeBody(.follow, .author(others[draw(others.count)].id), isOn: draw(3) > 0))
        case 4: return .edge(EdgeBody(.save, .content(anyContent()), isOn: draw(3) > 0))
        case 5: return .comment(CommentBody(id: "k\(draw(2))", on: anyContent(), text: "t\(draw(100))"))
        case 6: return .plays(PlaysBody([PlaysBody.Row(anyContent(), day: 20_000, count: UInt64(draw(9)))]))
        case 7: return .contentDelete(DeleteBody(id: "c\(draw(9))"))
        default: return .commentDelete(DeleteBody(id: "k\(draw(9))"))
        }
    }

    private mutating func profile() -> UpdateBody {
        var body = ProfileBody()
        body.name = .set("n\(draw(100))")
        return .profile(body)
    }
}

/// What counts, straight from the words of the specification, over a whole set at once: slow and obvious.
struct ObviousRights {
    private let updates: [UpdateID: Update]
    private var before: [UpdateID: Set<UpdateID>] = [:]

    init(_ list: [Update]) {
        updates = Dictionary(uniqueKeysWithValues: list.map { ($0.id, $0) })
        // Ancestors have smaller sequence numbers.
        for update in list.sorted(by: { $0.seq < $1.seq }) {
            before[update.id] = update.header.prev.reduce(into: Set(update.header.prev)) {
                $0.formUnion(before[$1] ?? [])
            }
        }
    }

    private func ancestors(_ id: UpdateID) -> Set<UpdateID> { before[id] ?? [] }

    /// The rotation in force: of all that no other follows, the one with the smallest CID.
    private func rotation(of author: AuthorID) -> UpdateID? {
        let rotates = updates.values.filter { $0.author == author && $0.kind == .rotate }.map(\.id)
        return rotates.filter { one in !rotates.contains { ancestors($0).contains(one) } }.min()
    }

    /// The last `author.create` or `rotate` on the way to an update.
    private func era(_ id: UpdateID) -> UpdateID? {
        guard let update = updates[id] else { return nil }
        if update.kind == .rotate || update.kind == .authorCreate { return id }
        return update.header.prev.first.flatMap { era($0) }
    }

    func isRotatedAway(_ update: Update) -> Bool {
        guard let rotation = rotation(of: update.author) else { return false }
        return update.id != rotation && !ancestors(rotation).contains(update.id) && era(update.id) != rotation
    }

    private func isForgotten(_ update: Update) -> Bool {
        !update.kind.isRights
            && updates.values.contains { other in
                guard other.author == update.author, case .forget(let body) = other.body else { return false }
                return body.updates.contains(update.id) && !isRotatedAway(other)
            }
    }

    private func isGranted(_ update: Update) -> Bool {
        guard let acting = update.header.acting else { return true }
        guard let grant = updates[acting.grant], case .grant(let body) = grant.body, grant.author == acting.owner,
            !isRotatedAway(grant), body.grantee == update.author, body.kinds.contains(update.kind)
        else { return false }
        if let entity = body.entity {
            guard case .content(let content) = update.body, entity == .content(EntityRef(acting.owner, content.id))
            else { return false }
        }
        return updates.values.allSatisfy { other in
            guard case .revoke(let revoke) = other.body, revoke.grant == grant.id, other.author == grant.author,
                !isRotatedAway(other)
            else { return true }
            return revoke.keep.contains { $0 == update.id || ancestors($0).contains(update.id) }
        }
    }

    func counts(_ update: Update) -> Bool {
        !isRotatedAway(update) && !isForgotten(update) && isGranted(update)
    }

    /// What nothing follows, of what the rotation in force lets count.
    func heads(of author: AuthorID) -> [UpdateID] {
        let counting = updates.values.filter { $0.author == author && !isRotatedAway($0) }
        let followed = Set(counting.flatMap(\.header.prev))
        return counting.map(\.id).filter { !followed.contains($0) }.sorted()
    }
}
