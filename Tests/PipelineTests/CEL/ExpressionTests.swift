@testable import Pipeline
import Primitives
import Testing
import Wire

/// Expressions as Envoy 1.40 evaluates them, what it refuses, and what no input may do.
@Suite struct ExpressionTests {
    private func bench(_ options: CELOptions = CELOptions()) throws -> FormatBench {
        let bench = try FormatBench()
        bench.expressions = options
        let head = unsafe bench.stream.requestHead
        unsafe head.pointee.methodText = head.pointee.store(Bytes("GET" as StaticString))
        unsafe head.pointee.path = head.pointee.store(Bytes("/a/b?x=1&y=2" as StaticString))
        unsafe head.pointee.authority = head.pointee.store(Bytes("h.test" as StaticString))
        for (name, value) in [
            ("referer", "ref"), ("user-agent", "ua"), ("x-a", "va"), ("x-num", "42"), ("x-empty", ""), ("x-m", "1"), ("x-m", "2"),
            ("x-request-id", "rid1"),
        ] {
            name.withBytes { name in value.withBytes { unsafe head.pointee.append(name: name, value: $0) } }
        }
        unsafe bench.stream.pointee.startNs = 1_000_000_000
        unsafe bench.stream.pointee.startWallNs = 1_700_000_000_123_456_789
        unsafe bench.stream.pointee.endNs = 1_043_204_873
        return bench
    }

    private static let all: CELOptions = {
        var options = CELOptions()
        options.converts = true
        options.joins = true
        options.hasStringFunctions = true
        return options
    }()

    private func message(_ expression: String, _ options: CELOptions = CELOptions()) -> String? {
        do throws(CELError) {
            _ = try CELCompiler(in: FrozenArena(), options).compile(expression)
            return nil
        } catch {
            return error.message
        }
    }

    @Test func isShownAsEnvoyShowsIt() throws {
        let bench = try bench()
        for (expression, shown) in ExpressionCases.shown {
            #expect(try bench.write("%CEL(\(expression))%") == shown, "\(expression)")
        }
    }

