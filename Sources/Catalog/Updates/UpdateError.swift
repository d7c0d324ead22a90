package import Multiformats

/// Why bytes are no valid update. Scope: the update, and whoever forwarded it.
///
/// Every case follows from the bytes and the ancestors alone, so all nodes come to the same answer.
package enum UpdateError: Error, Hashable, Sendable {
    /// The bytes are no dag-cbor in canonical form.
    case encoding(DAGError)
    /// A float, which no field has.
    case hasFloat
    /// More than 32 KiB with the body, in bytes.
    case tooLong(Int)
    /// A header that is no map, or a body that is none.
    case notAMap
    case missingField(String)
    /// A field of the wrong type or out of its limits.
    case badField(String)
    /// The header has a field that version 1 does not know.
    case unknownField(String)
    /// The bytes behind the header are not what `body` names.
    case otherBody
    /// Nothing stands behind the header of a kind that is not taken without its body.
    case bodyMissing
    case badSignature
    /// The node that a body announces has not signed it.
    case badNodeSignature
    /// Only the first update has no `prev` and no `author`, and its `seq` is 0.
    case badBeginning
    /// An update in `prev` belongs to another author.
    case otherAuthor
    /// The updates in `prev` do not agree on the key in force.
    case headsDisagree
    /// It is not signed by the key in force at `prev`.
    case keyNotInForce
    /// `seq` is not one more than the greatest of `prev`.
    case badSequence
    /// `time` is not later than that of every update in `prev`.
    case badTime
    /// An author who follows or reposts what is their own.
    case aboutOneself
}

extension UpdateError: CustomStringConvertible {
    /// What is wrong, in words for a user.
    package var description: String {
        switch self {
        case .encoding(let error): "it is no canonical dag-cbor: \(error)"
        case .hasFloat: "it has a floating point number"
        case .tooLong(let bytes): "\(bytes) bytes are more than the \(Update.maximumLength) allowed"
        case .notAMap: "it is no map"
        case .missingField(let name): "the field '\(name)' is missing"
        case .badField(let name): "the field '\(name)' has the wrong type or is out of its limits"
        case .unknownField(let name): "the header has an unknown field '\(name)'"
        case .otherBody: "the body is not the one that the header names"
        case .bodyMissing: "the body is missing"
        case .badSignature: "the signature is wrong"
        case .badNodeSignature: "the node that it announces has not signed it"
        case .badBeginning: "it is neither a first update nor one with ancestors"
        case .otherAuthor: "it continues another author's updates"
        case .headsDisagree: "the updates that it continues have different keys in force"
        case .keyNotInForce: "its key is not the one in force"
        case .badSequence: "its sequence number is wrong"
        case .badTime: "it is not later than what it continues"
        case .aboutOneself: "nobody follows or reposts what is their own"
        }
    }
}

extension UpdateError {
    /// The case alone, for counters.
    package var name: String {
        switch self {
        case .encoding: "encoding"
        case .hasFloat: "float"
        case .tooLong: "too_long"
        case .notAMap: "not_a_map"
        case .missingField: "missing_field"
        case .badField: "bad_field"
        case .unknownField: "unknown_field"
        case .otherBody: "other_body"
        case .bodyMissing: "body_missing"
        case .badSignature: "bad_signature"
        case .badNodeSignature: "bad_node_signature"
        case .badBeginning: "bad_beginning"
        case .otherAuthor: "other_author"
        case .headsDisagree: "heads_disagree"
        case .keyNotInForce: "key_not_in_force"
        case .badSequence: "bad_sequence"
        case .badTime: "bad_time"
        case .aboutOneself: "about_oneself"
        }
    }
}
