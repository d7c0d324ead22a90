import Foundation
import Multiformats
import NIOCore
import SansIO
import TestSupport
import Testing

/// Bytes that nobody should send: every reader refuses them or reads them faithfully, and never traps.
@Suite struct HostileTests {
    private static let value: DAGValue = .map([
        DAGEntry("list", .list([.null, .bool(true), .integer(-7), .integer(70_000), .float(1.5), .string("höre")])),
        DAGEntry("bytes", .bytes([0, 1, 2, 255])),
        DAGEntry("big", .integer(DAGInteger(isNegative: true, raw: .max))),
        DAGEntry("link", .link(CID(codec: .raw, multihash: .init(sha256: (1, 2, 3, 4))))),
        DAGEntry("map", .map([DAGEntry("a", .map([])), DAGEntry("b", .list([]))])),
    ])

    /// What the strict reader takes is the one encoding of what it gives; the tolerant one takes no less.
    @Test(arguments: [41, 42, 43] as [UInt64])
    func mutatedCBOR(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let base = try DagCBOR.encode(Self.value)
        var (strict, tolerant) = (0, 0)
        for _ in 0..<5000 {
            let bytes = mutated(base, using: &random)
            if let value = try? DagCBOR.decode(bytes, mode: .strict) {
                strict += 1
                #expect(try DagCBOR.encode(value) == bytes)
            }
            if let value = try? DagCBOR.decode(bytes) {
                tolerant += 1
                let canonical = try DagCBOR.encode(value)
                #expect(try DagCBOR.encode(DagCBOR.decode(canonical, mode: .strict)) == canonical)
                #expect(try DagCBOR.links(bytes) == value.links)
            } else {
                _ = try? DagCBOR.links(bytes)
            }
        }
        #expect(strict > 50 && tolerant >= strict)
    }

    @Test(arguments: [51, 52, 53] as [UInt64])
    func mutatedJSON(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let base = try DagJSON.encode(Self.value)
        var readable = 0
        for _ in 0..<5000 {
            let bytes = mutated(base, using: &random)
            guard let value = try? DagJSON.decode(bytes) else { continue }
            readable += 1
            let text = try DagJSON.encode(value)
            #expect(try DagJSON.encode(DagJSON.decode(text)) == text)
            #expect(try DagJSON.encode(DagCBOR.decode(DagCBOR.encode(value), mode: .strict)) == text)
        }
        #expect(readable > 50)
    }

