// The gRPC filters keep the contract, and what they make of messages in any pieces.

import EnvoyAPI
import Extensions
import Pipeline
import Primitives
import Stats
import Testing

@Suite struct GRPCFilterTests {
    private let input = TestInput()
    private static let message: [UInt8] = [0, 0, 0, 0, 2, 0x68, 0x69]

    private func contract(_ name: String, _ message: some SwiftProtobuf.Message, type: String) -> FilterContract {
        var contract = FilterContract(make: { [input] in try input.make(name, message) })
        contract.path = "/a.S/M"
        contract.fields = [("content-type", type)]
        return contract
    }

    // MARK: The contract

    @Test(arguments: ["application/grpc", "text/plain"]) func stats(type: String) throws {
        var message = Envoy_Extensions_Filters_Http_GrpcStats_V3_FilterConfig()
        message.statsForAllMethods.value = true
        message.enableUpstreamStats = true
        try contract("envoy.filters.http.grpc_stats", message, type: type).check()
    }

    @Test(arguments: ["application/grpc-web", "text/plain"]) func web(type: String) throws {
        var contract = contract("envoy.filters.http.grpc_web", Envoy_Extensions_Filters_Http_GrpcWeb_V3_GrpcWeb(), type: type)
        // An answer that is no gRPC becomes `grpc-message`.
        if type != "text/plain" {
            contract.responseBody = { _ in [] }
            contract.keepsResponseTrailers = false
        }
        try contract.check()
    }

    @Test(arguments: ["application/grpc", "application/x-protobuf", "text/plain"]) func bridge(type: String) throws {
        var message = Envoy_Extensions_Filters_Http_GrpcHttp1Bridge_V3_Config()
        message.upgradeProtobufToGrpc = true
        var contract = contract("envoy.filters.http.grpc_http1_bridge", message, type: type)
        if type == "application/x-protobuf" {
            contract.requestBody = { $0.isEmpty ? [] : [0, 0, 0, UInt8($0.count >> 8), UInt8($0.count & 255)] + $0 }
        }
        try contract.check()
    }

    // MARK: gRPC-Web

    private func web(_ request: [[UInt8]], _ response: [[UInt8]], accept: String = "application/grpc-web-text") throws -> ChainBench {
        let bench = try ChainBench(input.make("envoy.filters.http.grpc_web", Envoy_Extensions_Filters_Http_GrpcWeb_V3_GrpcWeb()))
        var script = Script()
        script.method = "POST"
        script.path = "/a.S/M"
        script.fields = [("content-type", "application/grpc-web-text"), ("accept", accept)]
        script.request = request
        script.responseFields = [("content-type", "application/grpc")]
        script.response = response
        script.responseTrailers = [("grpc-status", "0")]
        try bench.run(script)
        return bench
    }

    @Test func textIsTheSameInAnyPieces() throws {
        let text = Array("AAAAAAJoaQ==".utf8)
        let body = GRPCFilterTests.message + GRPCFilterTests.message
        let frame = "gAAAAA9ncnBjLXN0YXR1czowDQo="
        for split in 0...max(text.count, body.count) {
            let at = min(split, text.count)
            let other = min(split, body.count)
            let bench = try web([Array(text[..<at]), Array(text[at...])], [Array(body[..<other]), Array(body[other...])])
            #expect(bench.record.upstream.body == GRPCFilterTests.message, "split at \(split)")
            #expect(String(decoding: bench.record.client.body, as: UTF8.self) == "AAAAAAJoaQ==AAAAAAJoaQ==" + frame, "split at \(split)")
            #expect(bench.record.client.trailers.isEmpty)
            #expect(bench.record.client.fields["content-type"] == "application/grpc-web-text+proto")
        }
    }

    @Test func whatIsNoBase64IsRefused() throws {
        for body in ["A", "AAA", "****", "AA=A", "AAAAAAJoaQ==\n"] {
            let bench = try web([Array(body.utf8)], [])
            #expect(bench.record.client.status == 400, "\(body)")
            #expect(bench.record.client.fields["grpc-status"] == "13")
        }
    }
}
