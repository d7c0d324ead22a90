#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Why media cannot be read for publishing. Scope: the path it names, and with it the request.
package enum MediaError: Error, Hashable, Sendable {
    /// A file that was named for publishing is no audio that we know.
    case notAudio(NotAudio)
    /// A system call failed: what was being done, where, and the errno value.
    case fileSystem(action: String, path: String, code: Int32)
    /// Neither a regular file nor a folder: a pipe, a device, a socket.
    case notAFile(path: String)
    /// A file that was named as a picture is none that may be published.
    case badPicture(path: String, ImageRefusal)
    /// Folders that hold no audio at all; what was left out, and why.
    case nothingToPublish(path: String, skipped: [AlbumFolder.Skipped])
    /// More entries than a folder may have, or folders nested too deeply.
    case tooLarge(path: String, limit: String)
}

/// A file named by the user that is not audio, and what it is, in words: "a PDF document".
package struct NotAudio: Error, Hashable, Sendable, CustomStringConvertible {
    package let path: String
    /// With its article, as in "a JPEG picture".
    package let what: String

    package init(path: String, what: String) {
        self.path = path
        self.what = what
    }

    /// One line for the user, with the way out.
    package var description: String { "'\(path)' is \(what), not audio: to publish it all the same, add --as file" }
}

extension MediaError: CustomStringConvertible {
    /// What is wrong, in one line for a user.
    package var description: String {
        switch self {
        case .notAudio(let refusal): refusal.description
        case .fileSystem(let action, let path, let code): "cannot \(action) '\(path)': \(Self.text(code))"
        case .notAFile(let path): "'\(path)' is neither a file nor a folder"
        case .badPicture(let path, let refusal): "'\(path)' \(refusal)"
        case .nothingToPublish(let path, let skipped):
            skipped.isEmpty
                ? "'\(path)' is empty: there is nothing to publish"
                : "'\(path)' holds no audio (\(skipped.count) left out): "
                    + "to publish other files, name them with --as file"
        case .tooLarge(let path, let limit): "'\(path)' is too large to publish at once: \(limit)"
        }
    }

    private static func text(_ code: Int32) -> String {
        guard let text = unsafe strerror(code) else { return "error \(code)" }
        return unsafe String(cString: text)
    }
}
