import Catalog
import HTTPAPI
import Multiformats
import NIOHTTP1
import PeerCrypto
import Testing

/// The answers against examples written by hand, and against the fields that the original's client library reads.
@Suite("Shapes of the catalog's read side")
struct V1ShapeTests {
    private static let ada = CatalogSample.user(1)
    private static let song = CatalogSample.content(1, "song-1")
    private static let album = CatalogSample.list(1, "album")

    private func names(_ json: JSON?) -> Set<String> { Set((json?.members ?? []).map(\.name)) }

    @Test("A comment is what the example says, to the letter")
    func comment() async throws {
        let sample = try await CatalogSample()
        let data = try await sample.data("/v1/tracks/\(Self.song)/comments?limit=1")
        let id = EntityID(.comment, CatalogSample.author(2), "comment-7")
        let parent = EntityID(.comment, CatalogSample.author(2), "comment-1")
        var comment = try #require(data.elements.first?.members)
        comment.removeAll { $0.name == "user" }
        let expected = try JSON(
            parsing: """
                {"id":"\(id)","message":"Line 7 <b>","user_id":"\(CatalogSample.user(2))","entity_id":"\(Self.song)",
                "entity_type":"Track","parent_comment_id":"\(parent)","is_edited":false,
                "created_at":"2026-03-01T00:02:35Z","updated_at":"2026-03-01T00:02:35Z","react_count":0,"reply_count":0,
                "replies":[],"is_current_user_reacted":false,"is_artist_reacted":false,"is_tombstone":false,
                "is_muted":false}
                """)
        // The time is the one thing that follows from how many updates the sample has.
        let isTime = { (member: JSON.Member) in member.name.hasSuffix("_at") }
        #expect(comment.filter { !isTime($0) } == expected.members.filter { !isTime($0) })
        let made = try #require(comment.first { $0.name == "created_at" }?.value.text)
        #expect(made.wholeMatch(of: /2026-03-01T00:0\d:\d\dZ/) != nil)
        let answered = try await sample.data("/v1/tracks/\(Self.song)/comments").elements.last
        #expect(answered?["id"]?.text == parent.description && answered?["reply_count"]?.integer == 1)
    }

    @Test("A user is what the example says, to the letter")
    func user() async throws {
        let sample = try await CatalogSample()
        let data = try await sample.data("/v1/users/\(Self.ada)?user_id=\(CatalogSample.user(2))")
        let picture = "http://node.test/v1/users/\(Self.ada)/picture?cid=\(sample.cover.cid)"
        let cover = "http://node.test/v1/users/\(Self.ada)/cover?cid=\(sample.cover.cid)"
        let certain = "ada~\(Self.ada.description.prefix(12))"
        let expected = try JSON(
            parsing: """
                {"id":"\(Self.ada)","handle":"ada","handle_lc":"ada","handle_certain":"\(certain)",
                "name":"Ada Lovelace","bio":"First \\"programmer\\"\\nof all","location":null,"website":null,
                "permalink":"/\(certain)","author":"\(CatalogSample.author(1))","is_deactivated":false,
                "is_available":true,"is_equivocated":false,"created_at":"2026-03-01T00:00:01Z",
                "updated_at":"2026-03-01T00:00:02Z","follower_count":4,"followee_count":1,"subscriber_count":1,
                "track_count":25,"playlist_count":1,"album_count":1,"repost_count":0,"favorite_count":0,
                "profile_picture":{"150x150":"\(picture)","480x480":"\(picture)","1000x1000":"\(picture)","mirrors":[]},
                "cover_photo":{"640x":"\(cover)","2000x":"\(cover)","mirrors":[]},"does_current_user_follow":true,
                "does_follow_current_user":true,"does_current_user_subscribe":true,"is_verified":false,
                "supporter_count":0,"supporting_count":0,"total_audio_balance":0,"erc_wallet":"","spl_wallet":""}
                """)
        #expect(data == expected)
    }

