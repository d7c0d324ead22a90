import Foundation

/// What is written down about a running testnet, so that other commands find and end it.
package struct ClusterState: Codable {
    package struct Node: Codable {
        package let index: Int
        package let repo: String
        package let pid: Int32
        package let peerID: String
        /// Those for TCP first.
        package let addresses: [String]
        package let api: String

        enum CodingKeys: String, CodingKey {
            case index, repo, pid, addresses, api
            case peerID = "peer_id"
        }
    }

    /// The `testnet up` that owns the nodes.
    package let owner: Int32
    package var nodes: [Node]

    private static func file(in folder: String) -> URL {
        URL(fileURLWithPath: folder).appendingPathComponent("testnet.json")
    }

    /// The state of the testnet in `folder`.
    package static func load(from folder: String) throws -> ClusterState {
        guard let data = try? Data(contentsOf: file(in: folder)),
            let state = try? JSONDecoder().decode(ClusterState.self, from: data)
        else {
            throw Failure("No testnet runs in \(folder): start one with `testnet up 5`.")
        }
        return state
    }

    package func save(to folder: String) throws {
        try JSONEncoder().encode(self).write(to: Self.file(in: folder), options: .atomic)
    }

    /// Ends the owner and every node, and removes the folder. Safe to repeat.
    package func endEverything(in folder: String) {
        // Only processes that still are what we started: a number may have been given to someone else since.
        if isOurs(owner, name: "testnet") { kill(owner, SIGTERM) }
        let alive = nodes.map(\.pid).filter { isOurs($0, name: "peernode") }
        for pid in alive { kill(pid, SIGTERM) }
        var rest = alive + (isOurs(owner, name: "testnet") ? [owner] : [])
        for _ in 0..<1_200 where !rest.isEmpty {
            usleep(10_000)
            rest.removeAll { !isOurs($0, name: $0 == owner ? "testnet" : "peernode") }
        }
        for pid in rest { kill(pid, SIGKILL) }
        try? FileManager.default.removeItem(atPath: folder)
    }

    private func isOurs(_ pid: Int32, name: String) -> Bool {
        guard pid > 1, pid != getpid(),
            let command = try? String(contentsOfFile: "/proc/\(pid)/comm", encoding: .utf8)
        else { return false }
        return command.trimmingCharacters(in: .newlines) == name
    }
}
