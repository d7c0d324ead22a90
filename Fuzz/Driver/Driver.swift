import FuzzTargets

#if canImport(Glibc)
import Glibc
#endif

// What libFuzzer calls. Built only with FUZZ=1, as a static library that `scripts/fuzz` links into a program.

private let target: FuzzTarget = {
    let name = unsafe getenv("FUZZ_TARGET").map { unsafe String(cString: $0) } ?? ""
    guard let target = FuzzTarget.named(name) else {
        print("FUZZ_TARGET must be one of: \(FuzzTarget.all.map(\.name).joined(separator: " "))")
        exit(2)
    }
    return target
}()

/// One input; always 0, as libFuzzer asks.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    target.run(unsafe Array(UnsafeBufferPointer(start: data, count: count)))
    return 0
}
