// The JSON transcoder without sockets: the contract, and what the comparison with Envoy cannot ask.

import EnvoyAPI
import Extensions
import Pipeline
import Primitives
import Stats
import TestSupport
import Testing
import Wire

@Suite struct TranscoderTests {
    private typealias Message = Envoy_Extensions_Filters_Http_GrpcJsonTranscoder_V3_GrpcJsonTranscoder
    private let input = TestInput()
    private static let name = "envoy.filters.http.grpc_json_transcoder"

    /// The filter with a descriptor set, as the wire has it: field 4.
    private func make(
        _ services: [String] = ["shop.v1.Shop"], descriptors: [UInt8]? = nil, _ change: (inout Message) -> Void = { _ in }
    ) throws -> HTTPFilterFactory {
        var message = Message()
        message.services = services
        change(&message)
        var bytes: [UInt8] = try message.serializedBytes()
        if message.hasNoFile {
            let set = descriptors ?? decode(ShopDescriptors.base64)
            bytes.append(0x22)
            var rest = set.count
            while rest > 127 {
                bytes.append(UInt8(rest & 127 | 128))
                rest >>= 7
            }
            bytes.append(UInt8(rest))
            bytes += set
        }
        let filter = try #require(HTTPFilters.all.first { $0.name == TranscoderTests.name })
        return try filter.make(input.input(bytes))
    }

    private func decode(_ text: String) -> [UInt8] {
        var decoder = Base64Decoder()
        let bytes = Array(text.utf8)
        let room = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
        defer { unsafe room.deallocate() }
        let count = bytes.withBytes { unsafe decoder.decode($0, into: room) } ?? 0
        return (0..<count).map { unsafe room[$0] }
    }

    @Test func otherRequestsKeepTheContract() throws {
        try FilterContract(make: { try make() }).check()
    }

    /// A body that is no JSON is refused whatever its pieces; an answer that is no gRPC passes as it is.
    @Test func transcodedRequestsKeepTheContract() throws {
        var contract = FilterContract(make: { try make() })
        contract.path = "/v1/all"
        contract.requestBody = { $0.isEmpty ? [0, 0, 0, 0, 0] : nil }
        try contract.check()
    }

    private func run(_ script: Script) throws -> ChainBench {
        let bench = try ChainBench(make())
        try bench.run(script)
        return bench
    }

    private func script(_ method: String, _ path: String, _ request: [[UInt8]] = [], _ response: [[UInt8]] = []) -> Script {
        var script = Script()
        script.method = method
        script.path = path
        script.request = request
        script.responseFields = [("content-type", "application/grpc")]
        script.response = response
        script.responseTrailers = [("grpc-status", "0")]
        return script
    }

    @Test func piecesMakeNoDifference() throws {
        let json = Array("{\"i32\": 1, \"nested\": {\"text\": \"a\\\"}\"}}".utf8)
        let answer: [UInt8] = [0, 0, 0, 0, 2, 8, 3]
        for split in 0...json.count {
            let other = min(split, answer.count)
            let bench = try run(script("POST", "/v1/all", [Array(json[..<split]), Array(json[split...])], [Array(answer[..<other]), Array(answer[other...])]))
            #expect(bench.record.upstream.body == [0, 0, 0, 0, 10, 8, 1, 0x8a, 1, 5, 0x4a, 3, 0x61, 0x22, 0x7d], "split at \(split)")
            #expect(String(decoding: bench.record.client.body, as: UTF8.self) == "{\"i32\":3}", "split at \(split)")
        }
    }

    @Test func itemsOfAListMayComeInPieces() throws {
        let json = Array(" [{\"name\": \"]\"} , {\"id\":\"2\"}]\n".utf8)
        for split in 0...json.count {
            let bench = try run(script("POST", "/v1/upload", [Array(json[..<split]), Array(json[split...])], [[0, 0, 0, 0, 0]]))
            #expect(bench.record.upstream.body == [0, 0, 0, 0, 3, 0x0a, 1, 0x5d, 0, 0, 0, 0, 2, 0x10, 2], "split at \(split)")
        }
    }

    /// Envoy 1.40 ends itself here.
    @Test func aMapEntryMayBeWithoutItsValue() throws {
        let bench = try run(script("GET", "/v1/all", [], [[0, 0, 0, 0, 6, 0xa2, 1, 3, 0x0a, 1, 0x62]]))
        #expect(String(decoding: bench.record.client.body, as: UTF8.self) == "{\"counts\":{\"b\":0}}")
    }

    /// Whatever an upstream sends: no trap, and nothing after the end. (An answer that takes a held response's place passes no
    /// filter, so the client's probe does not see it.)
    @Test func hostileMessagesDoNotTrap() throws {
        var random = SystemRandomNumberGenerator()
        for round in 0..<300 {
            var bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
            if round % 2 == 0 { bytes = [0, 0, 0, 0, UInt8(bytes.count)] + bytes }
            let bench = try run(script("GET", "/v1/all", [], [bytes]))
            #expect(bench.record.client.faults.isEmpty && bench.record.client.ends <= 1, "\(bytes)")
        }
    }

    @Test func hostileBodiesAreAnswered() throws {
        var random = SystemRandomNumberGenerator()
        let letters = Array("{}[]\",:\\u0123456789truefalsn-.eE+ i32txcoungs".utf8)
        for _ in 0..<300 {
            let body = (0..<Int.random(in: 1...60, using: &random)).map { _ in letters.randomElement(using: &random)! }
            let bench = try run(script("POST", "/v1/all", [Array("{\"nested\":".utf8) + body + [0x7d]], [[0, 0, 0, 0, 0]]))
            #expect(bench.record.client.ends == 1, "\(String(decoding: body, as: UTF8.self))")
        }
        let deep = Array(String(repeating: "{\"nested\":", count: 500).utf8)
        #expect(try run(script("POST", "/v1/all", [deep])).record.client.status == 400)
    }

    // MARK: Mistakes

    private func problem(
        _ services: [String] = ["shop.v1.Shop"], descriptors: [UInt8]? = nil, _ change: (inout Message) -> Void = { _ in }
    ) -> String {
        do {
            _ = try make(services, descriptors: descriptors, change)
            return ""
        } catch let problems as FilterProblems {
            return problems.list.map { $0.path + ": " + $0.message }.joined(separator: "\n")
        } catch {
            return "\(error)"
        }
    }

    @Test func mistakesAreNamed() {
        #expect(problem() == "")
        #expect(problem(["no.Such"]) == "services[0]: transcoding_filter: Could not find 'no.Such' in the proto descriptor")
        #expect(problem(["shop.v1.Shop", "shop.v1.Other"]) == "services: transcoding_filter: Cannot register 'shop.v1.Other.Clash' to path matcher")
        #expect(problem(["shop.v1.Broken"]).contains("Could not find field \"nothing\" in the type \"shop.v1.ItemRequest\""))
        #expect(
            problem(["shop.v1.Fields"]).contains(
                "Setting \"response_body\" is not supported yet for non-HttpBody fields: shop.v1.Fields.Text"))
        #expect(problem(descriptors: [0xff, 1, 2]) == "proto_descriptor_bin: transcoding_filter: Unable to parse proto descriptor")
        #expect(problem { $0.protoDescriptor = "/no/such/file" } == "proto_descriptor: transcoding_filter: Unable to parse proto descriptor")
    }
}

extension Envoy_Extensions_Filters_Http_GrpcJsonTranscoder_V3_GrpcJsonTranscoder {
    fileprivate var hasNoFile: Bool { protoDescriptor.isEmpty }
}
