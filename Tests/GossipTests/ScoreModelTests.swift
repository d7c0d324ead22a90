import Gossip
import Multiformats
import NIOCore
import PeerCrypto
import SansIO
import Testing

/// Scores against a model that replays a peer's whole history whenever it is asked.
@Suite("Scores") struct ScoreModelTests {
    /// What happened to a peer, in order.
    private enum Event {
        case graft(Instant)
        case prune
        case first
        case near
        case invalid
        case misdeed
        case application(Double)
        case second(Instant)
        /// It left, and so many had its address.
        case gone(company: Int)
    }

    private static let parameters: ScoreParameters = {
        var parameters = ScoreParameters()
        parameters.thresholds.gossip = -1e9
        parameters.thresholds.publish = -1e9
        parameters.thresholds.graylist = -1e9
        parameters.thresholds.opportunisticGraft = -1e9
        parameters.topicCap = 60
        parameters.applicationWeight = 0.5
        parameters.colocationWeight = -3
        parameters.colocationThreshold = 2
        parameters.behaviourWeight = -2
        parameters.behaviourThreshold = 1
        parameters.behaviourDecay = 0.9
        parameters.retention = .seconds(1 << 30)
        return parameters
    }()

    private static let rules: TopicScoreParameters = {
        var rules = TopicScoreParameters()
        rules.weight = 0.7
        rules.timeInMeshWeight = 0.3
        rules.timeInMeshQuantum = 2
        rules.timeInMeshCap = 10
        rules.firstDeliveriesWeight = 2
        rules.firstDeliveriesDecay = 0.9
        rules.firstDeliveriesCap = 12
        rules.meshDeliveriesWeight = -1
        rules.meshDeliveriesDecay = 0.8
        rules.meshDeliveriesCap = 9
        rules.meshDeliveriesThreshold = 4
        rules.meshDeliveriesWindow = .milliseconds(100)
        rules.meshDeliveriesActivation = .seconds(5)
        rules.failureWeight = -0.5
        rules.failureDecay = 0.7
        rules.invalidWeight = -1.5
        rules.invalidDecay = 0.95
        return rules
    }()

    /// The score that a history gives, by the specification's words. `company` is how many peers share the address.
    private static func score(_ history: [Event], company: Int) -> Double {
        var inMesh = false, active = false
        var grafted = Instant.zero
        var meshTime = 0.0, first = 0.0, near = 0.0, failed = 0.0, invalid = 0.0, misdeeds = 0.0, application = 0.0
        func faded(_ value: Double, _ factor: Double) -> Double { value * factor < 0.01 ? 0 : value * factor }
        func missing() -> Double { active && near < 4 ? (4 - near) * (4 - near) : 0 }
        func total(_ company: Int) -> Double {
            var topic = (inMesh ? 0.3 * min(meshTime / 2, 10) : 0) + 2 * first - missing() - 0.5 * failed
            topic -= 1.5 * invalid * invalid
            var sum = min(0.7 * topic, 60) + 0.5 * application
            if company > 2 { sum -= 3 * Double((company - 2) * (company - 2)) }
            if misdeeds > 1 { sum -= 2 * (misdeeds - 1) * (misdeeds - 1) }
            return sum
        }
        for event in history {
            switch event {
            case .graft(let now): (inMesh, active, grafted, meshTime) = (true, false, now, 0)
            case .prune:
                failed += missing()
                (inMesh, active) = (false, false)
            case .first:
                first = min(first + 1, 12)
                if inMesh { near = min(near + 1, 9) }
            case .near: if inMesh { near = min(near + 1, 9) }
            case .invalid: invalid += 1
            case .misdeed: misdeeds += 1
            case .application(let score): application = score
            case .second(let now):
                first = faded(first, 0.9)
                near = faded(near, 0.8)
                failed = faded(failed, 0.7)
                invalid = faded(invalid, 0.95)
                misdeeds = faded(misdeeds, 0.9)
                if inMesh {
                    meshTime = (now - grafted).inSeconds
                    if meshTime > 5 { active = true }
                }
            case .gone(let company):
                if inMesh {
                    failed += missing()
                    (inMesh, active) = (false, false)
                }
                if total(company) < 0 {
                    first = 0
                } else {
                    (first, near, failed, invalid, misdeeds, application) = (0, 0, 0, 0, 0, 0)
                }
            }
        }
        return total(company)
    }

