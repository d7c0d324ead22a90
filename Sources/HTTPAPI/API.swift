package final class API: Sendable {
    static let agent = "peernode/0.1.0"
    static let commands: [String: RPCCommand] = [:]
    func open(_ path: String) async -> (Int, JSON)? { nil }
}
extension RPCError {
    init(describing error: any Error) { self.init(.failure, "\(error)") }
}
