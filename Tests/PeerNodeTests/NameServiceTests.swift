import DHT
import Foundation
import Multiformats
import PeerCrypto
import PeerNode
import Storage
import Synchronization
import TestSupport
import Testing

/// Publishing and resolving names over a network that is a dictionary.
@Suite struct NameServiceTests {
    /// What the peers have, and what they do.
    private final class Peers: Sendable {
        struct State {
            var values: [[UInt8]: [[UInt8]]] = [:]
            var puts = 0
            var gets = 0
            var refuses = false
            var time: UInt64 = 1_800_000_000_000
        }
        let state = Mutex(State())
        /// One element for each put.
        let puttings: AsyncStream<Void>
        private let put: AsyncStream<Void>.Continuation

        init() { (puttings, put) = AsyncStream.makeStream() }

        var puts: Int { state.withLock { $0.puts } }
        var gets: Int { state.withLock { $0.gets } }
        func pass(_ seconds: UInt64) { state.withLock { $0.time += seconds * 1000 } }
        func refuse(_ refuses: Bool) { state.withLock { $0.refuses = refuses } }
        func give(_ record: IPNSRecord, _ name: IPNSName) {
            state.withLock { $0.values[name.recordKey, default: []].append(record.bytes) }
        }
        func forget() { state.withLock { $0.values = [:] } }
        func records(_ name: IPNSName) throws -> [IPNSRecord] {
            try state.withLock { $0.values[name.recordKey] ?? [] }.map { try IPNSRecord(verifying: $0, of: name) }
        }
        var clock: @Sendable () -> KadTime { { KadTime(milliseconds: self.state.withLock { $0.time }) } }

        var network: NameService.Network {
            NameService.Network(
                put: { key, value in
                    defer { self.put.yield() }
                    return self.state.withLock { state in
                        state.puts += 1
                        if state.refuses { return (0, 20) }
                        state.values[key, default: []].append(value)
                        return (20, 20)
                    }
                },
                get: { key in
                    let values = self.state.withLock { state in
                        state.gets += 1
                        return state.values[key] ?? []
                    }
                    return AsyncThrowingStream { continuation in
                        for value in values { continuation.yield(value) }
                        continuation.finish()
                    }
                })
        }
    }

    private let identity = KeyPair(seed: [UInt8](repeating: 3, count: 32))
    private var name: IPNSName { IPNSName(identity.peerID) }
    private let first = "/ipfs/bafkqaaa"
    private let second = "/ipfs/bafkqaclimvwgy3y"

    /// A service on the repo in `folder`, and the repo, which is left open.
    private func open(_ folder: String, _ peers: Peers, _ plane: ControlPlane) throws -> (NameService, Repository) {
        let repository = try Repository.open(at: folder)
        let keys = KeyStore(repository: folder, identity: identity)
        return (NameService(keys: keys, records: repository.records, plane: plane, now: peers.clock), repository)
    }