    /// Binary CIDs have one form: what is read is written as it was.
    @Test(arguments: [61, 62] as [UInt64])
    func mutatedCIDs(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let texts = [
            "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n", "bafkqaaa",
            "bafykbzaceaptbcs7ik5mdfpot3b4ackvxlwh7loc5jcrtkayf64ukl7zyk46e",
        ]
        var readable = 0
        for text in texts {
            let base = try CID(text).bytes
            for _ in 0..<2000 {
                let bytes = mutated(base, using: &random)
                if let cid = try? CID(bytes) {
                    readable += 1
                    #expect(cid.bytes == bytes && cid.byteCount == bytes.count)
                    #expect(try CID(cid.description) == cid)
                }
                let changed = String(decoding: mutated(Array(text.utf8), using: &random), as: UTF8.self)
                if let cid = try? CID(changed) { #expect(try CID(cid.bytes) == cid) }
                if let peer = try? PeerID(changed) { #expect(try PeerID(peer.bytes) == peer) }
            }
        }
        #expect(readable > 100)
    }

    @Test(arguments: [71, 72] as [UInt64])
    func mutatedAddresses(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let texts = [
            "/ip4/1.2.3.4/tcp/4001/p2p/12D3KooWLU2znyJMtDiHArqAGbZn8CgUGp92kxDBtefftEEaHSZS/p2p-circuit",
            "/ip6/2a00::1/udp/1/quic-v1/webtransport/certhash/uEiB2Z8v1a0b5e1gq4n8xHQbA3n6nJrA2y9rJ4c5nYxQb3g",
            "/dns4/example.com/tcp/443/tls/sni/example.com/http/http-path/a%2Fb",
            "/ip6zone/eth0/ip6/fe80::1/tcp/1/memory/5",
            "/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:1234",
        ]
        var readable = 0
        for text in texts {
            guard let address = try? Multiaddr(text) else { continue }
            for _ in 0..<2000 {
                let bytes = mutated(address.bytes, using: &random)
                if let address = try? Multiaddr(bytes) {
                    readable += 1
                    #expect(address.bytes == bytes)
                    let isPath = address.components.contains { $0.proto == .unix }
                    #expect(try isPath || Multiaddr(address.description) == address, "\(bytes.hexText)")
                    _ = (address.tcp?.port, address.isPublic, address.relay?.target, address.peerID)
                }
                let changed = String(decoding: mutated(Array(text.utf8), using: &random), as: UTF8.self)
                if let address = try? Multiaddr(changed) { #expect(try Multiaddr(address.bytes) == address) }
            }
        }
        #expect(readable > 100)
    }

    @Test func truncation() throws {
        let cbor = try DagCBOR.encode(Self.value)
        for length in 0..<cbor.count {
            #expect(throws: DAGError.self) { try DagCBOR.decode(Array(cbor[..<length])) }
            #expect(throws: DAGError.self) { try DagCBOR.links(Array(cbor[..<length])) }
        }
        let json = try DagJSON.encode(Self.value)
        for length in 0..<json.count { #expect(throws: DAGError.self) { try DagJSON.decode(Array(json[..<length])) } }
        let cid = CID(codec: .dagJSON, multihash: .init(sha256: (1, 2, 3, 4))).bytes
        for length in 0..<cid.count { #expect(throws: MultiformatError.self) { try CID(Array(cid[..<length])) } }
        let address = try Multiaddr(
            "/dns4/example.com/tcp/443/p2p/12D3KooWLU2znyJMtDiHArqAGbZn8CgUGp92kxDBtefftEEaHSZS")
        let ends = address.components.indices.map { index -> Int in
            (try? Multiaddr(components: Array(address.components[...index])).bytes.count) ?? 0
        }
        for length in 0..<address.bytes.count where !ends.contains(length) {
            #expect(throws: MultiformatError.self) { try Multiaddr(Array(address.bytes[..<length])) }
        }
    }

    /// Counts and lengths that the bytes cannot hold are refused before anything is allocated for them.
    @Test func bombs() {
        let huge = [UInt8](repeating: 0xff, count: 8)
        for first: UInt8 in [0x5b, 0x7b, 0x9b, 0xbb] {
            #expect(throws: DAGError.truncated) { try DagCBOR.decode([first] + huge) }
            #expect(throws: DAGError.truncated) { try DagCBOR.links([first] + huge) }
        }
        // Each list claims what is left of the block, a thousand deep: only the first can be honest.
        var nested: [UInt8] = []
        for _ in 0..<1000 { nested += [0x9a, 0, 0x0f, 0, 0] }
        nested += [UInt8](repeating: 0, count: 1 << 20)
        #expect(throws: DAGError.truncated) { try DagCBOR.decode(nested) }
        // Tiny values in their millions would take many times the block's memory.
        let tiny = [0x9a, 0, 0x1f, 0xff, 0xfb] + [UInt8](repeating: 0, count: (2 << 20) - 5)
        #expect(throws: DAGError.tooManyValues) { try DagCBOR.decode(tiny) }
        #expect(throws: DAGError.tooManyValues) { try DagCBOR.decode([0x82, 0, 0], maximumValues: 2) }
        #expect(throws: DAGError.tooManyValues) { try DagJSON.decode(Array("[0,0]".utf8), maximumValues: 2) }
    }

    /// The deepest legal nesting passes on a small stack, one more is refused, a million too.
    @Test func depth() async throws {
        for (deep, legal) in [(1024, true), (1025, false), (1 << 20, false)] {
            let list = [UInt8](repeating: 0x81, count: deep) + [0]
            let map = [[UInt8]](repeating: [0xa1, 0x61, 0x61], count: deep).reduce(into: []) { $0 += $1 } + [0]
            let json = String(repeating: "[", count: deep) + "0" + String(repeating: "]", count: deep)
            let works = await onSmallStack {
                guard let value = try? DagCBOR.decode(list), let keyed = try? DagCBOR.decode(map),
                    let text = try? DagJSON.decode(json)
                else { return false }
                return (try? DagCBOR.encode(value)) == list && (try? DagCBOR.encode(keyed)) == map
                    && (try? DagJSON.encode(text)) == Array(json.utf8) && value == text && keyed.links.isEmpty
            }
            #expect(works == legal)
            #expect(try DagCBOR.links(list).isEmpty && DagCBOR.links(map).isEmpty)
        }
        let deep = (0..<1025).reduce(DAGValue.null) { value, _ in .list([value]) }
        #expect(throws: DAGError.tooDeep) { try DagCBOR.encode(deep) }
        #expect(throws: DAGError.tooDeep) { try DagJSON.encode(deep) }
    }

    /// Runs `body` on a thread with half a mebibyte of stack.
    private func onSmallStack(_ body: @escaping @Sendable () -> Bool) async -> Bool {
        await withCheckedContinuation { continuation in
            let thread = Thread { continuation.resume(returning: body()) }
            thread.stackSize = 512 << 10
            thread.start()
        }
    }
}
