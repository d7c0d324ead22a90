package import NIOCore

/// A topic's name, as the bytes that travel.
///
/// They are UTF-8 by custom, but nobody checks it; comparing and hashing go over the bytes, so that a topic in a
/// frame is looked up without making a string of it.
package struct Topic: Hashable, Sendable {
    /// The longest name that is taken note of, in bytes; IPNS needs 80, ours fewer.
    package static let maximumLength = 1024

    /// The name.
    package let bytes: ByteBuffer

    /// The topic of that name.
    package init(_ name: String) { bytes = ByteBuffer(string: name) }

    /// The topic whose name these bytes are; they stay where they are.
    package init(bytes: ByteBuffer) { self.bytes = bytes }

    /// A copy that keeps no frame alive.
    var detached: Topic { Topic(bytes: ByteBuffer(bytes.readableBytesView)) }

    /// Its name for people; what is no UTF-8 shows as replacement characters.
    package var name: String { String(buffer: bytes) }
}

extension Topic: Comparable, CustomStringConvertible {
    /// By the bytes, so that lists are the same on every machine.
    package static func < (left: Topic, right: Topic) -> Bool {
        left.bytes.readableBytesView.lexicographicallyPrecedes(right.bytes.readableBytesView)
    }

    package var description: String { name }
}
