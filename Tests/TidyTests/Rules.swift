/// The rules, in the order of the HANDBOOK's list.
enum Rules {
    static let all: [Rule] = [
        floors, pureCores, noFoundationInHotRooms, shortFiles, unsafeInItsRooms, uncheckedSendableHasProof,
        noTraps, nothingUnfinished, nothingPrivate, documented, notPublic, noPlaceholders, noSleepForLuck,
    ]

    // MARK: Floors

    /// The floor of each room; a room imports only from lower floors, so neighbours do not know each other.
    static let floorOfRoom: [String: Int] = [
        "CSodium": 0, "CPlatform": 0, "CTagLib": 0, "Multiformats": 0,
        "SansIO": 1, "Crypto": 1, "Storage": 1, "Media": 1,
        "Transport": 2, "DHT": 2, "BlockExchange": 2, "Gossip": 2, "Catalog": 2, "Placement": 2, "MerkleDAG": 2,
        "PeerNode": 3, "Simulation": 3,
        "HTTPAPI": 4,
        "CLI": 5, "testnet": 5,
    ]
    /// Arrows inside a floor that the architecture draws.
    static let allowedNeighbours: [String: Set<String>] = [
        "Multiformats": ["CSodium"],
        "Storage": ["Crypto"],
    ]
    static let moduleOfRoom = ["Crypto": "PeerCrypto", "CLI": "peernode"]
    static let roomOfModule: [String: String] = [
        "PeerCrypto": "Crypto", "peernode": "CLI",
    ].merging(floorOfRoom.keys.filter { moduleOfRoom[$0] == nil }.map { ($0, $0) }) { first, _ in first }

    static let floors = Rule(name: "a room imports only from lower floors", applies: \.isSource) { file in
        guard let floor = floorOfRoom[file.room] else {
            return [Finding(path: file.path, line: 0, message: "room \(file.room) has no floor in Rules.floorOfRoom")]
        }
        return file.imports.compactMap { line, module in
            guard let other = roomOfModule[module], let below = floorOfRoom[other], other != file.room,
                below >= floor, allowedNeighbours[file.room]?.contains(other) != true
            else { return nil }
            return Finding(
                path: file.path, line: line, message: "\(file.room) (floor \(floor)) imports \(module) (floor \(below))"
            )
        }
    }

    // MARK: Cores

    /// The rooms whose code is pure: input and time go in, effects come out.
    static let pureRooms: Set<String> = ["SansIO", "BlockExchange", "DHT", "Gossip", "Placement"]
    static let pureCores = Rule.lines(
        "cores never wait, read a clock or draw luck", in: { $0.isSource && pureRooms.contains($0.room) },
        matching:
            #"(?<!\.)\bawait\s+\w|\basync\b|\bTask\s*\{|\bTask\.(detached|sleep|yield)|ContinuousClock|SuspendingClock|\bDate\(|DispatchTime|clock_gettime|gettimeofday|SystemRandomNumberGenerator|\.random\(in:(?![^)]*using:)|\.shuffled\(\)|\.randomElement\(\)|RandomBytes|randombytes|\bThread\b|\bMutex\b|\bactor\b"#,
        message: "a core takes time as `now` and luck from a SeededGenerator, and never suspends")

    /// Rooms on the way of every byte: Foundation is slow to load and slow to run.
    static let hotRooms: Set<String> = [
        "Multiformats", "SansIO", "Crypto", "Transport", "BlockExchange", "DHT", "Gossip",
    ]
    static let noFoundationInHotRooms = Rule(
        name: "no Foundation in hot rooms", applies: { $0.isSource && hotRooms.contains($0.room) }
    ) { file in
        file.imports.filter { $0.module.hasPrefix("Foundation") }
            .map { Finding(path: file.path, line: $0.line, message: "Foundation in a hot room") }
    }

    // MARK: Files

    static let maximumLines = 400
    static let shortFiles = Rule(name: "a file is under 400 lines", applies: { $0.path.hasSuffix(".swift") }) { file in
        let count = file.lines.last == "" ? file.lines.count - 1 : file.lines.count
        guard count >= maximumLines else { return [] }
        return [Finding(path: file.path, line: count, message: "\(count) lines; split it by idea")]
    }

    // MARK: Unsafe code

