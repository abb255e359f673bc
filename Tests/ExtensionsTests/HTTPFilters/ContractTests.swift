// Every filter of the list keeps the contract, configured so that it does its work.

import EnvoyAPI
import Extensions
import Pipeline
import Primitives
import Testing

@Suite struct ContractTests {
    private let input = TestInput()

    @Test func buffer() throws {
        var message = Envoy_Extensions_Filters_Http_Buffer_V3_Buffer()
        message.maxRequestBytes.value = 1 << 20
        try FilterContract(make: { [input] in try input.make("envoy.filters.http.buffer", message) }).check()
    }

    @Test func cors() throws {
        try FilterContract(make: { [input] in try input.make("envoy.filters.http.cors", Envoy_Extensions_Filters_Http_Cors_V3_Cors()) }).check()
    }

    @Test func headerMutation() throws {
        var message = Envoy_Extensions_Filters_Http_HeaderMutation_V3_HeaderMutation()
        var append = Envoy_Config_Common_MutationRules_V3_HeaderMutation()
        append.append.header.key = "x-added"
        append.append.header.value = "%REQ(:METHOD)%"
        message.mutations.requestMutations = [append]
        message.mutations.responseMutations = [append]
        message.mutations.requestTrailersMutations = [append]
        message.mutations.responseTrailersMutations = [append]
        try FilterContract(make: { [input] in try input.make("envoy.filters.http.header_mutation", message) }).check()

        let bench = try ChainBench(input.make("envoy.filters.http.header_mutation", message))
        var script = Script()
        script.method = "POST"
        script.request = [[1]]
        script.requestTrailers = [("x-t", "1")]
        script.response = [[2]]
        script.responseTrailers = [("x-t", "2")]
        try bench.run(script)
        #expect(bench.record.upstream.fields["x-added"] == "POST")
        #expect(bench.record.upstream.trailers == ["x-t": "1", "x-added": "POST"])
        #expect(bench.record.client.fields["x-added"] == "POST")
        #expect(bench.record.client.trailers == ["x-t": "2", "x-added": "POST"])
    }

    @Test(arguments: [false, true])
    func healthCheck(passesThrough: Bool) throws {
        var message = Envoy_Extensions_Filters_Http_HealthCheck_V3_HealthCheck()
        message.passThroughMode.value = passesThrough
        var matcher = Envoy_Config_Route_V3_HeaderMatcher()
        matcher.name = ":path"
        matcher.stringMatch.exact = "/health"
        message.headers = [matcher]
        var contract = FilterContract(make: { [input] in try input.make("envoy.filters.http.health_check", message) })
        try contract.check()
        contract.path = "/health"
        if !passesThrough { contract.requestBody = { _ in nil } }
        try contract.check()
    }

    @Test(arguments: [true, false])
    func localRateLimit(allows: Bool) throws {
        var message = Envoy_Extensions_Filters_Http_LocalRatelimit_V3_LocalRateLimit()
        message.statPrefix = "limit"
        message.tokenBucket.maxTokens = allows ? 1_000_000 : 1
        message.tokenBucket.tokensPerFill.value = 1
        message.tokenBucket.fillInterval.seconds = 3600
        message.filterEnabled.defaultValue.numerator = 100
        message.filterEnforced.defaultValue.numerator = 100
        message.enableXRatelimitHeaders = .draftVersion03
        let factory = try input.make("envoy.filters.http.local_ratelimit", message)
        if !allows {
            let first = try ChainBench(factory)
            try first.run(Script())
            #expect(first.record.client.status == 200)
            #expect(first.record.client.fields["x-ratelimit-remaining"] == "0")
        }
        try FilterContract(make: { factory }, requestBody: { allows ? $0 : nil }).check()
    }
}