    @Test(arguments: ExpressionCases.refused)
    func isRefusedAsInEnvoy(_ expression: String) { #expect(message(expression) != nil) }

    @Test(arguments: [
        ("request.path +", "1:15: expected an operand, found the end"), ("a b", "1:3: expected the end, found 'b'"),
        ("(1", "1:3: expected ')', found the end"), ("'é' 1", "1:5: expected the end, found a number"), ("1 =\n= 2", "1:3: what stands here begins no token"),
        ("true &&\n 'a", "2:2: a text has no end"), ("size()", "No overload found in reference resolve step for size"),
        ("has(1)", "1:1: has() argument must be a field selection"), ("if", "1:1: reserved identifier: if"),
        ("[1].all(x, x)", "1:5: Comprehension support is disabled: 'all' walks over a list"),
        ("'a'.matches(request.path)", "the pattern of matches() is no constant: Martlet compiles patterns when it reads them"),
        ("'a'.matches('(')", "invalid regular expression: missing ): ("), ("'a'.matches('a{1000}')", "regular expression exceeds max allowed size"),
        ("google.protobuf.Duration{seconds: 1}", "1:25: messages are not made by Martlet"),
        ("request.time.getHours('Europe/Berlin')", "the time zone 'Europe/Berlin' is neither UTC nor an offset such as -08:00"),
    ])
    func theErrorSaysWhatAndWhere(_ expression: String, _ expected: String) { #expect(message(expression) == expected) }

    @Test(arguments: [
        ("'a' + 'b'", "ab"), ("b'a' + b'b'", "ab"), ("[1] + [2]", "-"), ("string(5)", "5"), ("string(-5)", "-5"), ("string(5u)", "5"), ("string(1.5)", "1.5"), ("string(1e100)", "1e+100"),
        ("string(0.1 + 0.2)", "0.30000000000000004"), ("string(1000000.0)", "1e+06"), ("string(123456789.0)", "1.23456789e+08"), ("string(true)", "true"),
        ("string(b'abc')", "abc"), (#"string(b'\xff')"#, "-"), ("string(duration('90m'))", "5400s"), ("string(duration('1.5s'))", "1.500s"),
        ("string(duration('-1.000000001s'))", "-1.000000001s"), ("string(timestamp(10))", "1970-01-01T00:00:10Z"),
        ("string(timestamp('2020-01-01T00:00:00.120Z'))", "2020-01-01T00:00:00.120Z"), ("string(null)", "-"), ("string(timestamp(253402300800))", "-"),
        ("string(duration('315576000000s') + duration('1s'))", "-"), ("string([1])", "-"),
        ("'abc'.replace('b', 'x')", "axc"), ("'abc'.replace('', '-')", "-a-b-c-"), ("'abc'.replace('', '-', 2)", "-a-bc"), ("'aaa'.replace('a', 'b', 2)", "bba"),
        ("'aBc'.upperAscii() + 'aBc'.lowerAscii()", "ABCabc"), ("['a', 'b'].join('-')", "a-b"), ("['a', 1].join()", "-"), ("[].join('x')", ""),
        ("'abc'.charAt(1)", "b"), ("'abc'.charAt(3)", ""), ("'abc'.charAt(4)", "-"), ("'abc'.indexOf('c')", "2"), ("'abc'.indexOf('', 3)", "3"),
        ("'abc'.indexOf('a', 4)", "-"), ("'abc'.lastIndexOf('')", "3"), ("'abca'.lastIndexOf('a', 2)", "0"), ("'a'.indexOf('b')", "-1"),
        ("'abc'.substring(1, 2)", "b"), ("'abc'.substring(3)", ""), ("'abc'.substring(4)", "-"), ("'abc'.substring(2, 1)", "-"), ("' a '.trim()", "a"),
        ("'日本語'.substring(1)", "本語"), ("'日本語'.indexOf('語')", "2"), ("'日本語'.reverse()", "語本日"), ("size('日本語')", "3"),
    ])
    func whatTheConfigurationAllows(_ expression: String, _ shown: String) throws {
        #expect(try bench(ExpressionTests.all).write("%CEL(\(expression))%") == shown)
        guard expression != "[1] + [2]", !expression.hasPrefix("size") else { return }
        #expect(try message(expression) != nil || bench().write("%CEL(\(expression))%") == "-", "only where it is allowed")
    }

    @Test(arguments: [
        ("1", "1"), ("-1", "-1"), ("1.5", "1.5"), ("100000", "1e+05"), ("120000", "120000"), ("0.0001", "1e-04"), ("0.1 + 0.2", "0.30000000000000004"),
        ("9223372036854775807", "9223372036854775808"), ("5e-324", "5e-324"), ("true", "true"), ("b'abc'", #""YWJj""#), ("[1, 'a', 2.5, [true]]", #"[1,"a",2.5,[true]]"#),
        ("{'b': 1, 'a': 'x'}", #"{"a":"x","b":1}"#), ("{1: 2}", #"{"1":2}"#), ("{'x': {'y': [null]}}", #"{"x":{"y":[null]}}"#), ("duration('-1.5s')", #""-1.500s""#),
        ("{1: 2, '1': 3}", #"{"1":3}"#), ("{'1': 3, 0: 1, 1: 2}", #"{"0":1,"1":2}"#), ("timestamp(253402300799)", #""9999-12-31T23:59:59Z""#),
        ("timestamp(253402300800)", "null"), ("[timestamp(253402300800)]", "null"), ("timestamp(-62135596800)", #""0001-01-01T00:00:00Z""#),
        ("timestamp(-62135596801)", "null"), ("duration('315576000000s') + duration('0.5s')", #""315576000000.500s""#),
        ("duration('315576000000s') + duration('1s')", "null"), ("null", "null"), ("int", "null"), ("'a\"b'", #""a\"b""#), ("123456789012345678", "123456789012345680"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"), ("2.2250738585072014e-308", "2.2250738585072014e-308"), ("1e23", "1e+23"), ("1.0 / 3.0", "0.3333333333333333"),
        ("timestamp(0)", #""1970-01-01T00:00:00Z""#), ("request.duration", #""0.043204873s""#), ("request.time", #""2023-11-14T22:13:20.123456Z""#),
        ("request.headers", #"{":authority":"h.test",":method":"GET",":path":"/a/b?x=1&y=2",":scheme":"http","referer":"ref","user-agent":"ua","x-a":"va","x-empty":"","x-m":"1,2","x-num":"42","x-request-id":"rid1"}"#),
    ])
    func typedValuesAreJSON(_ expression: String, _ shown: String) throws {
        #expect(try bench().writeJSON("%TYPED_CEL(\(expression))%") == shown)
    }

    /// Texts of JSON are cut, whatever they were; numbers and lists are not.
    @Test(arguments: [
        ("request.path", 3, #""/a/""#), ("request.path", 0, "\"\""), ("b'abcdef'", 2, #""YW""#), ("duration('90m')", 2, #""54""#), ("timestamp(0)", 4, #""1970""#),
        ("12345", 2, "12345"), ("['abcdef']", 3, #"["abcdef"]"#), ("null", 1, "null"),
    ])
    func lengthsCutTextsOfJSON(_ expression: String, _ length: Int, _ shown: String) throws {
        #expect(try bench().writeJSON("%TYPED_CEL(\(expression)):\(length)%") == shown)
    }

    /// Among other choices an expression is shown as where it stands alone: as a text in a text.
    @Test(arguments: [
        ("TYPED_CEL", "null", "NULL", #""HTTP/1.1""#), ("CEL", "null", "NULL", #""NULL""#), ("TYPED_CEL", "duration('90m')", "1h30m", #""5400s""#),
        ("TYPED_CEL", "[1,2.5]", "CelList value", "[1,2.5]"), ("TYPED_CEL", "''", "", "\"\""), ("TYPED_CEL", "nope", "HTTP/1.1", #""HTTP/1.1""#),
        ("TYPED_CEL", "int", "CelType value", #""HTTP/1.1""#),
    ])
    func choices(_ command: String, _ expression: String, _ text: String, _ json: String) throws {
        let format = #"%COALESCE({"operators": [{"command": "\#(command)", "param": "\#(expression)"}, "PROTOCOL"]})%"#
        let bench = try bench()
        unsafe bench.stream.requestHead.pointee.version = .http11
        #expect(try bench.write(format) == text)
        #expect(try bench.writeJSON(format) == json)
    }

    @Test func aConnectHasNoPath() throws {
        let bench = try bench()
        unsafe bench.stream.requestHead.pointee.path = Span32()
        #expect(try bench.write("%CEL(request.path)% [%CEL(request.url_path)%] [%CEL(request.query)%] %CEL(has(request.query))%") == "- [] [] true")
    }

    @Test func whatIsNotThereYetIsMissing() throws {
        let bench = try bench()
        let format = "%CEL(request.duration)% %CEL(has(upstream_filter_state.x))% %CEL(filter_state[''])% %CEL(upstream_filter_state)%"
        #expect(try bench.write(format) == "43.204873ms - - -")
        unsafe bench.stream.pointee.endNs = 0
        unsafe bench.stream.pointee.upstreamConnectionID = 5
        #expect(try bench.write(format) == "- false - CelMap value")
    }

    @Test func lengthsCutTexts() throws {
        #expect(try bench().write("%CEL(request.path):3% %CEL(123456):3% %CEL(nope):0% %CEL('abc'):0%|%TYPED_CEL(1.5)%") == "/a/ 123 - |1.5")
    }

    @Test func attributesOfAConnectionAreThere() throws {
        let bench = try FormatBench()
        bench.info.connectionID = 7
        bench.info.bytesReceived = 30
        bench.info.terminationDetails = Bytes("why" as StaticString)
        #expect(
            try bench.writeTCP("%CEL(request.path)% %CEL(request.size)% %CEL(connection.id)% %CEL(connection.termination_details)% %CEL(request.headers)%")
                == "- 30 7 why CelMap value")
    }

    // MARK: Bounds

    /// What may stand so often, and once more may not: a text in front of the middle, and one behind it.
    private static let bounds: [(last: Int, before: String, middle: String, after: String)] = [
        (32, "(", "1", ")"), (31, "1+", "1", ""), (31, "", "a", ".b"), (31, "", "a", "[0]"), (31, "[", "[]", "]"), (31, "{1:", "1", "}"),
        (31, "int(", "1", ")"), (31, "true?1:", "1", ""), (31, "-(", "1", ")"),
    ]

    @Test(arguments: bounds.indices)
    func depthIsEnvoys(_ index: Int) {
        let bound = ExpressionTests.bounds[index]
        func text(_ count: Int) -> String {
            String(repeating: bound.before, count: count) + bound.middle + String(repeating: bound.after, count: count)
        }
        #expect(message(text(bound.last)) == nil)
        #expect(message(text(bound.last + 1)) != nil)
    }

    @Test func lengthIsEnvoys() {
        #expect(message("'" + String(repeating: "a", count: 99_998) + "'") == nil)
        #expect(message("'" + String(repeating: "a", count: 99_999) + "'") != nil)
    }

    @Test func chainsAreAsLongAsTheyLike() throws {
        let bench = try bench()
        for (text, shown) in [
            (Array(repeating: "true", count: 3000).joined(separator: "&&"), "true"),
            (Array(repeating: "nope", count: 3000).joined(separator: "||") + "||true", "true"), (String(repeating: "!", count: 1001) + "true", "false"),
            (String(repeating: "-", count: 1001) + "1", "-1"),
        ] {
            #expect(try bench.write("%CEL(\(text))%") == shown)
        }
    }

    /// Brackets without end are an error, not the end of the stack.
    @Test(arguments: ["(", "[", "{", "!(", "-(", "a(", "a.b(", "a[", "1?", "1?1:", "{1:", "((1)+"])
    func whatIsNestedWithoutEndIsRefused(_ bracket: String) {
        #expect(message(String(repeating: bracket, count: 40_000)) != nil)
    }

    /// Cut short at each byte, and with each byte another: an error or not, and never a trap.
    @Test func anyTextMayBeAnExpression() {
        let text = Array(#"has(request.a) && [1u, -2.5e3, b'\x41', 'é\u00e9'][0] in {'a': x ? 0x1f : y} || !a.`b-c`(r"\") == null // z"#.utf8)
        for end in text.indices { _ = message(String(decoding: text[..<end], as: UTF8.self)) }
        var random = SystemRandomNumberGenerator()
        for place in text.indices {
            for _ in 0..<8 {
                var other = text
                other[place] = UInt8.random(in: 0...255, using: &random)
                _ = message(String(decoding: other, as: UTF8.self))
            }
        }
    }

    /// What is put together has a bound: an error beyond it, and no more memory.
    @Test func scratchMemoryIsBounded() throws {
        let bench = try bench(ExpressionTests.all)
        let long = "'" + String(repeating: "a", count: 1000) + "'"
        let wide = "\(long).replace('a', \(long))"
        #expect(try bench.write("%CEL(size(\(wide)))%") == "1000000")
        #expect(try bench.write("%CEL(size(\(wide).replace('a', 'bb')))%") == "-")
        #expect(try bench.write("%CEL(size(\(wide) + \(wide)))%") == "-")
        #expect(try bench.write("%CEL(request.path)%") == "/a/b?x=1&y=2", "the next one begins anew")
    }

    /// A request may hold anything: bytes that are no characters, numbers beyond all types.
    @Test(arguments: [
        ("size(request.headers['x-raw'])", "4"), ("request.headers['x-raw'].contains('a')", "true"), ("int(request.headers['x-big'])", "-"),
        ("uint(request.headers['x-big'])", "-"), ("double(request.headers['x-big'])", "1e+30"), ("duration(request.headers['x-big'])", "-"),
        ("duration(request.headers['x-long'] + 'h')", "-"), ("timestamp(int(request.headers['x-long']))", "-"), ("timestamp(request.headers['x-big'])", "-"),
        ("double(request.headers['x-wide'])", "1.23457e+90"), ("double(request.headers['x-wide'] + request.headers['x-raw'])", "-"),
        ("'abc'.charAt(int(request.headers['x-long']))", "-"), ("[1][int(request.headers['x-long'])]", "-"),
        ("request.headers['x-raw'].reverse() == request.headers['x-raw']", "false"), ("bytes(request.headers['x-raw']).size()", "4"),
        ("string(bytes(request.headers['x-raw']))", "-"), ("'é'.matches('^.$')", "true"), ("request.headers['x-raw'].matches('a.c')", "false"),
    ])
    func hostileRequests(_ expression: String, _ shown: String) throws {
        let bench = try bench(ExpressionTests.all)
        let head = unsafe bench.stream.requestHead
        [UInt8]([0xff, 0x61, 0x80, 0xc3]).withBytes { unsafe head.pointee.append(name: Bytes("x-raw" as StaticString), value: $0) }
        unsafe head.pointee.append(name: Bytes("x-big" as StaticString), value: Bytes("1000000000000000000000000000000" as StaticString))
        unsafe head.pointee.append(name: Bytes("x-long" as StaticString), value: Bytes("9223372036854775807" as StaticString))
        unsafe head.pointee.append(
            name: Bytes("x-wide" as StaticString),
            value: Bytes("1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901" as StaticString))
        #expect(try bench.write("%CEL(\(expression))%") == shown)
    }
}
