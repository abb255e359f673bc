import TestSupport
import Testing

/// What a configuration has that is only worth a warning is counted too.
@Suite(.enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct ConfigurationCountTests {
    @Test func unknownAndDeprecatedFieldsCount() throws {
        let served = try Served(try Binary.martlet(), arguments: ["--allow-unknown-static-fields"]) {
            Served.http($0, clusters: [Served.cluster([1], more: "http2_protocol_options: {}, no_such_field: 1, nor_this: 2")])
        }
        let stats = served.admin.stats(matching: "unknown_fields|deprecated_feature")
        // Envoy counts a document once, whatever it holds of them.
        #expect(stats["server.static_unknown_fields"] == 1)
        #expect(stats["runtime.deprecated_feature_use"] == 1)
        #expect(stats["runtime.deprecated_feature_seen_since_process_start"] == 1)
    }

    @Test func withoutAnyNothingCounts() throws {
        let served = try Served(try Binary.martlet()) { Served.http($0, clusters: [Served.cluster([1])]) }
        let stats = served.admin.stats(matching: "unknown_fields|deprecated_feature")
        #expect(stats["server.static_unknown_fields"] == 0)
        #expect(stats["runtime.deprecated_feature_use"] == 0)
    }
}