    private func withService(
        online: Bool = true, _ body: (NameService, Peers, ControlPlane, String) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let plane = ControlPlane(dataThreads: 1, poolThreads: 2)
            let peers = Peers()
            let (service, repository) = try open(folder.appendingPathComponent("a").path, peers, plane)
            if online { await service.attach(peers.network) }
            var problem: (any Error)?
            do {
                try await body(service, peers, plane, folder.path)
            } catch {
                problem = error
            }
            await service.stop()
            try repository.close()
            await plane.shutdown()
            if let problem { throw problem }
        }
    }

    private func record(_ value: String, _ sequence: UInt64, _ peers: Peers, key: KeyPair? = nil) throws -> IPNSRecord {
        try IPNSRecord(
            value: Array(value.utf8), sequence: sequence,
            validity: UTCTime(KadTime(milliseconds: peers.clock().milliseconds + 3_600_000)),
            timeToLive: .seconds(60), signedBy: key ?? identity)
    }

    @Test("The sequence grows only when the value changes")
    func sequence() async throws {
        try await withService { service, peers, _, _ in
            var numbers: [UInt64] = []
            for path in [first, first, second, second, first] {
                peers.pass(10)
                let publication = try await service.publish(path)
                numbers.append(publication.record.sequence)
                #expect(publication.stored == 20 && publication.name == name)
                let resolved = try await service.resolve(name.description)
                #expect(resolved == path)
            }
            #expect(numbers == [0, 0, 1, 1, 2])
            let sent = try peers.records(name)
            #expect(sent.map(\.sequence) == numbers)
            #expect(sent[1].validity > sent[0].validity)
            #expect(sent.allSatisfy(\.hasVersion1) && sent[0].timeToLive == .seconds(300))
            #expect(sent[0].validity.kadTime.milliseconds - 1_800_000_010_000 == 48 * 3_600_000)
        }
    }

    @Test("The sequence holds when the process dies right after publishing")
    func killed() async throws {
        try await withService(online: false) { service, peers, plane, folder in
            _ = try await service.publish(first)
            for round in 1...5 {
                let (path, before) = (round % 2 == 0 ? first : second, folder + "/a")
                let publication = try await service.publish(path)
                #expect(publication.record.sequence == UInt64(round))
                // The disk at this moment, while the other process is still there: nothing was closed.
                let copy = folder + "/copy\(round)"
                try FileManager.default.copyItem(atPath: before, toPath: copy)
                let (reborn, repository) = try open(copy, peers, plane)
                let resolved = try await reborn.resolve(name.path)
                #expect(resolved == path)
                let same = try await reborn.publish(path)
                let next = try await reborn.publish("/ipfs/bafkqabi")
                #expect(same.record.sequence == UInt64(round) && next.record.sequence == UInt64(round) + 1)
                try repository.close()
            }
        }
    }

    @Test("Published names are sent again every four hours, with their number and a new end")
    func republished() async throws {
        try await withService { service, peers, _, _ in
            let made = try await service.publish(first).record
            let soon = await service.republish()
            #expect(peers.puts == 1 && soon > .seconds(4 * 3600 - 60))
            peers.pass(4 * 3600)
            _ = await service.republish()
            #expect(peers.puts == 2)
            let again = try #require(try peers.records(name).last)
            #expect(again.sequence == made.sequence && again.value == made.value)
            #expect(again.validity.kadTime.milliseconds == made.validity.kadTime.milliseconds + 4 * 3_600_000)
            // A failure is tried again after five minutes.
            peers.refuse(true)
            peers.pass(4 * 3600)
            let wait = await service.republish()
            #expect(peers.puts == 3 && wait <= .seconds(300))
            peers.pass(299)
            _ = await service.republish()
            #expect(peers.puts == 3)
            peers.pass(1)
            peers.refuse(false)
            _ = await service.republish()
            #expect(peers.puts == 4)
            let count = try peers.records(name).count
            #expect(count == 3)
        }
    }

    @Test("A started service publishes by itself what is due, and stops")
    func loop() async throws {
        try await withService(online: false) { service, peers, _, _ in
            _ = try await service.publish(first)
            peers.pass(4 * 3600)
            await service.start(peers.network)
            for await _ in peers.puttings { break }
            await service.stop()
            #expect(try peers.records(name).map(\.sequence) == [0])
        }
    }

    @Test("What nobody took is kept, said and tried again")
    func refused() async throws {
        try await withService { service, peers, _, _ in
            peers.refuse(true)
            await #expect(throws: NameError.notStored(name.description, of: 20)) { try await service.publish(first) }
            let resolved = try await service.resolve(name.description)
            #expect(resolved == first)
            peers.refuse(false)
            peers.pass(300)
            _ = await service.republish()
            #expect(try peers.records(name).map(\.sequence) == [0])
        }
    }

    @Test("Memory serves until the record's time is over; an older record is never believed")
    func cache() async throws {
        try await withService { service, peers, _, _ in
            let key = KeyPair(seed: [UInt8](repeating: 8, count: 32))
            let other = IPNSName(key.peerID)
            await #expect(throws: NameError.notFound(other.description)) { try await service.resolve(other.path) }
            for (value, number) in [(first, 3), (second, 5), (first, 4)] as [(String, UInt64)] {
                peers.give(try record(value, number, peers, key: key), other)
            }
            peers.give(try record(first, 99, peers), other)
            var resolved = try await service.resolve(other.path + "/a/b")
            #expect(resolved == second + "/a/b")
            let asked = peers.gets
            peers.pass(59)
            _ = try await service.resolve(other.path)
            #expect(peers.gets == asked)
            _ = try await service.resolve(other.path, noCache: true)
            #expect(peers.gets == asked + 1)
            // All peers but old ones are gone.
            peers.forget()
            peers.give(try record(first, 4, peers, key: key), other)
            peers.pass(61)
            resolved = try await service.resolve(other.path)
            #expect(resolved == second && peers.gets == asked + 2)
            // At its end even what is remembered is over.
            peers.pass(3600)
            await #expect(throws: NameError.notFound(other.description)) { try await service.resolve(other.path) }
        }
    }

    @Test("Names that lead to names are followed, not for ever")
    func recursion() async throws {
        try await withService { service, peers, _, _ in
            let keys = (10..<50).map { KeyPair(seed: [UInt8](repeating: $0, count: 32)) }
            for index in 0..<39 {
                let next = IPNSName(keys[index + 1].peerID)
                peers.give(
                    try record(next.path + "/\(index)", 1, peers, key: keys[index]), IPNSName(keys[index].peerID))
            }
            peers.give(try record(first, 1, peers, key: keys[39]), IPNSName(keys[39].peerID))
            let near = try await service.resolve(IPNSName(keys[37].peerID).path + "/x")
            #expect(near == first + "/38/37/x")
            let once = try await service.resolve(IPNSName(keys[37].peerID).path, depth: 1)
            #expect(once == IPNSName(keys[38].peerID).path + "/37")
            let start = IPNSName(keys[0].peerID).path
            await #expect(throws: NameError.tooDeep(start)) { try await service.resolve(start) }
            await #expect(throws: NameError.self) { try await service.resolve("/ipns/example") }
        }
    }

    @Test("A key that was used elsewhere goes on from there")
    func elsewhere() async throws {
        try await withService { service, peers, _, _ in
            peers.give(try record(second, 41, peers), name)
            let publication = try await service.publish(first)
            #expect(publication.record.sequence == 42)
            // The other node moves on: ours is not sent against it.
            peers.give(try record(second, 43, peers), name)
            let resolved = try await service.resolve(name.path, noCache: true)
            #expect(resolved == second)
            let puts = peers.puts
            peers.pass(4 * 3600)
            _ = await service.republish()
            #expect(peers.puts == puts)
            let next = try await service.publish(first)
            #expect(next.record.sequence == 44)
        }
    }

    @Test("Offline, what is known here is resolved, and nothing else")
    func offline() async throws {
        try await withService(online: false) { service, peers, _, _ in
            await #expect(throws: NameError.offline(name.description)) { try await service.resolve(name.path) }
            let publication = try await service.publish(first, lifetime: .seconds(3600))
            #expect(publication.of == 0)
            let resolved = try await service.resolve(identity.peerID.description, noCache: true)
            #expect(resolved == first)
            peers.pass(3600)
            await #expect(throws: NameError.offline(name.description)) { try await service.resolve(name.path) }
            await #expect(throws: NameError.badLifetime) { try await service.publish(first, lifetime: .zero) }
            await #expect(throws: NameError.badPath("x")) { try await service.publish("x") }
            await #expect(throws: KeyStoreError.unknown("blog")) { try await service.publish(first, key: "blog") }
        }
    }

    @Test("Publishing from many sides at once numbers every change once")
    func parallel() async throws {
        try await withService { service, peers, _, _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<20 {
                    group.addTask { _ = try await service.publish("/ipfs/bafkqaaa/\(index)") }
                }
                try await group.waitForAll()
            }
            let numbers = try peers.records(name).map(\.sequence).sorted()
            #expect(numbers == Array(0..<20))
        }
    }
}
