import Foundation
import Logging
import Multiformats
import NIOCore
import NIOPosix
import PeerCrypto
import Swarm
import Transport

/// One raw stream between two processes over the node's own transport: Noise and yamux, no blocks.
enum StreamBench {
    static let protocolID = "/coliving/bench/sink/1.0.0"

    static func run(_ folder: Folders, _ limits: Limits, into table: inout ResultTable) async throws {
        let peer = Process()
        peer.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        peer.arguments = ["stream-peer"]
        let output = Pipe()
        let input = Pipe()
        peer.standardOutput = output
        peer.standardInput = input
        try peer.run()
        defer {
            try? input.fileHandleForWriting.close()
            peer.waitUntilExit()
        }
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        let address = try Multiaddr(line.trimmingCharacters(in: .whitespacesAndNewlines))

        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let host = Host(configuration: HostConfiguration(identity: .generate()), group: group)
        var rates: [Double] = []
        for _ in 0..<5 {
            let seconds = try await Scratch.seconds { try await send(folder.size, over: host, to: address) }
            rates.append(Double(folder.size) / seconds)
        }
        table.rate(
            "one raw stream", Scratch.median(rates), of: limits.aead, named: "ChaCha20-Poly1305", goal: 0.65)
        await host.shutdown()
        try await group.shutdownGracefully()
    }

    /// Sends `count` bytes and waits until the other side has said that it took them all.
    private static func send(_ count: Int, over host: Transport.Host, to address: Multiaddr) async throws {
        let connection = try await host.connect(address)
        let stream = try await host.openStream(to: connection.remotePeer, protocols: [protocolID])
        let piece = ByteBuffer(repeating: 7, count: 1 << 20)
        for _ in 0..<(count >> 20) { try await stream.send(piece) }
        stream.closeWrite()
        let answer = try await stream.readToEnd(maximum: 8)
        guard answer.getInteger(at: 0, as: UInt64.self) == UInt64(count) else { throw Failure("bytes were lost") }
    }

    /// The other process: counts what comes, until its stdin closes.
    static func servePeer() async {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let host = Host(configuration: HostConfiguration(identity: .generate()), group: group)
        host.handle(protocolID) { _ in Sink() }
        do {
            let bound = try await host.listen(on: [Multiaddr("/ip4/127.0.0.1/tcp/0")])
            Output.line(bound[0].appending(host.peerID).description)
            _ = FileHandle.standardInput.readDataToEndOfFile()
        } catch {
            Output.message("\(error)")
        }
        await host.shutdown()
        try? await group.shutdownGracefully()
    }

    private final class Sink: StreamHandler {
        private var count: UInt64 = 0

        func received(_ bytes: ByteBuffer, on stream: PeerStream) { count += UInt64(bytes.readableBytes) }

        func inputClosed(_ stream: PeerStream) {
            stream.write(ByteBuffer(integer: count))
            stream.closeWrite()
        }

        func failed(_ error: StreamError, on stream: PeerStream) {}
    }
}