    @Test("A piece of digital content is what the example says, to the letter")
    func content() async throws {
        let sample = try await CatalogSample()
        let data = try await sample.data("/v1/tracks/\(Self.song)?user_id=\(CatalogSample.user(2))")
        let artwork = "http://node.test/v1/digital_contents/\(Self.song)/artwork?cid=\(sample.cover.cid)"
        let base = "http://node.test/v1/digital_contents/\(Self.song)"
        func file(
            _ cid: any CustomStringConvertible, _ mime: String, _ codec: String, _ rate: Int, _ size: Int,
            _ role: String
        )
            -> String
        {
            "{\"cid\":\"\(cid)\",\"mime\":\"\(mime)\",\"codec\":\"\(codec)\",\"bitrate\":\(rate),\"size\":\(size),\"role\":\"\(role)\"}"
        }
        let expected = try JSON(
            parsing: """
                {"id":"\(Self.song)","title":"Song Number 1","permalink":"/ada/song-number-1-\(Self.song)",
                "user_id":"\(Self.ada)","author":"\(CatalogSample.author(1))","entity_id":"song-1","is_delete":false,
                "is_unlisted":false,"is_available":true,"created_at":"2026-03-01T00:00:11Z",
                "updated_at":"2026-03-01T00:00:11Z","description":null,"genre":"Hip-Hop/Rap","mood":null,
                "tags":"tape,no1","release_date":null,"license":null,"isrc":null,"duration":62,"duration_ms":61500,
                "artwork":{"150x150":"\(artwork)","480x480":"\(artwork)","1000x1000":"\(artwork)","mirrors":[]},
                "repost_count":4,"favorite_count":4,"comment_count":7,"play_count":1,"remix_count":1,
                "replicas_wanted":0,"access":{"stream":true,"download":true},"is_streamable":true,
                "is_downloadable":true,"is_original_available":true,"track_cid":"\(sample.song.cid)",
                "preview_cid":"\(sample.preview.cid)","orig_file_cid":"\(sample.original.cid)",
                "media":[\(file(sample.original.cid, "audio/wav", "pcm", 1_411_000, 20_000, "original")),
                \(file(sample.song.cid, "audio/x-flac; rate=44100", "flac", 0, 10_000, "stream")),
                \(file(sample.preview.cid, "audio/flac", "flac", 0, 2_000, "preview"))],
                "stream":{"url":"\(base)/stream","mirrors":[]},"download":{"url":"\(base)/download","mirrors":[]},
                "remix_of":null,"stem_of":null,"has_current_user_reposted":true,"has_current_user_saved":true}
                """)
        #expect(data.members.filter { $0.name != "user" } == expected.members)
        #expect(data["user"]?["handle"]?.text == "ada")
        let remix = try await sample.data("/v1/tracks/\(CatalogSample.content(2, "remix"))")
        #expect(remix["remix_of"]?["tracks"]?.elements.first?["parent_track_id"]?.text == Self.song.description)
    }

    @Test("A list is an array with one list, with its items in their order")
    func list() async throws {
        let sample = try await CatalogSample()
        let short = try await sample.data("/v1/playlists/\(Self.album)")
        #expect(short.elements.count == 1)
        let list = try #require(short.elements.first)
        #expect(list["playlist_name"]?.text == "Song Album" && list["is_album"]?.boolean == true)
        #expect(list["track_count"]?.integer == 3 && list["favorite_count"]?.integer == 4)
        let items = list["playlist_contents"]?.elements ?? []
        let songs = (1...3).map { CatalogSample.content(1, "song-\($0)").description }
        #expect(items.compactMap { $0["track_id"]?.text } == songs)
        let time = items.first?["timestamp"]?.integer ?? 0
        #expect(time > Int(CatalogSample.start / 1000) && time < Int(CatalogSample.now / 1000))
        #expect(list["tracks"] == nil)
        let full = try await sample.data("/v1/full/playlists/\(Self.album)").elements.first
        #expect(full?["tracks"]?.elements.compactMap { $0["id"]?.text } == songs)
    }

