/// One field of a partial update: absent leaves what is there, null takes it away.
package enum Patch<Value> {
    /// The field is absent.
    case unchanged
    /// The field is null.
    case cleared
    case set(Value)

    /// The new value, when there is one.
    package var value: Value? {
        if case .set(let value) = self { return value }
        return nil
    }

    /// Whether the field is present at all.
    package var isChange: Bool {
        if case .unchanged = self { return false }
        return true
    }
}

extension Patch: Sendable where Value: Sendable {}
extension Patch: Equatable where Value: Equatable {}

extension Patch {
    /// `set` of a value, `unchanged` of none.
    package init(_ value: Value?) { self = value.map { .set($0) } ?? .unchanged }
}
