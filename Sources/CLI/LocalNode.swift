import HTTPAPI
import Logging
import PeerNode

/// The repo itself, opened by this process: no network, no socket, the same commands.
struct LocalNode: NodeClient {
    private let node: Node
    private let api: API

    static func open(_ configuration: NodeConfiguration) async throws -> LocalNode {
        let logger = Logger(label: "peernode") { LogOutput(label: $0, format: configuration.log.format) }
        LogLevels.set("error", for: nil)
        let node = try await Node.open(configuration, logger: logger)
        return LocalNode(node: node, api: API(node: node, tagHelper: TagHelperCommand.helper) {})
    }

    func close() async { await node.stop() }

    func send(_ request: RPCRequest, to sink: ReplySink) async throws {
        switch try await api.answer(request) {
        case .value(let value): try await sink.event(value)
        case .events(let source): try await source(sink)
        case .bytes(_, let length, let source):
            if let length { sink.begin(length: length) }
            try await source(sink)
        }
    }
}
