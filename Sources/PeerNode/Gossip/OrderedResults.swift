/// Gives results of parallel work out in the order in which the work began.
///
/// Signatures are checked on several threads, and of one author only growing numbers count: a later message whose
/// batch was done sooner would make the earlier ones look old.
struct OrderedResults<Result> {
    private var begun: UInt64 = 0
    private var given: UInt64 = 0
    /// Results that are there before their turn.
    private var early: [UInt64: Result] = [:]

    /// The number of a piece of work that begins now. Each must finish, or nothing behind it is given out.
    mutating func begin() -> UInt64 {
        defer { begun += 1 }
        return begun
    }

    /// Takes in a result; gives those whose turn it is.
    mutating func finish(_ number: UInt64, _ result: Result) -> [Result] {
        early[number] = result
        var ready: [Result] = []
        while let next = early.removeValue(forKey: given) {
            given += 1
            ready.append(next)
        }
        return ready
    }
}
