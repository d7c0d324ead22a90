#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What lies at a path, and what a folder holds.
enum FolderEntries {
    enum Kind: Equatable {
        case file
        case folder
        case symlink
        /// In words with their article.
        case other(String)
    }

    struct Entry {
        /// With U+FFFD in place of what is not UTF-8.
        let name: String
        let isNamable: Bool
        let kind: Kind
    }

    /// What the user named: symlinks are followed.
    static func kind(of path: String) throws(MediaError) -> Kind {
        var status = stat()
        guard unsafe fstatat(AT_FDCWD, path, &status, 0) == 0 else {
            throw .fileSystem(action: "open", path: path, code: errno)
        }
        return kind(status)
    }

    /// What the folder at `path` holds, in natural order; nothing is followed. At most `limit` entries.
    static func list(_ path: String, limit: Int) throws(MediaError) -> [Entry] {
        guard let folder = unsafe opendir(path) else { throw .fileSystem(action: "open", path: path, code: errno) }
        defer { unsafe closedir(folder) }
        var entries: [Entry] = []
        while true {
            errno = 0
            guard let entry = unsafe readdir(folder) else { break }
            var raw: [CChar] = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) {
                    unsafe Array(UnsafeBufferPointer(start: $0, count: strnlen($0, 256)))
                }
            }
            let bytes = raw.map { UInt8(bitPattern: $0) }
            raw.append(0)
            if bytes == [0x2e] || bytes == [0x2e, 0x2e] { continue }
            guard entries.count < limit else { throw .tooLarge(path: path, limit: "more than \(limit) entries") }
            var status = stat()
            guard unsafe fstatat(dirfd(folder), raw, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
            let name = String(decoding: bytes, as: UTF8.self)
            entries.append(Entry(name: name, isNamable: name.utf8.elementsEqual(bytes), kind: kind(status)))
        }
        guard errno == 0 else { throw .fileSystem(action: "list", path: path, code: errno) }
        return entries.sorted { NaturalOrder.isBefore($0.name, $1.name) }
    }

    private static func kind(_ status: stat) -> Kind {
        switch status.st_mode & S_IFMT {
        case S_IFREG: .file
        case S_IFDIR: .folder
        case S_IFLNK: .symlink
        case S_IFIFO: .other("a pipe")
        case S_IFSOCK: .other("a socket")
        case S_IFCHR, S_IFBLK: .other("a device")
        default: .other("of an unknown kind")
        }
    }
}

/// Paths as text.
enum PathText {
    static func join(_ folder: String, _ name: String) -> String {
        folder.hasSuffix("/") ? folder + name : folder + "/" + name
    }

    /// Without slashes at its end, unless it is the root.
    static func trimmed(_ path: String) -> String {
        var path = Substring(path)
        while path.count > 1, path.last == "/" { path.removeLast() }
        return String(path)
    }

    /// The last part.
    static func name(_ path: String) -> String {
        let path = trimmed(path)
        return path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path
    }

    /// The folder that it lies in; "." for a bare name.
    static func folder(_ path: String) -> String {
        let path = trimmed(path)
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The name without its ending.
    static func stem(_ name: String) -> String {
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return name }
        return String(name[..<dot])
    }
}
