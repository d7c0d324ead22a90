import Foundation
import SansIO
import Swarm

/// Test data and clocks.
enum Scratch {
    /// Writes `count` bytes that do not compress.
    static func writeNoise(to path: String, count: Int, seed: UInt64 = 1) {
        _ = FileManager.default.createFile(atPath: path, contents: nil)
        guard let file = FileHandle(forWritingAtPath: path) else { return }
        defer { try? file.close() }
        var random = SeededGenerator(seed: seed)
        var block = [UInt64](repeating: 0, count: 1 << 17)
        var left = count
        while left > 0 {
            for index in block.indices { block[index] = random.next() }
            let bytes = unsafe block.withUnsafeBytes { unsafe Data($0.prefix(min(left, 1 << 20))) }
            file.write(bytes)
            left -= bytes.count
        }
    }

    /// Seconds that `body` takes.
    static func seconds(_ body: () throws -> Void) rethrows -> Double {
        let start = DispatchTime.now().uptimeNanoseconds
        try body()
        return Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
    }

    static func seconds(_ body: () async throws -> Void) async rethrows -> Double {
        let start = DispatchTime.now().uptimeNanoseconds
        try await body()
        return Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
    }

    /// The middle of some figures.
    static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    static func percentile(_ values: [Double], _ share: Double) -> Double {
        values.sorted()[min(values.count - 1, Int(Double(values.count) * share))]
    }
}

/// What the system says about a process.
struct ProcessFigures {
    /// Seconds of processor time used so far.
    let cpu: Double
    /// Bytes resident now, of which anonymous, and at the peak.
    let resident: Int
    let anonymous: Int
    let peak: Int

    init(pid: Int32) throws {
        let stat = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
        let fields = stat[(stat.lastIndex(of: ")") ?? stat.startIndex)...].split(separator: " ")
        let ticks = (Double(fields[12]) ?? 0) + (Double(fields[13]) ?? 0)
        cpu = ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
        let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        func kilobytes(_ name: String) -> Int {
            let line = status.split(separator: "\n").first { $0.hasPrefix(name + ":") }
            return (line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0) << 10
        }
        resident = kilobytes("VmRSS")
        anonymous = kilobytes("RssAnon")
        peak = kilobytes("VmHWM")
    }
}
