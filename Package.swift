// swift-tools-version: 6.2
import PackageDescription

// MARK: Settings every target shares

let house: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
]
let houseTests: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// Links the Swift runtime into a program. The other targets are compiled once for tests and programs
/// alike, so what static Foundation needs beyond its own archives is named here.
let staticRuntime = [
    "-static-stdlib", "-lCoreFoundation", "-l_FoundationICU", "-l_FoundationCShims", "-l_FoundationCollections",
    "-lFoundationEssentials", "-lstdc++", "-ldl", "-lm",
]

// MARK: What we take from others (reasons in README.md)

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
/// The C interface below GRDB, for the few statements that run once a block.
let sqlite: Target.Dependency = .product(name: "GRDBSQLite", package: "GRDB.swift")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let hummingbird: Target.Dependency = .product(name: "HummingbirdCore", package: "hummingbird")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let toml: Target.Dependency = .product(name: "TOMLKit", package: "TOMLKit")

// MARK: Floors

/// A library target with the house settings.
func room(_ name: String, path: String? = nil, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, path: path ?? "Sources/\(name)", swiftSettings: house)
}

/// The test target that mirrors a room.
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: dependencies + ["TestSupport"], path: "Tests/\(name)Tests",
        swiftSettings: houseTests)
}

let floor0: [Target] = [
    room("Multiformats", [nioCore]),
    .systemLibrary(
        name: "CSodium", path: "Sources/CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
    .systemLibrary(
        name: "CTagLib", path: "Sources/CTagLib", pkgConfig: "taglib_c", providers: [.apt(["libtagc0-dev"])]),
    .target(name: "CPlatform", path: "Sources/CPlatform"),
]
let floor1: [Target] = [
    room("SansIO", ["Multiformats"]),
    room("PeerCrypto", path: "Sources/Crypto", ["Multiformats", "CSodium", nioCore, crypto, cryptoExtras]),
    room("Media", ["Multiformats", "CTagLib"]),
    room("Storage", ["Multiformats", "PeerCrypto", "CPlatform", nioCore, grdb, sqlite]),
]
let floor2: [Target] = [
    room("Transport", ["SansIO", "Multiformats", "PeerCrypto", "CPlatform", nioCore, nioPosix, logging]),
    room("BlockExchange", ["SansIO", "Multiformats", "PeerCrypto", nioCore]),
    room("DHT", ["SansIO", "Multiformats", "PeerCrypto", nioCore]),
    room("Gossip", ["SansIO", "Multiformats", "PeerCrypto", nioCore]),
    room("Catalog", ["SansIO", "Multiformats", "PeerCrypto", "Storage", nioCore, grdb, sqlite]),
    room("MerkleDAG", ["Multiformats", "PeerCrypto", "CPlatform", nioCore]),
]
let floor3: [Target] = [
    room("Simulation", ["SansIO", "Multiformats", "PeerCrypto", "DHT", "Gossip", "Catalog", nioCore]),
    room(
        "PeerNode",
        [
            "SansIO", "Multiformats", "PeerCrypto", "Storage", "Transport", "DHT", "BlockExchange", "MerkleDAG",
            "Gossip", "Catalog", "Media", nioCore, nioPosix, logging, toml, grdb,
        ]),
]
let floor4: [Target] = [
    room(
        "HTTPAPI",
        [
            "PeerNode", "Multiformats", "PeerCrypto", "MerkleDAG", "Storage", "Transport", "DHT", "BlockExchange",
            "Gossip", "Catalog", "Media", nioCore, nioPosix, nioHTTP1, hummingbird, logging,
        ])
]
let floor5: [Target] = [
    .executableTarget(
        name: "peernode",
        dependencies: [
            "HTTPAPI", "PeerNode", "Multiformats", "PeerCrypto", "MerkleDAG", "Storage", "Catalog", "Media",
            argumentParser, nioCore, nioPosix, nioHTTP1, logging, grdb,
        ],
        path: "Sources/CLI", swiftSettings: house,
        // The Swift runtime goes into the program, so that it runs where Swift is not installed.
        linkerSettings: [.unsafeFlags(staticRuntime, .when(platforms: [.linux]))]),
    room("Swarm", path: "testnet/Swarm", ["Multiformats", "PeerCrypto", "SansIO"]),
    .executableTarget(
        name: "testnet", dependencies: ["Swarm", "Simulation", "Multiformats", "PeerCrypto", "SansIO", argumentParser],
        path: "testnet", exclude: ["README.md", "Swarm"], swiftSettings: house),
]

let testTargets: [Target] = [
    .target(name: "TestSupport", dependencies: [nioCore], path: "Tests/TestSupport", swiftSettings: houseTests),
    tests("Multiformats", ["Multiformats", "SansIO", nioCore]),
    tests("SansIO", ["SansIO"]),
    tests("Crypto", ["PeerCrypto", "Multiformats", nioCore, crypto, cryptoExtras]),
    tests("Storage", ["Storage", "CPlatform", "PeerCrypto", "Multiformats", nioCore, grdb]),
    tests("MerkleDAG", ["MerkleDAG", "PeerCrypto", "Multiformats", nioCore]),
    tests(
        "Transport", ["Transport", "SansIO", "PeerCrypto", "Multiformats", nioCore, nioPosix, nioEmbedded, logging]),
    tests("DHT", ["DHT", "SansIO", "PeerCrypto", "Multiformats", nioCore]),
    tests("Simulation", ["Simulation", "DHT", "Gossip", "Catalog", "SansIO", "PeerCrypto", "Multiformats"]),
    tests("Gossip", ["Gossip", "SansIO", "PeerCrypto", "Multiformats", nioCore]),
    tests("Catalog", ["Catalog", "SansIO", "Storage", "PeerCrypto", "Multiformats", nioCore, grdb]),
    tests("Media", ["Media", "SansIO", "Multiformats"]),
    tests("BlockExchange", ["BlockExchange", "SansIO", "PeerCrypto", "Multiformats", nioCore]),
    tests(
        "PeerNode",
        [
            "PeerNode", "Storage", "Transport", "DHT", "BlockExchange", "MerkleDAG", "Gossip", "Catalog", "Media",
            "SansIO", "PeerCrypto", "Multiformats",
            nioCore, nioPosix, logging,
        ]),
    tests(
        "HTTPAPI",
        [
            "HTTPAPI", "PeerNode", "DHT", "MerkleDAG", "Gossip", "Catalog", "Media", "PeerCrypto", "Multiformats",
            "SansIO", nioCore, nioPosix, nioHTTP1, logging,
        ]),
    tests("CLI", ["Multiformats"]),
    tests("Tidy", []),
]

// What strangers' bytes reach, wrapped for fuzzers. The targets are always here, so that the tests replay the
// kept corpus; the driver that libFuzzer calls is added with FUZZ=1 (`make fuzz`).
var fuzzTargets: [Target] = [
    room(
        "FuzzTargets", path: "Fuzz/Targets",
        [
            "Multiformats", "SansIO", "PeerCrypto", "DHT", "BlockExchange", "MerkleDAG", "Transport", "HTTPAPI",
            "Gossip",
            "Catalog", "Media", nioCore,
        ]),
    tests("FuzzReplay", ["FuzzTargets", "SansIO"]),
]
var products: [Product] = [
    .executable(name: "peernode", targets: ["peernode"]),
    .executable(name: "testnet", targets: ["testnet"]),
]
if Context.environment["FUZZ"] == "1" {
    fuzzTargets.append(room("FuzzDriver", path: "Fuzz/Driver", ["FuzzTargets"]))
    products.append(.library(name: "FuzzDriver", type: .static, targets: ["FuzzDriver"]))
}

/// `make bench` asks for these; nobody else pays for them.
let benchmarks: [Target] =
    Context.environment["BENCH"] == nil
    ? []
    : [
        .executableTarget(
            name: "benchmarks",
            dependencies: [
                "Swarm", "PeerNode", "Transport", "DHT", "Gossip", "Catalog", "PeerCrypto", "SansIO", "Multiformats",
                nioCore, nioPosix,
                logging,
            ],
            path: "Benchmarks", swiftSettings: house)
    ]

let package = Package(
    name: "coliving-peer-node",
    products: products,
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    ],
    targets: floor0 + floor1 + floor2 + floor3 + floor4 + floor5 + benchmarks + testTargets + fuzzTargets
)
