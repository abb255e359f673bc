import Pipeline
import Primitives
import Testing
import Wire

/// `%COALESCE(…)%`: values as Envoy 1.40 gives them, and what it says of mistakes.
@Suite struct ChoicesTests {
    private func bench() throws -> FormatBench {
        let bench = try FormatBench()
        unsafe bench.stream.pointee.request.append(name: Bytes("x-b" as StaticString), value: Bytes("second" as StaticString))
        unsafe bench.stream.pointee.request.append(name: Bytes("x-none" as StaticString), value: .empty)
        unsafe bench.stream.pointee.responseBodyBytes = 7
        return bench
    }

    @Test(arguments: [
        (#"[{"command":"REQ","param":"X-A"},{"command":"REQ","param":"X-B"}]"#, "", "second"),
        (#"[{"command":"REQ","param":"X-A"},{"command":"REQ","param":"X-B","max_length":4}]"#, "", "seco"),
        (#"[{"command":"REQ","param":"X-B"}, "BYTES_SENT"]"#, ":3", "sec"),
        (#"[ {"param":"X-A","command":"REQ"} , "BYTES_SENT" ]"#, ":3", "7"),
        (#"[{"command":"REQ","param":"X-NONE"},"BYTES_SENT"]"#, "", "7"),
        (#"["UPSTREAM_HOST",{"command":"REQ","param":"X-A"}]"#, "", "-"),
        (#"[{"command":"COALESCE","param":"{\"operators\":[{\"command\":\"REQ\",\"param\":\"X-B\"}]}"}]"#, "", "second"),
        (#"[{"command":"REQ","param":"X-B","other":[true,null,-1.5e3,{"a":"\n"}]}]"#, "", "second"),
    ])
    func theFirstThatIsThere(_ operators: String, _ length: String, _ expected: String) throws {
        #expect(try bench().write("%COALESCE({\"operators\":\(operators)})\(length)%") == expected)
    }

    @Test(arguments: [
        ("", "COALESCE requires parameters"), ("{}", "COALESCE: JSON configuration must contain 'operators' array"),
        ("[1]", "COALESCE: JSON configuration must contain 'operators' array"),
        (#"{"operators":[]}"#, "COALESCE: 'operators' array must not be empty"),
        (#"{"operators":"PROTOCOL"}"#, "COALESCE: 'operators' must be an array"),
        (#"{"operators":["PROTOCOL",1]}"#, "COALESCE: failed to parse operator at index 1: operator entry must be either a string (command name) or an object with 'command' field"),
        (#"{"operators":[{"param":"x"}]}"#, "COALESCE: failed to parse operator at index 0: operator object must have 'command' field"),
        (#"{"operators":[{"command":"REQ"}]}"#, "COALESCE: failed to parse operator at index 0: REQ requires parameters"),
        (#"{"operators":[{"command":"REQ","param":1}]}"#, "COALESCE: failed to parse operator at index 0: 'param' field must be a string"),
        (#"{"operators":["FOO"]}"#, "COALESCE: failed to parse operator at index 0: unknown command: 'FOO'"),
        (#"{"operators":["REQ(X)"]}"#, "COALESCE: failed to parse operator at index 0: unknown command: 'REQ(X)'"),
        (#"{"operators":[{"command":"REQ_WITHOUT_QUERY","param":"X"}]}"#, "COALESCE: failed to parse operator at index 0: unknown command: 'REQ_WITHOUT_QUERY'"),
        (#"{"operators":[{"command":"FILE_CONTENT","param":"X"}]}"#, "COALESCE: failed to parse operator at index 0: unknown command: 'FILE_CONTENT'"),
        (#"{"operators":[{"command":"REQ","param":"A","max_length":"3"}]}"#, "COALESCE: failed to parse operator at index 0: 'max_length' field must be an integer"),
        (#"{"operators":[{"command":"REQ","param":"A","max_length":0}]}"#, "COALESCE: failed to parse operator at index 0: 'max_length' must be a positive integer"),
        ("nojson", "COALESCE: failed to parse JSON configuration: JSON supplied is not valid."),
        (#"{"operators":["PROTOCOL"]"#, "COALESCE: failed to parse JSON configuration: JSON supplied is not valid."),
        (#"{"operators":["PROTOCOL"]} x"#, "COALESCE: failed to parse JSON configuration: JSON supplied is not valid."),
        (#"{"operators":["PROTOCOL",]}"#, "COALESCE: failed to parse JSON configuration: JSON supplied is not valid."),
    ])
    func mistakes(_ json: String, _ message: String) {
        do throws(FormatError) {
            _ = try FormatCompiler.compile("%COALESCE(\(json))%", in: FrozenArena())
            Issue.record("accepted: \(json)")
        } catch {
            #expect(error.description == message)
        }
    }

    /// Brackets without end are an error, not the end of the stack; and the text may be cut anywhere.
    @Test func depthIsBounded() {
        let deep = String(repeating: "[", count: 100_000)
        let whole = #"{"operators":[{"command":"REQ","param":"A\\B","max_length":12}]}"#
        for text in [deep] + whole.indices.map({ String(whole[..<$0]) }) where !text.isEmpty {
            #expect(throws: FormatError.self) { _ = try FormatCompiler.compile("%COALESCE(\(text))%", in: FrozenArena()) }
        }
    }

    /// Bytes of the wire that are asked for inside are counted too.
    @Test func whatItAsksForIsMeasured() throws {
        let arena = FrozenArena()
        _ = try FormatCompiler.compile(#"%COALESCE({"operators":["PROTOCOL"]})%"#, in: arena)
        #expect(arena.marks == 0 && arena.routeMarks == 0)
        _ = try FormatCompiler.compile(#"%COALESCE({"operators":["UPSTREAM_WIRE_BYTES_SENT","ROUTE_RESOLUTION_TIME_US"]})%"#, in: arena)
        #expect(arena.marks == 1 && arena.routeMarks == 1)
    }
}