    @Test("Full answers have every field that the original's client library reads")
    func library() async throws {
        let sample = try await CatalogSample()
        let viewer = "user_id=\(CatalogSample.user(3))"
        let content = try await sample.data("/v1/full/tracks/\(Self.song)?\(viewer)")
        let missing = Set(Self.contentFields.split(separator: " ").map(String.init)).subtracting(names(content))
        #expect(missing.isEmpty)
        let user = try await sample.data("/v1/full/users/\(Self.ada)?\(viewer)")
        #expect(Set(Self.userFields.split(separator: " ").map(String.init)).subtracting(names(user)).isEmpty)
        let list = try await sample.data("/v1/full/playlists/\(Self.album)?\(viewer)").elements.first
        #expect(Set(Self.listFields.split(separator: " ").map(String.init)).subtracting(names(list)).isEmpty)
        // Whom the viewer follows stands beside what they did.
        #expect(
            content["followee_reposts"]?.elements.compactMap { $0["user_id"]?.text } == [
                CatalogSample.user(2).description
            ])
        #expect(content["followee_favorites"]?.elements.first?["favorite_item_id"]?.text == Self.song.description)
        // What the library takes apart without asking whether it is there.
        for name in ["followee_reposts", "followee_favorites", "track_segments"] {
            guard case .array? = content[name] else {
                Issue.record("\(name) is no array")
                continue
            }
        }
    }

    // The names that the library's TrackFull, UserFull and PlaylistFull deserialise and expect to be there.
    private static let contentFields = """
        artwork description genre id track_cid preview_cid orig_file_cid orig_filename is_original_available mood \
        release_date remix_of repost_count favorite_count comment_count tags title user duration is_downloadable \
        play_count permalink is_streamable ddex_app playlists_containing_track pinned_comment_id access blocknumber \
        create_date cover_art_sizes cover_art_cids created_at credits_splits isrc license iswc field_visibility \
        followee_reposts has_current_user_reposted is_scheduled_release is_unlisted has_current_user_saved \
        followee_favorites route_id stem_of track_segments updated_at user_id is_delete cover_art is_available \
        is_stream_gated stream_conditions is_download_gated download_conditions
        """
    private static let userFields = """
        album_count artist_pick_track_id bio cover_photo followee_count follower_count handle id is_verified \
        twitter_handle instagram_handle tiktok_handle verified_with_twitter verified_with_instagram \
        verified_with_tiktok website donation location name playlist_count profile_picture repost_count track_count \
        is_deactivated is_available erc_wallet spl_wallet supporter_count supporting_count total_audio_balance wallet \
        balance associated_wallets_balance total_balance waudio_balance associated_sol_wallets_balance blocknumber \
        created_at is_storage_v2 creator_node_endpoint current_user_followee_follow_count does_current_user_follow \
        does_current_user_subscribe does_follow_current_user handle_lc updated_at cover_photo_sizes \
        profile_picture_sizes metadata_multihash has_collectibles playlist_library allow_ai_attribution
        """
    private static let listFields = """
        artwork description permalink id is_album is_image_autogenerated playlist_name playlist_contents repost_count \
        favorite_count total_play_count user ddex_app access upc track_count blocknumber created_at followee_reposts \
        followee_favorites has_current_user_reposted has_current_user_saved is_delete is_private updated_at \
        added_timestamps user_id tracks cover_art cover_art_sizes cover_art_cids is_stream_gated stream_conditions \
        is_scheduled_release release_date
        """
}

