import SansIO

/// The Kademlia core: a routing table, the lookups under way and the records that we keep for others.
package struct Kademlia: Sendable {
}
