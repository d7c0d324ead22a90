/// What a test wants to go wrong on the disk, asked before every system call of the store on its own files.
///
/// SQLite's files are not covered; those are tested by damaging copies of them.
package struct FaultPlan: Sendable {
    /// A kind of system call.
    package enum Operation: Hashable, Sendable { case open, write, sync, read, truncate, punch, remove }

    /// How a call goes wrong: with an errno value, or (writes only) by doing less than asked.
    package enum Fault: Hashable, Sendable { case error(Int32), short }

    private let decide: @Sendable (Operation, String) -> Fault?

    /// A plan that `decide` makes from the operation and the file's path; `nil` lets the call through.
    package init(_ decide: @escaping @Sendable (Operation, String) -> Fault?) { self.decide = decide }

    func next(_ operation: Operation, _ path: String) -> Fault? { decide(operation, path) }

    func error(_ operation: Operation, _ path: String) -> Int32? {
        guard case .error(let code)? = decide(operation, path) else { return nil }
        return code
    }
}
