package import NIOCore
import Synchronization

/// Decides who may use the API, before a request is looked at any further.
///
/// Against web pages: the Host must be this machine's (DNS rebinding), and an Origin must be on the list,
/// letter by letter. Against other users: the bearer token, whose guessing is slowed down per address.
/// Source: CVE-2018-5702, Kubo's fixes of kubo#743 and kubo#2165
package final class Gatekeeper: Sendable {
    /// Wrong tokens that one address may send in a minute.
    static let triesPerMinute = 5
    /// How many addresses are remembered.
    static let maximumAddresses = 1024

    private let token: APIToken?
    private let hosts: Set<String>
    private let origins: Set<String>
    private let tries = Mutex<[String: Tries]>([:])

    private struct Tries {
        var count = 0
        var since: NIODeadline
    }

    /// - Parameters:
    ///   - token: nil lets everyone in who reaches the socket.
    ///   - hosts: names besides the loopback ones, without port.
    ///   - origins: web origins, exactly as browsers send them.
    package init(token: APIToken?, hosts: [String], origins: [String]) {
        self.token = token
        self.hosts = Set(["localhost", "127.0.0.1", "[::1]"] + hosts.map { $0.lowercased() })
        self.origins = Set(origins)
    }

    /// What the headers of a request say about who sends it.
    package struct Credentials: Sendable {
        package var host: String?
        package var origin: String?
        package var authorization: String?
        /// Kubo's query parameter, which its client sends along.
        package var query: String?

        package init(host: String?, origin: String?, authorization: String?, query: String?) {
            self.host = host
            self.origin = origin
            self.authorization = authorization
            self.query = query
        }
    }

    /// Throws unless the request comes to one of our names.
    package func checkHost(_ host: String?) throws(RPCError) {
        guard let host, isAllowed(host: host) else {
            throw RPCError(.forbidden, "this Host is not allowed; add it to api.allowed_hosts if it is yours")
        }
    }

    /// Throws unless the request comes to one of our names, and from no page or from an allowed one.
    package func checkHostAndOrigin(_ credentials: Credentials) throws(RPCError) {
        try checkHost(credentials.host)
        if let origin = credentials.origin, !origins.contains(origin) {
            throw RPCError(.forbidden, "this Origin is not allowed; add it to api.allowed_origins if it is yours")
        }
    }

    /// Throws unless the token is right. A right one passes even when its address is being throttled.
    package func checkToken(_ credentials: Credentials, from address: String, now: NIODeadline) throws(RPCError) {
        guard let token else { return }
        guard let offered = credentials.token else {
            throw RPCError(
                .unauthorized, "a token is needed: send the content of api-token as 'Authorization: Bearer TOKEN'")
        }
        if token.matches(offered) { return }
        guard countTry(from: address, now: now) else {
            throw RPCError(.throttled, "too many wrong tokens; wait a minute")
        }
        throw RPCError(.unauthorized, "the token is wrong; the right one is in the file api-token of the repo")
    }

    /// Whether `origin` is on the list; then browsers are told so.
    package func allows(origin: String) -> Bool { origins.contains(origin) }

    /// Whether `host` (a Host header) names this machine: a known name and, if any, a port in digits.
    package func isAllowed(host: String) -> Bool {
        let text = host.lowercased()
        let name: Substring
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return false }
            name = text[...end]
        } else {
            name = text.prefix { $0 != ":" }
        }
        let rest = text[name.endIndex...]
        if !rest.isEmpty {
            let digits = rest.dropFirst()
            guard rest.first == ":", (1...5).contains(digits.utf8.count), UInt16(digits) != nil,
                digits.utf8.allSatisfy({ (0x30...0x39).contains($0) })
            else { return false }
        }
        return hosts.contains(String(name))
    }

    /// Counts a wrong token; false when there were too many.
    private func countTry(from address: String, now: NIODeadline) -> Bool {
        tries.withLock { tries in
            if tries.count >= Self.maximumAddresses, tries[address] == nil {
                tries = tries.filter { now - $0.value.since < .minutes(1) }
                if tries.count >= Self.maximumAddresses, let oldest = tries.min(by: { $0.value.since < $1.value.since })
                {
                    tries[oldest.key] = nil
                }
            }
            var entry = tries[address] ?? Tries(since: now)
            if now - entry.since >= .minutes(1) { entry = Tries(since: now) }
            entry.count = min(entry.count + 1, Self.triesPerMinute + 1)
            tries[address] = entry
            return entry.count <= Self.triesPerMinute
        }
    }
}

extension Gatekeeper.Credentials {
    /// The token as the header gives it, else as the query does.
    var token: String? {
        if let authorization {
            let parts = authorization.split(separator: " ", maxSplits: 1)
            guard parts.count == 2, parts[0].lowercased() == "bearer" else { return "" }
            return String(parts[1])
        }
        guard let query else { return nil }
        return query.hasPrefix("bearer:") ? String(query.dropFirst("bearer:".count)) : ""
    }
}
