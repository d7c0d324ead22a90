import Multiformats

extension API {
    /// How the request wants names to be written (`ipns-base`): base36 unless it says otherwise.
    static func nameWriter(_ request: RPCRequest) throws(RPCError) -> (PeerID) -> String {
        switch request.parameters.text("ipns-base") ?? "base36" {
        case "", "base36": return { $0.cid.text(in: .base36) }
        case "b58mh": return { $0.description }
        case let name:
            guard let base = Base.allCases.first(where: { "\($0)" == name }), base != .identity else {
                throw .usage("unknown base '\(name)': it is base36, base32, base58btc or b58mh")
            }
            return { $0.cid.text(in: base) }
        }
    }
}
