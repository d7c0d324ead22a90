import Foundation
import PeerCrypto

/// The secret that opens the API: 256 random bits, in the file `api-token` of the repository.
package struct APIToken: Sendable {
    package static let fileName = "api-token"

    /// 64 hex digits.
    package let text: String

    /// A token of its own; for tests and for `api-token` files that do not exist yet.
    package init() {
        text = RandomBytes.make(32).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// A token that is known already. Nil unless it has at least 32 characters, all of them usable in a header.
    package init?(_ text: String) {
        guard text.utf8.count >= 32, text.utf8.count <= 512, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            return nil
        }
        self.text = text
    }

    /// The token in the repository's file; nil when there is none or it is no token.
    package static func load(repository: String) -> APIToken? {
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: path(repository))), data.count <= 1024 else {
            return nil
        }
        return APIToken(String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
    }

    /// The token in the repository's file, which is made (0600) if it is not there.
    package static func loadOrCreate(repository: String) throws -> APIToken {
        if let token = load(repository: repository) { return token }
        let token = APIToken()
        try PrivateFile.store(Array((token.text + "\n").utf8), at: path(repository), replacing: true)
        return token
    }

    /// Compares in a time that does not depend on where they differ.
    package func matches(_ offered: String) -> Bool {
        ConstantTime.equal(text, offered)
    }

    private static func path(_ repository: String) -> String { repository + "/" + fileName }
}

/// Why the API cannot be set up.
package enum ConfigurationFailure: Error, CustomStringConvertible {
    case openWithoutToken(String)

    package var description: String {
        switch self {
        case .openWithoutToken(let address):
            "api.listen is \(address), which others can reach, and api.require_token is false; "
                + "set it to true, or listen on 127.0.0.1"
        }
    }
}