    /// The only rooms that may talk to libsodium.
    static let sodiumRooms: Set<String> = ["Crypto"]
    static let unsafeInItsRooms = Rule(name: "libsodium stays in its room", applies: \.isSource) { file in
        guard !sodiumRooms.contains(file.room) else { return [] }
        return file.imports.filter { $0.module == "CSodium" }
            .map { Finding(path: file.path, line: $0.line, message: "CSodium outside of Sources/Crypto") }
    }

    static let uncheckedSendableHasProof = Rule.lines(
        "@unchecked Sendable and nonisolated(unsafe) carry their proof", in: \.isSource,
        matching: #"@unchecked\s+Sendable|nonisolated\(unsafe\)"#,
        message: "say in a comment on the line or in the comment above why this is safe",
        excused: { file, index in
            if file.lines[index].contains("//") { return true }
            // The comment right above, past attributes and the lines of the same declaration's head.
            var above = index - 1
            while above >= 0, file.lines[above].drop(while: { $0 == " " }).hasPrefix("@") { above -= 1 }
            return above >= 0 && file.lines[above].drop { $0 == " " }.hasPrefix("//")
        })

    static let noTraps = Rule.lines(
        "Sources never trap on purpose without a reason", in: \.isSource,
        matching: #"\btry!|\bas!|\bfatalError\(|[A-Za-z0-9_\)\]]!(?![=A-Za-z(])|\bassertionFailure\("#,
        message: "no force unwrap, try!, as!, fatalError: throw, or use precondition with the reason")

    // MARK: Prose

    static let nothingUnfinished = Rule(name: "nothing is left unfinished", applies: { _ in true }) { file in
        let words = Pattern(#"\b(TO"# + #"DO|FIX"# + #"ME)\b"#)
        return file.lines.indices.filter { words.matches(file.lines[$0]) }
            .map { Finding(path: file.path, line: $0 + 1, message: "finish it, or leave it out") }
    }

    /// Words that only mean something on the machine where the code was written.
    static let nothingPrivate = Rule(name: "no machine paths, hosts or numbers of tasks", applies: { _ in true }) {
        file in
        let words = Pattern(
            #"(?<![A-Za-z0-9_.])/(wo"# + #"rk|ro"# + #"ot|ho"# + #"me/[a-z]+|opt/(swift|wheels))/|https?://[^ ]*(prox"#
                + #"y|mirr"#
                + #"or|arti"# + #"factory|nex"# + #"us)[^ ]*|(?i)\bissue #?[0-9]+\b|\bthis ses"#
                + #"sion of the project\b"#)
        return file.lines.indices.filter { words.matches(file.lines[$0]) }
            .map { Finding(path: file.path, line: $0 + 1, message: "say it without the machine it was written on") }
    }

    /// Every `package` or `public` type, function and property says what it is for. Enum cases, `init`s without
    /// surprises and members that satisfy a protocol of the language need no words of their own.
    static let documented = Rule(
        name: "package types and functions are documented", applies: { $0.path.hasPrefix("Sources/") }
    ) { file in
        let declaration = Pattern(
            #"^(@[A-Za-z]+(\([^)]*\))? )*(final )?(package|public) (final |indirect )?(struct|class|enum|actor|protocol|typealias) "#
        )
        return file.code.indices.compactMap { index in
            guard declaration.matches(file.code[index]) else { return nil }
            var above = index - 1
            while above >= 0, file.lines[above].hasPrefix("@") { above -= 1 }
            guard above < 0 || !file.lines[above].hasPrefix("///") else { return nil }
            return Finding(path: file.path, line: index + 1, message: "say what it is for in a /// comment")
        }
    }

    /// SansIO may: the compiler specialises inlinable generics for other modules only when they are public, and
    /// every core's timers and queues are such generics.
    static let notPublic = Rule.lines(
        "package, not public", in: { $0.isSource && $0.room != "CLI" && $0.room != "SansIO" },
        matching: #"^\s*(@[A-Za-z]+ )*public "#, message: "`package` is wide enough: nothing is exported")

    static let noPlaceholders = Rule(name: "no placeholders", applies: { $0.path.hasSuffix(".swift") }) { file in
        file.name == "Placeholder" + ".swift"
            ? [Finding(path: file.path, line: 0, message: "write the room or remove the file")] : []
    }

    /// A test that sleeps is slow when it passes and wrong when the machine is busy.
    static let noSleepForLuck = Rule.lines(
        "tests wait for events, not for luck", in: { $0.path.hasPrefix("Tests/") && $0.path.hasSuffix(".swift") },
        matching: #"\b(u?sleep|Thread\.sleep)\("#, message: "wait for the event with a deadline instead")
}
