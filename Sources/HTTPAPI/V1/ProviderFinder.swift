package import Multiformats
import Synchronization

/// Asks the network who has files, for clients that need no token and so may be any web page: each question lasts a
/// short time, few are under way at once, and an answer is given again for a while.
package final class ProviderFinder: Sendable {
    /// Peers that are looked for.
    package static let maximumProviders = 20
    /// Questions under way; further clients get what is known.
    package static let maximumSearches = 4
    /// Answers that are remembered.
    package static let maximumAnswers = 256

    /// Looks for peers and names each to its argument; ends early when its task is cancelled.
    package typealias Search = @Sendable (_ found: @Sendable (PeerID) -> Void) async -> Void

    private struct Answer {
        let peers: [PeerID]
        let until: ContinuousClock.Instant
    }

    private struct State {
        var answers: [CID: Answer] = [:]
        var searches = 0
    }

    /// What one question has found so far.
    private final class Found: Sendable {
        private let all = Mutex<[PeerID]>([])
        var peers: [PeerID] { all.withLock { $0 } }

        func add(_ peer: PeerID) {
            all.withLock { if $0.count < ProviderFinder.maximumProviders, !$0.contains(peer) { $0.append(peer) } }
        }
    }

    private let state = Mutex(State())
    private let patience: Duration
    private let life: Duration

    /// - Parameters:
    ///   - patience: how long a question may last.
    ///   - life: how long its answer holds.
    package init(patience: Duration = .seconds(2), life: Duration = .seconds(60)) {
        self.patience = patience
        self.life = life
    }

    /// Who has `file`, as `search` finds it or has found it lately.
    package func providers(of file: CID, _ search: @escaping Search) async -> [PeerID] {
        let known = state.withLock { state -> [PeerID]? in
            if let answer = state.answers[file], answer.until > .now { return answer.peers }
            if state.searches >= Self.maximumSearches { return [] }
            state.searches += 1
            return nil
        }
        if let known { return known }
        let found = Found()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await search { found.add($0) } }
            group.addTask { [patience] in try? await Task.sleep(for: patience) }
            await group.next()
            group.cancelAll()
        }
        let peers = found.peers
        state.withLock { state in
            state.searches -= 1
            if state.answers.count >= Self.maximumAnswers {
                state.answers = state.answers.filter { $0.value.until > .now }
            }
            if state.answers.count >= Self.maximumAnswers { state.answers.removeAll() }
            state.answers[file] = Answer(peers: peers, until: .now + life)
        }
        return peers
    }
}
