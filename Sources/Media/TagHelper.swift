import CTagLib

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Runs TagLib in a process of its own, which can read and calculate and nothing else.
///
/// A program that holds keys should not run C++ on strangers' files. It starts itself again with a hidden command
/// that calls `serve`, for each file: that costs some milliseconds, and whatever goes wrong there (a crash, an endless
/// loop, nonsense) leaves our own reading of the file.
package struct TagHelper: Sendable, Hashable {
    private static let descriptor: Int32 = 3
    private static let kindVariable = "MEDIA_KIND"
    private static let nameVariable = "MEDIA_NAME"

    private let program: String
    private let arguments: [String]
    /// How long the process may take.
    private let patience: Duration

    /// The program's path (`/proc/self/exe` is this one) and the arguments that make it call `serve`.
    package init(
        program: String = "/proc/self/exe", arguments: [String], patience: Duration = .seconds(10)
    ) {
        self.program = program
        self.arguments = arguments
        self.patience = patience
    }

    // MARK: In the process

    /// What the process does: gives up all rights but reading, reads the file that it was handed, writes what TagLib
    /// found to its standard output. Returns the exit code.
    package static func serve() -> Int32 {
        guard let name = variable(nameVariable), let kind = variable(kindVariable).flatMap(MediaKind.init(rawValue:)),
            let source = MediaSource(descriptor: descriptor, path: name)
        else { return 2 }
        _ = ctaglib_confine()
        guard let reading = TagLibReader.read(source, kind: kind) else { return 1 }
        let bytes = reading.encoded()
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe write(1, $0.baseAddress.map { unsafe $0 + done }, $0.count - done)
            }
            guard count > 0 else { return 1 }
            done += count
        }
        return 0
    }

    private static func variable(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }

    // MARK: Outside

    /// Has the file read; `nil` when the process found nothing, or did not live long enough to say it.
    func read(_ source: MediaSource, kind: MediaKind) -> TagLibReader.Reading? {
        guard source.count <= TagLibReader.maximumLength, let file = source.descriptor else { return nil }
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { return nil }
        // Other processes that are started meanwhile must not keep the pipe open.
        for end in ends { _ = setCloseOnExec(end) }
        let process = start(file: file, output: ends[1], name: source.path, kind: kind)
        close(ends[1])
        defer { close(ends[0]) }
        guard let process else { return nil }
        let answer = receive(ends[0])
        // It has said all, or will never; there is nothing to end in order.
        kill(process, SIGKILL)
        var status: Int32 = 0
        while unsafe waitpid(process, &status, 0) < 0, errno == EINTR {}
        return answer.flatMap { TagLibReader.Reading($0) }
    }

    private func setCloseOnExec(_ descriptor: Int32) -> Int32 { fcntl(descriptor, F_SETFD, FD_CLOEXEC) }

    private func start(file: Int32, output: Int32, name: String, kind: MediaKind) -> pid_t? {
        var actions = unsafe posix_spawn_file_actions_t()
        guard unsafe posix_spawn_file_actions_init(&actions) == 0 else { return nil }
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        // The output first: its number may be the one that the file gets.
        guard unsafe posix_spawn_file_actions_adddup2(&actions, output, 1) == 0,
            unsafe posix_spawn_file_actions_adddup2(&actions, file, Self.descriptor) == 0
        else { return nil }
        let environment = ["\(Self.kindVariable)=\(kind.rawValue)", "\(Self.nameVariable)=\(name)"]
        var words = unsafe ([program] + arguments).map { unsafe strdup($0) } + [nil]
        var variables = unsafe environment.map { unsafe strdup($0) } + [nil]
        defer {
            unsafe words.forEach { unsafe free($0) }
            unsafe variables.forEach { unsafe free($0) }
        }
        var process: pid_t = 0
        guard unsafe posix_spawn(&process, program, &actions, nil, &words, &variables) == 0 else { return nil }
        return process
    }

    /// All that comes until the other side closes; `nil` when it takes too long or is too much.
    private func receive(_ descriptor: Int32) -> [UInt8]? {
        let clock = ContinuousClock()
        let end = clock.now + patience
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while answer.count <= TagLibReader.Reading.maximumLength {
            let left = (end - clock.now).components
            let milliseconds = left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000
            guard milliseconds > 0 else { return nil }
            var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = unsafe poll(&request, 1, Int32(milliseconds))
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else { return nil }
            let count = unsafe readSome(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return count == 0 ? answer : nil }
            answer += buffer[..<count]
        }
        return nil
    }
}

/// The system's call, which a method of the same name hides.
private func readSome(_ descriptor: Int32, _ target: UnsafeMutableRawPointer, _ count: Int) -> Int {
    unsafe read(descriptor, target, count)
}

extension TagLibReader.Reading {
    /// The longest encoding, in bytes.
    static let maximumLength = 128 << 10
    private static let magic = Array("TAGS1".utf8)

    /// A mark, six numbers of eight bytes, five texts with their lengths: what one process tells another.
    func encoded() -> [UInt8] {
        func little(_ value: Int) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
        let numbers = [year, track, seconds, bitrate, sampleRate, channels].flatMap(little)
        return [title, artist, album, genre, comment].reduce(into: Self.magic + numbers) { bytes, text in
            let text = Array(text.utf8.prefix(TagText.maximumBytes))
            bytes += little(text.count) + text
        }
    }

    /// Reads what `encoded` wrote, or refuses it: it may come from a process that a file took over.
    init?(_ bytes: [UInt8]) {
        guard bytes.count <= Self.maximumLength, bytes.starts(with: Self.magic) else { return nil }
        var rest = ByteCursor(bytes[Self.magic.count...])
        func number(_ rest: inout ByteCursor) -> Int? {
            // The binding's numbers have 32 bits.
            guard let low = rest.little32(), let high = rest.little32(), high == 0 else { return nil }
            return low
        }
        func text(_ rest: inout ByteCursor) -> String? {
            number(&rest).flatMap { rest.take($0) }.map { String(decoding: $0, as: UTF8.self) }
        }
        guard let year = number(&rest), let track = number(&rest), let seconds = number(&rest),
            let bitrate = number(&rest), let sampleRate = number(&rest), let channels = number(&rest),
            let title = text(&rest), let artist = text(&rest), let album = text(&rest), let genre = text(&rest),
            let comment = text(&rest), rest.isAtEnd
        else { return nil }
        self.init(
            title: title, artist: artist, album: album, genre: genre, comment: comment, year: year, track: track,
            seconds: seconds, bitrate: bitrate, sampleRate: sampleRate, channels: channels)
    }
}
