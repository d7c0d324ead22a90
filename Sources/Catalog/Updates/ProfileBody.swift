package import Multiformats

/// `profile.set`: what an author says about themselves.
package struct ProfileBody: Equatable, Sendable {
    /// A claim, not a name that anybody guards: 1 to 30 of `[a-z0-9_.]`.
    package var handle: Patch<String> = .unchanged
    package var name: Patch<String> = .unchanged
    package var bio: Patch<String> = .unchanged
    package var location: Patch<String> = .unchanged
    package var website: Patch<String> = .unchanged
    package var picture: Patch<CID> = .unchanged
    package var cover: Patch<CID> = .unchanged
    package var deactivated: Patch<Bool> = .unchanged
    /// Fields that are unknown here.
    package var extra: [DAGEntry] = []

    package init() {}

    init(_ fields: inout BodyFields) throws(UpdateError) {
        handle = try fields.patch("handle", Self.handle)
        name = try fields.patch("name", BodyFields.text(0...UpdateLimits.name))
        bio = try fields.patch("bio", BodyFields.text(0...UpdateLimits.bio))
        location = try fields.patch("location", BodyFields.text(0...UpdateLimits.location))
        website = try fields.patch("website", BodyFields.text(0...UpdateLimits.website))
        picture = try fields.patch("picture", BodyFields.cid)
        cover = try fields.patch("cover", BodyFields.cid)
        deactivated = try fields.patch("deactivated", BodyFields.flag)
        extra = fields.left
    }

    var entries: [DAGEntry] {
        var writer = BodyWriter(keeping: extra)
        writer.put("handle", handle)
        writer.put("name", name)
        writer.put("bio", bio)
        writer.put("location", location)
        writer.put("website", website)
        writer.put("picture", picture)
        writer.put("cover", cover)
        writer.put("deactivated", deactivated)
        return writer.entries
    }

    /// Whether `text` can be a handle.
    package static func isHandle(_ text: String) -> Bool {
        (1...UpdateLimits.handle).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                switch $0 {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"),
                    UInt8(ascii: "."):
                    true
                default: false
                }
            }
    }

    private static func handle(_ value: DAGValue, _ field: String) throws(UpdateError) -> String {
        guard case .string(let text) = value, isHandle(text) else { throw .badField(field) }
        return text
    }
}
