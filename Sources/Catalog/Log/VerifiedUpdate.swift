/// Bytes whose signature and form have been checked, or why they are no update. Only their ancestors are left to
/// check, which needs the log.
package struct VerifiedUpdate: Sendable {
    package let outcome: Result<Update, UpdateError>

    /// Checks one block; costs one signature, about 60 microseconds.
    package init(_ block: [UInt8]) {
        do throws(UpdateError) {
            outcome = .success(try Update(verifying: block))
        } catch {
            outcome = .failure(error)
        }
    }

    /// What has just been signed here.
    init(own update: Update) { outcome = .success(update) }

    /// The update; `nil` when there is none.
    package var update: Update? { try? outcome.get() }

    /// Checks many blocks, on several threads where there are enough of them. The order stays.
    package static func verify(_ blocks: [[UInt8]]) async -> [VerifiedUpdate] {
        let width = 64
        guard blocks.count > width else { return blocks.map { VerifiedUpdate($0) } }
        return await withTaskGroup(of: (Int, [VerifiedUpdate]).self) { group in
            for start in stride(from: 0, to: blocks.count, by: width) {
                let part = blocks[start..<min(start + width, blocks.count)]
                group.addTask { (start, part.map { VerifiedUpdate($0) }) }
            }
            var parts: [(start: Int, updates: [VerifiedUpdate])] = []
            for await part in group { parts.append(part) }
            return parts.sorted { $0.start < $1.start }.flatMap(\.updates)
        }
    }
}
