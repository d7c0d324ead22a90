import NIOCore

/// The OpenAPI 3.1 document, made from the table that requests are dispatched by.
///
/// Source: https://spec.openapis.org/oas/v3.1.0
enum OpenAPI {
    static let routes: [V1Route] = [
        V1Route(
            pattern: "openapi.json", name: "getDocument", summary: "This document", parameters: [], answer: .document,
            action: .answer { CatalogAPI.document(text, "application/json", for: $0.request) })
    ]

    private static let text = document(CatalogAPI.router.routes).line

    static func document(_ routes: [V1Route]) -> JSON {
        [
            "openapi": "3.1.0",
            "info": [
                "title": "Catalog of a peer node", "version": .string(API.version),
                "description": .string(
                    "What this node knows of the public catalog. Every path is also served below /v1/full, with more "
                        + "fields; digital_contents is also spelled digitalContents and tracks, content_lists also "
                        + "contentLists and playlists. Errors are application/problem+json."),
            ],
            "servers": [["url": "/"]],
            "paths": .object(routes.map { .init("/v1/\($0.pattern)", ["get": operation($0)]) }),
            "components": ["schemas": .object(V1Schemas.all)],
        ]
    }

    private static func operation(_ route: V1Route) -> JSON {
        let words = route.pattern.split(separator: "/")
        let inPath = words.filter { $0.hasPrefix("{") }.map { word -> JSON in
            [
                "name": .string(String(word.dropFirst().dropLast())), "in": "path", "required": true,
                "schema": ["type": "string"],
            ]
        }
        var members: [JSON.Member] = [
            .init("operationId", .string(route.name)), .init("summary", .string(route.summary)),
            .init("parameters", .array(inPath + route.parameters.map(parameter))),
            .init("responses", .object(responses(route))),
        ]
        let others = words.contains { V1Router.spellings(of: String($0)).count > 1 }
        if others { members.append(.init("x-spellings", .array(spellings(words).dropFirst().map { .string($0) }))) }
        return .object(members)
    }

    /// Every way to write the path.
    private static func spellings(_ words: [Substring]) -> [String] {
        words.reduce(["/v1"]) { paths, word in
            V1Router.spellings(of: String(word)).flatMap { spelling in paths.map { "\($0)/\(spelling)" } }
        }
    }

    private static func parameter(_ parameter: V1Parameter) -> JSON {
        [
            "name": .string(parameter.name), "in": "query", "description": .string(parameter.about),
            "required": .bool(parameter.isRequired),
            "schema": parameter.isRepeated ? ["type": "array", "items": parameter.schema] : parameter.schema,
        ]
    }

    private static func responses(_ route: V1Route) -> [JSON.Member] {
        let problem: JSON = [
            "description": "Why not",
            "content": ["application/problem+json": ["schema": ValueType.named("Problem").schema]],
        ]
        func body(_ words: JSON, _ type: String, _ schema: JSON) -> JSON {
            ["description": words, "content": .object([.init(type, ["schema": schema])])]
        }
        let bytes: JSON = ["type": "string", "contentMediaType": "application/octet-stream"]
        let unchanged = JSON.Member("304", ["description": "If-None-Match has the ETag of what would be answered"])
        switch route.answer {
        case .data(let type):
            let schema = ValueType.object([("data", type)]).schema
            return [.init("200", body("The answer", "application/json", schema)), unchanged, .init("default", problem)]
        case .pages(let type):
            let schema: JSON = [
                "type": "object", "required": ["data"],
                "properties": ["data": ValueType.list(type).schema, "next_cursor": ["type": "string"]],
            ]
            return [.init("200", body("One page", "application/json", schema)), unchanged, .init("default", problem)]
        case .document:
            return [.init("200", body("The document", "application/json", ["type": "object"])), unchanged]
        case .audio, .image:
            let type = if case .audio = route.answer { "audio/*" } else { "image/*" }
            return [
                .init("200", body("The whole file; ETag is its CID", type, bytes)),
                .init("206", body("The range that was asked for", type, bytes)), unchanged,
                .init("416", problem), .init("504", problem), .init("default", problem),
            ]
        case .events:
            return [
                .init("200", body("Events without end", "text/event-stream", ["type": "string"])),
                .init("default", problem),
            ]
        }
    }
}
