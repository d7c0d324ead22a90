import Catalog
import Multiformats
import SansIO

/// Updates as many careless authors make them: clocks that jump, edits that race, deletions before what they delete,
/// moves of what was never added.
struct RandomUpdates {
    private var random: SeededGenerator
    private let authors: Int
    private var tags: [Digest32] = []
    private var sequence = 0

    init(seed: UInt64, authors: Int = 6) {
        random = SeededGenerator(seed: seed)
        self.authors = authors
    }

    mutating func make(_ count: Int) -> [CountedUpdate] { (0..<count).map { _ in one() } }

    /// The same updates in another order, some of them twice.
    mutating func reordered(_ updates: [CountedUpdate]) -> [CountedUpdate] {
        var result = updates + (0..<updates.count / 4).map { _ in random.pick(updates) }
        result.shuffle(using: &random)
        return result
    }

    private mutating func one() -> CountedUpdate {
        sequence += 1
        let owner = random.below(authors)
        // Few distinct times, so that many updates tie and the CID decides.
        let time = ViewFixture.start + UInt64(random.below(40)) * 1_000 + (random.oneIn(20) ? 172_800_000 : 0)
        let id = ViewFixture.digest("random \(random.next()) \(sequence)")
        let author = ViewFixture.author(owner)
        return CountedUpdate(
            stamp: Stamp(time: time, id: id), owner: author, author: author, body: body(of: owner, tag: id))
    }

    private mutating func name(_ kind: String) -> String { "\(kind)\(random.below(4))" }
    private mutating func ref(_ kind: String) -> EntityRef {
        EntityRef(ViewFixture.author(random.below(authors)), name(kind))
    }

    private mutating func patch<T>(_ value: T) -> Patch<T> {
        switch random.below(3) {
        case 0: .unchanged
        case 1: .cleared
        default: .set(value)
        }
    }

    private mutating func body(of owner: Int, tag: Digest32) -> UpdateBody {
        switch random.below(14) {
        case 0: return .authorCreate(AuthorCreateBody(recovery: tag))
        case 1:
            var body = ProfileBody()
            body.handle = patch("handle\(random.below(3))")
            body.name = patch("Name \(random.below(100))")
            body.bio = patch("bio \(random.below(100))")
            body.deactivated = patch(random.oneIn(4))
            return .profile(body)
        case 2, 3, 4: return .content(content())
        case 5: return .contentDelete(DeleteBody(id: name("c")))
        case 6:
            var body = ListBody(id: name("l"))
            body.name = patch("List \(random.below(100))")
            body.isAlbum = patch(random.oneIn(2))
            return .list(body)
        case 7: return random.oneIn(3) ? .listDelete(DeleteBody(id: name("l"))) : .content(content())
        case 8, 9: return .listItem(item(tag))
        case 10, 11: return edge(of: owner)
        case 12:
            if random.oneIn(4) { return .commentDelete(DeleteBody(id: name("k"))) }
            let parent = random.oneIn(2) ? ref("k") : nil
            return .comment(CommentBody(id: name("k"), on: ref("c"), parent: parent, text: "t\(random.below(100))"))
        default:
            return .plays(
                PlaysBody(
                    (0..<1 + random.below(3)).map { _ in
                        PlaysBody.Row(ref("c"), day: 20_500 + UInt64(random.below(3)), count: UInt64(random.below(50)))
                    }))
        }
    }

    private mutating func content() -> ContentBody {
        var body = ContentBody(id: name("c"))
        body.title = patch("Title \(random.below(100))")
        body.genre = patch("Genre\(random.below(3))")
        body.tags = patch(["tag\(random.below(5))"])
        body.duration = patch(UInt64(random.below(300_000)))
        body.unlisted = patch(random.oneIn(4))
        body.remixOf = patch(ref("c"))
        body.media = patch([
            ContentBody.Media(
                cid: ViewFixture.cid("m\(random.below(5))"), mime: "audio/flac", size: 10, role: .original)
        ])
        return body
    }

    private mutating func item(_ tag: Digest32) -> ListItemBody {
        let position = ListPosition([UInt8(1 + random.below(5))])!
        let list = name("l")
        let known = tags.isEmpty ? tag : random.pick(tags)
        switch random.below(6) {
        case 0: return ListItemBody(list: list, .remove([known]))
        case 1, 2: return ListItemBody(list: list, .move(tag: known, position))
        default:
            tags.append(tag)
            return ListItemBody(list: list, .add(ref("c"), position))
        }
    }

    private mutating func edge(of owner: Int) -> UpdateBody {
        let isOn = !random.oneIn(3)
        switch random.below(4) {
        case 0: return .edge(EdgeBody(.save, .content(ref("c")), isOn: isOn))
        case 1: return .edge(EdgeBody(.repost, .list(ref("l")), isOn: isOn))
        case 2: return .edge(EdgeBody(.repost, .content(ref("c")), isOn: isOn))
        default:
            let other = (owner + 1 + random.below(authors - 1)) % authors
            return .edge(EdgeBody(.follow, .author(ViewFixture.author(other)), isOn: isOn))
        }
    }
}
