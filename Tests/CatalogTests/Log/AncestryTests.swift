import Catalog
import Multiformats
import PeerCrypto
import Testing

@Suite("What follows from the ancestors alone") struct AncestryTests {
    /// Two authors with a fork each, and a way to offer one more update.
    final class Setting {
        let log: UpdateLog
        let key = UpdateLogTests.key
        let first: Update
        let left: Update
        let right: Update

        init() throws {
            log = try UpdateLogTests.memory()
            first = try log.create(key: key, recovery: UpdateLogTests.recovery.hash, now: 1_000)
            left = try Self.sign(UpdateLogTests.profile("left"), first.author, [first], 1, 1_100, key)
            right = try Self.sign(UpdateLogTests.profile("right"), first.author, [first], 1, 1_200, key)
            _ = try offer(left)
            _ = try offer(right)
        }

        static func sign(
            _ body: UpdateBody, _ author: AuthorID, _ prev: [Update], _ seq: UInt64, _ time: UInt64, _ key: KeyPair
        ) throws -> Update {
            try Update.sign(body, author: author, prev: prev.map(\.id).sorted(), seq: seq, time: time, with: key)
        }

        func offer(_ update: Update) throws -> IngestResult {
            try log.store([VerifiedUpdate(update.block)], from: .pull, now: 5_000).results[0].result
        }

        /// Offers an update of the author after `prev`.
        func offer(
            after prev: [Update], seq: UInt64, time: UInt64, key: KeyPair? = nil, body: UpdateBody? = nil
        ) throws -> IngestResult {
            try offer(
                Self.sign(body ?? UpdateLogTests.profile("x"), first.author, prev, seq, time, key ?? self.key))
        }
    }

    @Test("A fork shows, counts on both sides, and heals with the update that names both heads") func fork() throws {
        let setting = try Setting()
        #expect(try setting.log.author(setting.first.author)?.isEquivocated == true)
        #expect(try setting.log.entry(setting.left.id)?.counts == true)
        #expect(try setting.log.entry(setting.right.id)?.counts == true)
        let healing = try setting.log.publish(
            UpdateLogTests.profile("both"), author: setting.first.author, key: setting.key, now: 500)
        #expect(healing.header.prev == [setting.left.id, setting.right.id].sorted())
        #expect(healing.seq == 2)
        #expect(healing.time == 1_201)
        #expect(try setting.log.author(setting.first.author)?.isEquivocated == false)
    }

    @Test("Sequence and time must follow from prev") func sequenceAndTime() throws {
        let setting = try Setting()
        let both = [setting.left, setting.right]
        for seq: UInt64 in [1, 3, 100] {
            #expect(try setting.offer(after: both, seq: seq, time: 2_000) == .rejected(.badSequence))
        }
        for time: UInt64 in [0, 1_100, 1_200] {
            #expect(try setting.offer(after: both, seq: 2, time: time) == .rejected(.badTime))
        }
        #expect(try setting.offer(after: both, seq: 2, time: 1_201) == .accepted)
    }

