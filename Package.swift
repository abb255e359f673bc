// swift-tools-version: 6.2
import PackageDescription

// Imports point one way: read the targets from the bottom of docs/architecture.md upwards.
// SwiftPM refuses an arrow the wrong way.

/// Every target: strict memory safety (each unsafe expression is marked), warnings are errors.
let plain: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// `make test` counts the lines that ran (Tests/Coverage): in our own targets only, neither in generated code nor in tests.
/// The counters lie in a mapped file, so that a process which is killed leaves them too.
let counted = Context.environment["MARTLET_COVERAGE"] != nil
let common: [SwiftSetting] =
    counted
    ? plain + [.unsafeFlags(["-profile-generate", "-profile-coverage-mapping", "-Xllvm", "-runtime-counter-relocation"])]
    : plain
/// For what runs at start, on reload and when an operator asks: small before fast.
let small: [SwiftSetting] = common + [.unsafeFlags(["-Osize"], .when(configuration: .release))]
/// Passes of the SIL optimizer whose work LLVM does once more, or that repay nothing outside of loops. They are a third of its
/// time, and requests are served and a configuration is read as fast without them (perf/journal.md).
let unneeded = [
    "loop-invariant-code-motion", "arc-sequence-opts", "release-hoisting", "late-release-hoisting", "retain-sinking", "compute-side-effects",
    "compute-escape-effects", "copy-propagation", "redundant-load-elimination", "early-redundant-load-elimination", "bcopts", "cse",
    "high-level-cse", "dead-store-elimination", "performance-constant-propagation", "early-codemotion",
].flatMap { ["-Xllvm", "-sil-disable-pass=" + $0] }
let quick: [SwiftSetting] = small + [.unsafeFlags(unneeded, .when(configuration: .release))]
// The static runtime asks for every symbol to be exported: 4 MB of names that nobody looks up. What else the linker is told, and
// why it is not the compiler's default one: docs/decisions/0003-linking.md.
#if arch(x86_64)
let linker = ["-use-ld=bfd"] + ["-z", "pack-relative-relocs", "-T", Context.packageDirectory + "/Sources/martlet/program.ld"].flatMap { ["-Xlinker", $0] }
#else
let linker: [String] = []
#endif
let release: [LinkerSetting] = [
    .unsafeFlags(["-Xlinker", "--no-export-dynamic"] + linker, .when(configuration: .release))
]
let linking: [LinkerSetting] = counted ? [.unsafeFlags(["-profile-generate"])] : []

/// How often each branch of the data plane is taken under load (`perf/profile` records it): code is laid out and inlined by that.
let record = Context.packageDirectory + "/perf/requests.profdata"
let recorded: [SwiftSetting] =
    Context.environment["MARTLET_RECORDING"] != nil
    ? []
    : [
        .unsafeFlags(
            ["-Xfrontend", "-ir-profile-use=" + record, "-Xllvm", "-no-pgo-warn-mismatch"], .when(configuration: .release))
    ]

/// Class fields that only their own thread touches are not tracked dynamically. What has to be inlined across targets says so
/// with `@inlinable` (docs/decisions/0001-inlining.md). What is made of all statistics is loops: it keeps the passes.
let scraped: [SwiftSetting] = common + recorded + [
    // Lines for profiles and crashes, also where the build asks for none (the Makefile does).
    .unsafeFlags(["-enforce-exclusivity=unchecked", "-Xfrontend", "-g"], .when(configuration: .release))
]
let dataPlane: [SwiftSetting] = scraped + [.unsafeFlags(unneeded, .when(configuration: .release))]

/// Clients, readers and comparisons: half of what a run of the tests computes. Tested is what they look at, not they.
let fast: [SwiftSetting] = plain + [.unsafeFlags(["-O"], .when(configuration: .debug))]

let protobuf: Target.Dependency = .product(name: "SwiftProtobuf", package: "swift-protobuf")

/// `Tests/<name>Tests` mirrors `Sources/<name>`.
func tests(_ name: String, _ more: [Target.Dependency] = [], exclude: [String] = []) -> Target {
    .testTarget(
        name: name + "Tests", dependencies: [.target(name: name)] + more, exclude: exclude, swiftSettings: plain,
        linkerSettings: linking)
}

