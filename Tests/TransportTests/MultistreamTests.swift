import Multiformats
import NIOCore
import TestSupport
import Testing
import Transport

@Suite struct MultistreamTests {
    @Test("The tokens have the bytes of the specification")
    func workedBytes() {
        var output = ByteBuffer()
        Multistream(proposing: ["/noise"]).start(into: &output)
        #expect(output.readableBytesView.hexText == "132f6d756c746973747265616d2f312e302e300a" + "072f6e6f6973650a")
        output.clear()
        Multistream(proposing: ["/ipfs/kad/1.0.0"]).start(into: &output)
        #expect(output.readableBytesView.hexText.hasSuffix("102f697066732f6b61642f312e302e300a"))
        output.clear()
        Multistream(proposing: ["/yamux/1.0.0"]).start(into: &output)
        #expect(output.readableBytesView.hexText.hasSuffix("0d2f79616d75782f312e302e300a"))
    }

    @Test(
        "A dialer of Kubo's gets its answer: noise is taken, anything else refused",
        .enabled(if: Vectors.present, "the foreign vectors are not here: set VECTORS to their folder"),
        arguments: [("mss-noise", true), ("mss-tls", false), ("mss-plaintext", false)])
    func kubo(_ file: String, isTaken: Bool) throws {
        var input = ByteBuffer(bytes: try Vectors.bytes("records/\(file)"))
        var output = ByteBuffer()
        var listener = Multistream(offering: { $0 == "/noise" })
        let agreed = try listener.receive(&input, into: &output)
        #expect(agreed == (isTaken ? "/noise" : nil))
        #expect(input.readableBytes == 0)
        let answer = output.readableBytesView.hexText
        #expect(answer == "132f6d756c746973747265616d2f312e302e300a" + (isTaken ? "072f6e6f6973650a" : "036e610a"))
        if isTaken {
            var ours = ByteBuffer()
            Multistream(proposing: ["/noise"]).start(into: &ours)
            #expect(Array(ours.readableBytesView) == (try Vectors.bytes("records/\(file)")))
        }
    }

    @Test("Both sides agree wherever the bytes are cut, and keep what follows")
    func everySplit() throws {
        let proposals = ["/tls/1.0.0", "/a", "/noise"]
        // What each side says when nothing is cut, and then application bytes.
        var fromDialer = ByteBuffer()
        var fromListener = ByteBuffer()
        Self.run(proposals, "/noise", &fromDialer, &fromListener)
        fromDialer.writeString("payload")
        fromListener.writeString("answer")
        for cut in 0...fromDialer.readableBytes {
            var listener = Multistream(offering: { $0 == "/noise" })
            #expect(try Self.feed(&listener, fromDialer, cut) == ("/noise", "payload"))
        }
        for cut in 0...fromListener.readableBytes {
            var dialer = Multistream(proposing: proposals)
            #expect(try Self.feed(&dialer, fromListener, cut) == ("/noise", "answer"))
        }
    }

    /// Lets a dialer and a listener talk and keeps what each said.
    static func run(
        _ proposals: [String], _ offer: String, _ fromDialer: inout ByteBuffer, _ fromListener: inout ByteBuffer
    ) {
        var dialer = Multistream(proposing: proposals)
        var listener = Multistream(offering: { $0 == offer })
        var toListener = ByteBuffer()
        dialer.start(into: &toListener)
        var agreed: String?
        while agreed == nil {
            fromDialer.writeImmutableBuffer(toListener)
            var toDialer = ByteBuffer()
            _ = try? listener.receive(&toListener, into: &toDialer)
            fromListener.writeImmutableBuffer(toDialer)
            toListener.clear()
            agreed = try? dialer.receive(&toDialer, into: &toListener)
        }
    }

    static func feed(_ machine: inout Multistream, _ bytes: ByteBuffer, _ cut: Int) throws -> (String, String) {
        var all = bytes
        var input = all.readSlice(length: cut)!
        var output = ByteBuffer()
        var agreed = try machine.receive(&input, into: &output)
        input.writeImmutableBuffer(all)
        if agreed == nil { agreed = try machine.receive(&input, into: &output) }
        return (try #require(agreed), String(buffer: input))
    }

    @Test("A dialer goes through its list on na and gives up at its end")
    func refusals() throws {
        var dialer = Multistream(proposing: ["/a", "/b"])
        var input = ByteBuffer(bytes: hex("132f6d756c746973747265616d2f312e302e300a036e610a"))
        var output = ByteBuffer()
        #expect(try dialer.receive(&input, into: &output) == nil)
        #expect(String(buffer: output) == "\u{3}/b\n")
        input = ByteBuffer(bytes: hex("036e610a"))
        #expect(throws: MultistreamError.noneAccepted) { try dialer.receive(&input, into: &output) }
    }

    @Test(
        "Hostile tokens are refused",
        arguments: [
            ("8108", MultistreamError.tokenLength),
            ("00", .tokenLength),
            ("ffffffffffffffffff7f", .tokenLength),
            ("032f6161", .malformedToken),
            ("03fffe0a", .malformedToken),
            ("072f6e6f6973650a", .notMultistream),
        ])
    func hostile(_ bytes: String, _ error: MultistreamError) {
        var input = ByteBuffer(bytes: hex(bytes))
        var output = ByteBuffer()
        #expect(throws: error) {
            var listener = Multistream(offering: { _ in true })
            _ = try listener.receive(&input, into: &output)
        }
    }

    @Test("ls gets na, and so does what nobody speaks, 32 times")
    func proposals() throws {
        var listener = Multistream(offering: { _ in false })
        var input = ByteBuffer(bytes: hex("132f6d756c746973747265616d2f312e302e300a") + hex("036c730a"))
        var output = ByteBuffer()
        #expect(try listener.receive(&input, into: &output) == nil)
        #expect(output.readableBytesView.hexText.hasSuffix("036e610a"))
        for _ in 1..<Multistream.maximumRefusals {
            input = ByteBuffer(bytes: hex("036c730a"))
            #expect(try listener.receive(&input, into: &output) == nil)
        }
        input = ByteBuffer(bytes: hex("036c730a"))
        #expect(throws: MultistreamError.tooManyProposals) { try listener.receive(&input, into: &output) }
    }
}