    @Test("Another key, another author's update or heads of two keys are refused") func keysAndHeads() throws {
        let setting = try Setting()
        let stranger = KeyPair(seed: [UInt8](repeating: 8, count: 32))
        #expect(
            try setting.offer(after: [setting.left], seq: 2, time: 2_000, key: stranger) == .rejected(.keyNotInForce))
        let other = try setting.log.create(key: stranger, recovery: UpdateLogTests.recovery.hash, now: 1_000)
        #expect(try setting.offer(after: [setting.left, other], seq: 2, time: 2_000) == .rejected(.otherAuthor))
        #expect(try setting.offer(after: [other], seq: 1, time: 2_000) == .rejected(.otherAuthor))
        let rotate = try setting.log.rotate(
            author: setting.first.author, to: stranger, recovery: Digest32(words: (9, 9, 9, 9)),
            with: UpdateLogTests.recovery, heads: [setting.left.id], now: 2_000)
        #expect(
            try setting.offer(after: [rotate, setting.right], seq: 3, time: 3_000, key: stranger)
                == .rejected(.headsDisagree))
        #expect(try setting.offer(after: [rotate], seq: 3, time: 3_000) == .rejected(.keyNotInForce))
        #expect(try setting.offer(after: [rotate], seq: 3, time: 3_000, key: stranger) == .accepted)
    }

    @Test("A rotate undoes what a thief of the key did, whenever that arrives; only the recovery key signs one")
    func rotation() throws {
        let setting = try Setting()
        let author = setting.first.author
        let (new, thief) = (KeyPair(seed: [UInt8](repeating: 8, count: 32)), setting.key)
        let wrong = RecoveryKey(seed: SecretBytes([UInt8](repeating: 1, count: 32)))
        #expect(throws: CatalogError.keyNotInForce) {
            try setting.log.rotate(author: author, to: new, recovery: wrong.hash, with: wrong, now: 2_000)
        }
        let body = UpdateBody.rotate(RotateBody(key: new.publicKey.data, recovery: wrong.hash))
        #expect(
            try setting.offer(after: [setting.left], seq: 2, time: 2_000, body: body) == .rejected(.keyNotInForce))
        let theft = try setting.log.publish(UpdateLogTests.profile("stolen"), author: author, key: thief, now: 2_000)
        _ = try setting.log.rotate(
            author: author, to: new, recovery: wrong.hash, with: UpdateLogTests.recovery,
            heads: [setting.left.id, setting.right.id], now: 3_000)
        #expect(try setting.log.entry(theft.id)?.counts == false)
        #expect(try setting.log.entry(setting.left.id)?.counts == true)
        let late = try Setting.sign(UpdateLogTests.profile("late"), author, [theft], 3, 9_000, thief)
        #expect(try setting.offer(late) == .accepted)
        #expect(try setting.log.entry(late.id)?.counts == false)
        #expect(throws: CatalogError.keyNotInForce) {
            try setting.log.publish(UpdateLogTests.profile("x"), author: author, key: thief, now: 9_000)
        }
        let next = try setting.log.publish(UpdateLogTests.profile("mine"), author: author, key: new, now: 9_000)
        #expect(try setting.log.entry(next.id)?.counts == true)
        #expect(try setting.log.author(author)?.isEquivocated == false)
        #expect(try setting.log.author(author)?.key == new.publicKey.data)
    }

    @Test("A grant lets act for another until it is revoked, and what was kept still counts") func grants() throws {
        let setting = try Setting()
        let owner = setting.first.author
        let key = KeyPair(seed: [UInt8](repeating: 8, count: 32))
        let grantee = try setting.log.create(key: key, recovery: UpdateLogTests.recovery.hash, now: 1_000).author
        let song = Reference.content(EntityRef(owner, "song"))
        let grant = try setting.log.publish(
            .grant(GrantBody(to: grantee, kinds: [.contentPut], entity: song)), author: owner, key: setting.key,
            now: 2_000)
        let acting = UpdateHeader.Acting(for: owner, by: grant.id)
        func act(_ body: UpdateBody) throws -> Update {
            try setting.log.publish(body, author: grantee, key: key, acting: acting, now: 3_000)
        }
        let kept = try act(.content(ContentBody(id: "song")))
        let tooMuch = try act(.content(ContentBody(id: "other")))
        let otherKind = try act(.contentDelete(DeleteBody(id: "song")))
        #expect(kept.subject == owner)
        #expect(try setting.log.entry(kept.id)?.counts == true)
        #expect(try setting.log.entry(tooMuch.id)?.counts == false)
        #expect(try setting.log.entry(otherKind.id)?.counts == false)
        let undone = try act(.content(ContentBody(id: "song")))
        #expect(try setting.log.entry(undone.id)?.counts == true)
        _ = try setting.log.publish(
            .revoke(RevokeBody(grant.id, keep: [kept.id])), author: owner, key: setting.key, now: 4_000)
        #expect(try setting.log.entry(kept.id)?.counts == true)
        #expect(try setting.log.entry(undone.id)?.counts == false)
        #expect(throws: CatalogError.invalid(.badField("for"))) {
            try act(.grant(GrantBody(to: grantee, kinds: [.contentPut])))
        }
    }
}
