import Foundation
import MerkleDAG
import Multiformats
import NIOCore
import PeerCrypto
import TestSupport
import Testing

/// `car-contents.json`: what an independent reader found in every CAR of the vectors.
struct CARContents: Decodable {
    struct Node: Decodable {
        var cid: String
        var type: String
        var blockSize: Int?
        var size: UInt64?
        var sha256: String?
        var text: String?
        var target: String?
        var mode: String?
        var mtime: Int64?
        var content: String?
    }
    struct Car: Decodable {
        var carVersion: Int?
        var roots: [String]?
        var sections: Int?
        var uniqueMultihashes: Int?
        var badHashes: Int?
        var tree: [String: Node]?
        var error: String?
    }
    var cars: [String: Car]

    static let all: [String: Car] = (try? Vectors.json("car-contents.json", as: CARContents.self))?.cars ?? [:]
}