/// What the routes choose, beyond their shapes.
@Suite("Answers of the catalog's read side")
struct V1AnswerTests {
    @Test("A search has everything in its place, and kind picks")
    func search() async throws {
        let sample = try await CatalogSample()
        let viewer = "user_id=\(CatalogSample.user(2))"
        let all = try await sample.data("/v1/full/search/full?query=song&limit=50&\(viewer)")
        #expect(all["tracks"]?.elements.count == 26)
        #expect(all["saved_tracks"]?.elements.count == 3)
        #expect(all["playlists"]?.elements.compactMap { $0["playlist_name"]?.text } == ["Song Playlist"])
        #expect(all["albums"]?.elements.compactMap { $0["playlist_name"]?.text } == ["Song Album"])
        #expect(all["saved_albums"]?.elements.count == 1 && all["saved_playlists"]?.elements.isEmpty == true)
        for (kind, name) in [
            ("users", "users"), ("tracks", "tracks"), ("digital_contents", "tracks"), ("albums", "albums"),
        ] {
            let some = try await sample.data("/v1/search/autocomplete?query=ada&kind=\(kind)")
            #expect(some.members.allSatisfy { $0.name == name || $0.value.elements.isEmpty }, "\(kind)")
        }
        let user = try await sample.data("/v1/search/full?query=lovelace&user_id=\(CatalogSample.user(3))")
        #expect(user["users"]?.elements.first?["id"]?.text == CatalogSample.user(1).description)
        #expect(user["followed_users"]?.elements.count == 1)
    }

    @Test("A handle that two claim is answered, and said to be uncertain until somebody is nearer")
    func handles() async throws {
        let sample = try await CatalogSample()
        let nobody = try await sample.get("/v1/users/handle/bob").json()
        #expect(nobody["handle"]?["claims"]?.elements.count == 2)
        #expect(nobody["handle"]?["certain"]?.boolean == false)
        let follower = try await sample.get("/v1/users/handle/BOB?user_id=\(CatalogSample.user(1))").json()
        #expect(follower["data"]?["id"]?.text == CatalogSample.user(2).description)
        #expect(follower["handle"]?["certain"]?.boolean == true)
        let certain = "bob~\(CatalogSample.user(5).description.prefix(12))"
        let exact = try await sample.data("/v1/users/handle/\(certain)")
        #expect(exact["name"]?.text == "Not Bob")
    }

