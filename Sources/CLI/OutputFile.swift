import Foundation
import NIOCore

/// A file that appears under its name only when it is whole.
final class OutputFile {
    private let path: String
    private let temporary: String
    private let handle: FileHandle
    private var isFinished = false

    init(_ path: String) throws {
        self.path = Paths.absolute(path)
        temporary = self.path + ".part"
        guard FileManager.default.createFile(atPath: temporary, contents: nil),
            let handle = FileHandle(forWritingAtPath: temporary)
        else { throw CommandFailure(.failure, "cannot write \(path): check that its folder exists and is yours") }
        self.handle = handle
    }

    deinit {
        if !isFinished { try? FileManager.default.removeItem(atPath: temporary) }
    }

    func write(_ bytes: ByteBuffer) throws {
        var rest = bytes.readableBytesView
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe Foundation.write(handle.fileDescriptor, $0.baseAddress, $0.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw failure()
            }
            rest = rest.dropFirst(count)
        }
    }

    private func failure() -> CommandFailure {
        let reason = unsafe String(cString: strerror(errno))
        return CommandFailure(.failure, "cannot write \(path): \(reason)")
    }

    func finish() throws {
        try handle.close()
        isFinished = true
        guard unsafe rename(temporary, path) == 0 else {
            throw failure()
        }
    }
}
