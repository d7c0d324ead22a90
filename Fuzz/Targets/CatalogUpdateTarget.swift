import Catalog
import Multiformats
import NIOCore

extension FuzzTarget {
    /// Updates from strangers: the bytes of one, the body of each kind, and a file of many.
    static let catalogUpdates: [FuzzTarget] = [
        FuzzTarget("update", maximumLength: 2048) { input in
            // Nobody can guess a signature, so what lies behind it is read without one.
            guard let update = try? Update(unverified: input) else { return }
            agree(update.block == input, "an update is its bytes")
            agree(update.headerBytes + update.bodyBytes == input[...], "an update is its header and its body")
            agree(
                (try? Update(unverified: Array(update.headerBytes)))?.id == update.id, "a body does not change the id")
        },
        FuzzTarget("update-body", maximumLength: 2048) { input in
            guard let first = input.first else { return }
            let kinds = UpdateKind.known + [UpdateKind(rawValue: "later.kind")]
            let kind = kinds[Int(first) % kinds.count]
            guard let body = try? UpdateBody(input.dropFirst(), kind: kind) else { return }
            agree(body.kind == kind, "a body has the kind that it was read as")
            guard let written = try? body.encoded() else {
                agree(false, "what was read can be written")
                return
            }
            agree((try? UpdateBody(written, kind: kind)) == body, "what was written reads back")
        },
        FuzzTarget("update-archive", maximumLength: 4096) { input in
            var whole = UpdateArchive.Reader()
            let atOnce = try? whole.receive(ByteBuffer(bytes: UpdateArchive.header + input))
            var parts = UpdateArchive.Reader()
            var blocks: [[UInt8]]? = []
            for byte in UpdateArchive.header + input {
                guard let next = try? parts.receive(ByteBuffer(bytes: [byte])) else {
                    blocks = nil
                    break
                }
                blocks? += next
            }
            agree(blocks == nil || atOnce == blocks, "pieces do not change what is read")
        },
    ]
}