    @Test("Random conduct gets the score that the specification says", arguments: 100..<112)
    func model(_ seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        func number(_ below: Int) -> Int { Int(generator.next() % UInt64(below)) }
        let topic = TestCore.topic
        var test = TestCore(seed: seed) { configuration in
            configuration.scoring = Self.parameters
            configuration.topicSettings[topic]?.scoring = Self.rules
            // The mesh changes by what peers say alone.
            configuration.degree = 0
            configuration.degreeLow = 0
            configuration.degreeOutbound = 0
            configuration.degreeHigh = 1_000
        }
        test.subscribe()
        let peers = (0..<6).map { TestCore.key(UInt8(1 + $0)).peerID }
        var histories = [[Event]](repeating: [], count: 6)
        var groups = [UInt64](repeating: 0, count: 6)
        var isUp = [Bool](repeating: false, count: 6)
        var mesh: Set<Int> = []
        var backoffs: [Int: Instant] = [:]
        var recent: [(message: GossipMessage, accepted: Instant, sources: Set<Int>)] = []
        func expected(_ index: Int) -> Double {
            Self.score(histories[index], company: (0..<6).count { isUp[$0] && groups[$0] == groups[index] })
        }
        func graft(_ index: Int) {
            guard !mesh.contains(index) else { return }
            if let end = backoffs[index], test.now < end {
                histories[index].append(.misdeed)
                if end - test.now > .seconds(50) { histories[index].append(.misdeed) }
            } else if expected(index) >= 0 {
                mesh.insert(index)
                histories[index].append(.graft(test.now))
                return
            }
            backoffs[index] = max(backoffs[index] ?? .zero, test.now + .seconds(60))
        }
        var checks = 0
        for step in 0..<1_500 {
            let index = number(6)
            let peer = peers[index]
            switch number(12) {
            case 0 where !isUp[index]:
                isUp[index] = true
                groups[index] = UInt64(number(2))
                test.connect(peer, group: groups[index])
            case 1 where isUp[index] && number(4) == 0:
                histories[index].append(.gone(company: (0..<6).count { isUp[$0] && groups[$0] == groups[index] }))
                mesh.remove(index)
                isUp[index] = false
                for place in recent.indices { recent[place].sources.remove(index) }
                test.handle(.disconnected(peer))
            case 2 where isUp[index]:
                graft(index)
                test.receive(from: peer) { $0.graft = [topic] }
            case 3 where isUp[index] && number(3) == 0:
                if mesh.remove(index) != nil { histories[index].append(.prune) }
                backoffs[index] = max(backoffs[index] ?? .zero, test.now + .seconds(1))
                test.receive(from: peer) { $0.prune = [.init(topic, backoff: 1)] }
            case 4 where isUp[index]:
                let score = Double(number(40)) - 20
                histories[index].append(.application(score))
                test.handle(.applicationScore(peer, score))
            case 5 where isUp[index] && number(3) == 0:
                histories[index].append(.invalid)
                test.bring(peer, .reject)
            case 6, 7:
                guard isUp[index] else { continue }
                histories[index].append(.first)
                recent.append((test.bring(peer), test.now, [index]))
            case 8 where isUp[index] && !recent.isEmpty:
                // Soon enough and for the first time it counts.
                let place = recent.count - 1 - number(min(3, recent.count))
                test.receive(from: peer) { $0.messages = [recent[place].message] }
                let isFirst = recent[place].sources.insert(index).inserted
                if isFirst, test.now - recent[place].accepted <= .milliseconds(100) { histories[index].append(.near) }
            case 9: test.now = test.now + .milliseconds(Int64(number(60)))
            case 10:
                test.beat()
                for other in 0..<6 where isUp[other] { histories[other].append(.second(test.now)) }
                for other in mesh.sorted() where expected(other) < 0 {
                    mesh.remove(other)
                    histories[other].append(.prune)
                    backoffs[other] = max(backoffs[other] ?? .zero, test.now + .seconds(60))
                }
            default: break
            }
            #expect(test.mesh == mesh.map { peers[$0] }.sorted(), "seed \(seed), step \(step)")
            for other in 0..<6 where isUp[other] {
                let (is_, should) = (test.score(peers[other]), expected(other))
                checks += 1
                #expect(abs(is_ - should) < 1e-6, "seed \(seed), step \(step): \(is_) and not \(should)")
                if abs(is_ - should) >= 1e-6 { return }
            }
        }
        #expect(checks > 3_000)
    }
}
