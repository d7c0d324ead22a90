package import Multiformats
import NIOCore

/// How many blocks and bytes some DAGs have, alone and together: the numbers of `dag stat`.
package struct DagStat: Hashable, Sendable {
    /// One root's numbers; each block counts once, however often it is linked.
    package struct Root: Hashable, Sendable {
        package let cid: CID
        package var size: UInt64 = 0
        package var blocks = 0
    }

    package private(set) var roots: [Root] = []
    /// The blocks that the roots have together, each counted once.
    package private(set) var uniqueBlocks = 0
    /// The bytes of those.
    package private(set) var totalSize: UInt64 = 0

    /// Walks the DAGs of `roots`; `progress` is told after each block.
    package init(
        of roots: [CID], window: Int = 16, get: @escaping BlockGet, progress: (@Sendable (DagStat) -> Void)? = nil
    ) async throws {
        var seen: Set<Multihash> = []
        for cid in roots {
            self.roots.append(Root(cid: cid))
            let last = self.roots.count - 1
            for try await block in DAGWalker(roots: [cid], window: window, get: get) {
                let size = UInt64(block.data?.readableBytes ?? 0)
                self.roots[last].size += size
                self.roots[last].blocks += 1
                if seen.insert(block.cid.multihash).inserted {
                    uniqueBlocks += 1
                    totalSize += size
                }
                progress?(self)
            }
        }
    }

    /// The bytes that the roots would take one by one.
    package var redundantSize: UInt64 { roots.reduce(0) { $0 + $1.size } }
    /// The bytes that are in more than one root.
    package var sharedSize: UInt64 { redundantSize - totalSize }
    /// How much sharing saves: 1 when nothing is shared.
    package var ratio: Double { totalSize == 0 ? 1 : Double(redundantSize) / Double(totalSize) }
}

extension DagStat {
    /// The table that Kubo prints.
    package var text: String {
        let width = roots.map { $0.cid.description.utf8.count }.max() ?? 3
        func pad(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.utf8.count))
        }
        var lines = ["", "\(pad("CID", width))\t\(pad("Blocks", 15))\tSize"]
        for root in roots { lines.append("\(pad("\(root.cid)", width))\t\(pad("\(root.blocks)", 15))\t\(root.size)") }
        lines += ["", "Summary", "Total Size: \(totalSize) (\(DagStat.human(totalSize)))"]
        lines += ["Unique Blocks: \(uniqueBlocks)", "Shared Size: \(sharedSize) (\(DagStat.human(sharedSize)))"]
        lines += ["Ratio: \(DagStat.decimal(ratio, places: 6))", "", "", ""]
        return lines.joined(separator: "\n")
    }

    /// A size in the largest unit of 1000 that leaves at least 1, with one decimal below 10.
    static func human(_ size: UInt64) -> String {
        guard size >= 1000 else { return "\(size) B" }
        var value = Double(size)
        var unit = 0
        let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"]
        while value >= 1000, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        return "\(decimal(value, places: value < 10 ? 1 : 0)) \(units[unit])"
    }

    private static func decimal(_ value: Double, places: Int) -> String {
        var scale: UInt64 = 1
        for _ in 0..<places { scale *= 10 }
        let scaled = UInt64(min((value * Double(scale)).rounded(), 1e18))
        guard places > 0 else { return "\(scaled)" }
        let fraction = "\(scaled % scale)"
        return "\(scaled / scale)." + String(repeating: "0", count: places - fraction.utf8.count) + fraction
    }
}