let package = Package(
    name: "martlet",
    products: [.executable(name: "martlet", targets: ["martlet"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    ],
    targets: [
        // C shims: headers and `static inline` functions.
        .target(name: "CMartlet"),
        .target(name: "CLiburing", linkerSettings: [.linkedLibrary("uring")]),
        .target(name: "CRE2", linkerSettings: [.linkedLibrary("re2")]),
        .target(name: "CECMA"),
        .target(name: "CYAML", linkerSettings: [.linkedLibrary("yaml")]),
        .target(name: "CAres", linkerSettings: [.linkedLibrary("cares")]),
        .target(name: "COpenSSL", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        .target(name: "CNghttp2", linkerSettings: [.linkedLibrary("nghttp2")]),

        // Data plane.
        .target(name: "Primitives", dependencies: ["CMartlet"], swiftSettings: dataPlane),
        .target(name: "Stats", dependencies: ["Primitives"], swiftSettings: dataPlane),
        .target(name: "Ring", dependencies: ["Primitives", "CLiburing", "CMartlet"], swiftSettings: dataPlane),
        .target(name: "Wire", dependencies: ["Primitives", "CNghttp2"], swiftSettings: dataPlane),
        .target(name: "Transport", dependencies: ["Ring", "Stats", "CMartlet", "COpenSSL"], swiftSettings: dataPlane),
        .target(name: "Routing", dependencies: ["Wire", "CRE2"], swiftSettings: dataPlane),
        .target(name: "Upstream", dependencies: ["Transport", "Wire", "Stats"], swiftSettings: dataPlane),
        .target(
            name: "Pipeline", dependencies: ["Upstream", "Routing", "Transport", "Wire", "Stats", "CNghttp2"],
            swiftSettings: dataPlane),

        // Configuration and control.
        .target(name: "StatsStore", dependencies: ["Stats"], swiftSettings: scraped),
        .target(
            name: "EnvoyAPI", dependencies: ["ConfigTree", "EnvoyProtos"], exclude: ["Protos", "generate.sh", "trim.py"],
            swiftSettings: small),
        // Knows messages by their descriptors alone, so that it is compiled beside EnvoyProtos.
        .target(name: "ConfigTree", dependencies: ["CYAML", "CEnvoyAPI", protobuf], swiftSettings: small),
        .target(name: "CEnvoyAPI", exclude: ["descriptors.inc", "envoy_types.inc"]),
        // Generated, but for SameMessage.swift: not held to our settings. Read at start and on reload only, and half of the program: small
        // before fast, and without debugging information, nobody steps through it. Messages are values: no two accesses can overlap.
        // LLVM's and the SIL optimizer's work would be a tenth of reading a configuration, for 50 s of building.
        .target(
            name: "EnvoyProtos", dependencies: [protobuf],
            swiftSettings: [
                .unsafeFlags(
                    [
                        "-Osize", "-Xfrontend", "-gnone", "-Xfrontend", "-disable-llvm-optzns", "-Xfrontend", "-disable-sil-perf-optzns",
                        "-enforce-exclusivity=unchecked",
                    ], .when(configuration: .release))
            ]),
        .target(name: "Matching", dependencies: ["EnvoyAPI", "Pipeline", "Routing"], swiftSettings: common),
        .target(
            name: "Extensions", dependencies: ["Pipeline", "Matching", "EnvoyAPI", "CMartlet"], swiftSettings: dataPlane),
        .target(
            name: "Control",
            dependencies: ["EnvoyAPI", "Matching", "Pipeline", "StatsStore", "CAres", "CECMA", "COpenSSL"], swiftSettings: quick),
        // The admin's console: files that browsers read, embedded.
        .target(name: "CConsole", exclude: ["web"]),
        .target(name: "Admin", dependencies: ["CConsole", "CMartlet", "Control", "Pipeline", "StatsStore"], swiftSettings: quick),
        .executableTarget(
            name: "martlet",
            dependencies: [
                "Admin", "Control", "Extensions", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            exclude: ["program.ld"],
            swiftSettings: quick, linkerSettings: linking + release),

        // Tests.
        .target(name: "TestSupport", dependencies: ["CNghttp2"], path: "Tests/TestSupport", exclude: ["Collector", "Protos"], swiftSettings: fast),
        tests("Primitives", ["CMartlet"]), tests("Stats", ["StatsStore"]), tests("Ring"), tests("Wire", ["CNghttp2", "TestSupport"]), tests("Transport", ["TestSupport", "COpenSSL"]), tests("Routing"),
        tests("Upstream", ["TestSupport"]), tests("Pipeline", ["StatsStore", "TestSupport", "CLiburing", "CNghttp2"]), tests("EnvoyAPI", ["CEnvoyAPI"], exclude: ["check_descriptors.py"]),
        tests("Extensions", ["Pipeline", "StatsStore", "TestSupport", "Control"]), tests("Control", ["Extensions", "TestSupport", "CMartlet"], exclude: ["Compile/mistakes.txt"]), tests("Matching"),
        tests("Admin", ["TestSupport"], exclude: ["Console/scripts"]),
        .testTarget(name: "EndToEndTests", dependencies: ["TestSupport"], exclude: ["GRPC", "Metrics"], swiftSettings: plain),
        .testTarget(
            name: "OracleTests", dependencies: ["TestSupport"], exclude: ["Golden"], swiftSettings: fast),
    ]
)

// Micro-benchmarks (`make microbench`). Nobody else needs their packages.
if Context.environment["MARTLET_BENCHMARKS"] != nil {
    package.dependencies.append(.package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []))
    package.targets.append(
        .executableTarget(
            name: "Spine",
            dependencies: [
                "Wire", "Routing", "Primitives", "CTurn", "Turn", .product(name: "Benchmark", package: "benchmark"),
            ],
            path: "Benchmarks/Spine", swiftSettings: plain,
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]))
    package.targets.append(.target(name: "CTurn", path: "Benchmarks/CTurn"))
    package.targets.append(
        .target(name: "Turn", dependencies: ["Transport", "Ring", "Primitives"], path: "Benchmarks/Turn", swiftSettings: plain))
}