    @Test("Paths of pages lead to what they show, by resolve and by permalink")
    func pages() async throws {
        let sample = try await CatalogSample()
        let song = try await sample.data("/v1/tracks/\(CatalogSample.content(1, "song-4"))")
        let link = try #require(song["permalink"]?.text)
        let found = await sample.get("/v1/resolve?url=https%3A%2F%2Fexample.org\(link)")
        let json = try await found.json()
        #expect(json["data"]?["id"] == song["id"] && json["kind"]?.text == "digital_content")
        #expect(
            found.headers.first(name: "content-location")
                == "/v1/digital_contents/\(CatalogSample.content(1, "song-4"))")
        let byLink = try await sample.data("/v1/tracks?permalink=\(link)&permalink=/ada/song-number-5")
        #expect(byLink.elements.compactMap { $0["title"]?.text } == ["Song Number 4", "Song Number 5"])
        let user = try await sample.get("/v1/resolve?url=/ada").json()
        #expect(user["kind"]?.text == "user")
        let claims = try await sample.get("/v1/resolve?url=/bob").json()
        #expect(claims["kind"]?.text == "users" && claims["data"]?.elements.count == 2)
        let list = try await sample.get("/v1/resolve?url=/ada/playlist/song-playlist").json()
        #expect(list["kind"]?.text == "content_list")
        let lists = try await sample.data("/v1/playlists?permalink=/ada/album/song-album")
        #expect(lists.elements.count == 1)
    }

    @Test("Bulk answers keep the order, leave out what is unknown, and show a row once")
    func bulk() async throws {
        let sample = try await CatalogSample()
        let (a, b) = (CatalogSample.content(1, "song-9"), CatalogSample.content(1, "song-2"))
        let unknown = CatalogSample.content(4, "nothing")
        for query in ["id=\(a)&id=\(unknown)&id=\(b)&id=\(a)", "id=\(a),\(b)", "id[]=\(a)&id[]=nonsense&id[]=\(b)"] {
            let data = try await sample.data("/v1/tracks?\(query)")
            #expect(data.elements.compactMap { $0["id"]?.text } == [a.description, b.description], "\(query)")
        }
        let nothing = await sample.get("/v1/tracks")
        #expect(nothing.status == .badRequest)
    }

    @Test("Deleted content says so and is in no list; unlisted content is shown to its owner only")
    func hidden() async throws {
        let sample = try await CatalogSample()
        let gone = try await sample.data("/v1/tracks/\(CatalogSample.content(1, "gone"))")
        #expect(gone["is_delete"]?.boolean == true && gone["title"]?.text == "")
        let tracks = "/v1/users/\(CatalogSample.user(1))/tracks?limit=100"
        let others = try await sample.data("\(tracks)&user_id=\(CatalogSample.user(2))")
        let own = try await sample.data("\(tracks)&user_id=\(CatalogSample.user(1))")
        #expect(others.elements.count == 25 && own.elements.count == 26)
        let unlisted = try await sample.data("/v1/tracks/\(CatalogSample.content(1, "unlisted"))")
        #expect(unlisted["is_unlisted"]?.boolean == true)
    }

    @Test("Filters, orders and spans do what they say")
    func filters() async throws {
        let sample = try await CatalogSample()
        let electronic = try await sample.data("/v1/tracks/latest?genre=Electronic&limit=100")
        #expect(electronic.elements.count == 12)
        let both = try await sample.data("/v1/tracks/latest?genre=Electronic&genre=hip-hop/rap&limit=100")
        #expect(both.elements.count == 25)
        let free = try await sample.data("/v1/users/\(CatalogSample.user(1))/tracks?only_downloadable=true&limit=100")
        #expect(free.elements.count == 23)
        let plays = try await sample.data("/v1/users/\(CatalogSample.user(1))/tracks?sort=plays&limit=3")
        #expect(plays.elements.compactMap { $0["play_count"]?.integer } == [6, 5, 4])
        let trending = try await sample.data("/v1/tracks/trending?time=month&limit=3")
        #expect(
            Set(trending.elements.compactMap { $0["title"]?.text }) == [
                "Song Number 1", "Song Number 4", "Song Number 5",
            ])
        let tags = try await sample.data("/v1/users/\(CatalogSample.user(1))/tags?limit=1")
        #expect(tags == ["tape"])
        let albums = try await sample.data("/v1/playlists/latest?kind=albums")
        #expect(albums.elements.compactMap { $0["is_album"]?.boolean } == [true])
    }

    @Test("Holders are this node, those whom the network names, and the nodes that the author announces")
    func holders() async throws {
        let sample = try await CatalogSample()
        let (own, target) = (CatalogSample.nodeKey.peerID, "/v1/tracks/\(CatalogSample.content(1, "song-1"))/holders")
        let alone = try await sample.data(target)
        let holder = try #require(alone.elements.first)
        #expect(alone.elements.count == 1 && holder["peer_id"]?.text == own.description)
        #expect(holder["is_self"]?.boolean == true && holder["source"]?.text == "disk")
        #expect(holder["endpoint"]?.text == "https://ada.example" && holder["user"]?["handle"]?.text == "ada")
        let others = (1...3).map { KeyPair(seed: [UInt8](repeating: $0 + 50, count: 32)).peerID }
        sample.media.provide(sample.song.cid, by: [others[0], own, others[1]])
        let found = try await sample.data(target).elements
        #expect(found.compactMap { $0["peer_id"]?.text } == [own, others[0], others[1]].map(\.description))
        #expect(found.compactMap { $0["source"]?.text } == ["disk", "network", "network"])
        #expect(found.compactMap { $0["is_self"]?.boolean } == [true, false, false])
        let local = try await sample.data(target + "?local=true")
        #expect(local == alone)
        // Bob announces no node, and what he has is not all here.
        let gone = try await sample.data("/v1/tracks/\(CatalogSample.content(1, "gone"))/holders")
        #expect(gone.elements.compactMap { $0["source"]?.text } == ["author"])
        let nodes = try await sample.data("/v1/nodes")
        #expect(nodes.elements.compactMap { $0["free"]?.integer } == [1 << 39])
    }
}
