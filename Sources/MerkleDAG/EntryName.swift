/// The rules for the name of something in a folder. Names are raw bytes, UTF-8 by custom.
package enum EntryName {
    /// Whether `name` can be an entry at all: not empty, not `.` or `..`, no slash, no zero byte.
    package static func isComponent(_ name: [UInt8]) -> Bool {
        !name.isEmpty && name != [0x2e] && name != [0x2e, 0x2e] && !name.contains(0)
            && !name.contains(UInt8(ascii: "/"))
    }

    /// Whether `name` may become a file on this disk: an entry that is no drive (`C:`, `C:\\...`), which
    /// some systems take for another place altogether.
    package static func isSafe(_ name: [UInt8]) -> Bool {
        guard isComponent(name) else { return false }
        guard name.count >= 2, name[1] == UInt8(ascii: ":") else { return true }
        let isLetter = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(name[0] | 0x20)
        return !(isLetter && (name.count == 2 || name[2] == UInt8(ascii: "\\")))
    }

    /// The name for people and logs.
    package static func text(_ name: [UInt8]) -> String { String(decoding: name, as: UTF8.self) }
}
