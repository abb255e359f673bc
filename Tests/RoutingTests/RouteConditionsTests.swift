// Expectations were read off Envoy 1.40.

import Primitives
import Routing
import Testing

@Suite struct RouteConditionsTests {
    private func holds(
        _ request: TestRequest, _ context: MatchContext = MatchContext(), _ set: (inout RouteMatchSpec) -> Void
    ) throws -> Bool {
        var match = RouteMatchSpec(.prefix("/"))
        set(&match)
        return try oneRoute(match, request, context)
    }

    @Test func queryParameters() throws {
        func holds(_ path: String, _ value: QueryParameterMatchSpec.Value) throws -> Bool {
            try self.holds(TestRequest(path)) { $0.queryParameters = [QueryParameterMatchSpec("q", value)] }
        }
        func exact(_ value: String) -> QueryParameterMatchSpec.Value { .string(StringMatchSpec(.exact(value))) }
        for path in ["/?q", "/?q=", "/?q=1", "/?q=2&q=1", "/?a&q=1", "/?&&q=1"] {
            #expect(try holds(path, .present(true)), "\(path)")
            #expect(try !holds(path, .present(false)), "\(path)")
        }
        for path in ["/", "/?Q=1", "/?aq=1", "/?"] {
            #expect(try !holds(path, .present(true)), "\(path)")
            #expect(try holds(path, .present(false)), "\(path)")
        }
        #expect(try holds("/?q", exact("")))
        #expect(try holds("/?q=1&q=2", exact("1")))
        #expect(try !holds("/?q=2&q=1", exact("1")))
        #expect(try holds("/?q=a%20b", exact("a%20b")))
        #expect(try !holds("/?q=a%20b", exact("a b")))
        #expect(try holds("/?q=1=2", exact("1=2")))
        #expect(try !holds("/", exact("")))
    }

    @Test func cookies() throws {
        func holds(_ cookies: [String], _ name: String, _ value: String, invert: Bool = false) throws -> Bool {
            try self.holds(TestRequest("/", headers: cookies.map { ("cookie", $0) })) {
                $0.cookies = [CookieMatchSpec(name, StringMatchSpec(.exact(value)), invert: invert)]
            }
        }
        for cookie in ["c=1", "c=1; c=2", "c=\"1\"", " c=1", "a=b;  c=1", "a=1;c=1;"] {
            #expect(try holds([cookie], "c", "1"), "\(cookie)")
            #expect(try !holds([cookie], "c", "1", invert: true), "\(cookie)")
        }
        for cookie in ["", "c=2;c=1", "c= 1", "c =1", "c", "c=", "C=1", "c=\"", "c=1 ;d", ";;;=", "="] {
            #expect(try !holds([cookie], "c", "1"), "\(cookie)")
            #expect(try holds([cookie], "c", "1", invert: true), "\(cookie)")
        }
        #expect(try holds([], "c", "1", invert: true))
        #expect(try holds(["c =1"], "c ", "1"))
        #expect(try holds(["c=\"\""], "c", ""))
        #expect(try holds(["c=2", "c=1"], "c", "2"))
        #expect(try holds(["d=2", "c=1"], "c", "1"))
    }

    @Test func grpc() throws {
        for (type, expected) in [
            ("application/grpc", true), ("application/grpc+proto", true), ("application/grpc-web", false),
            ("application/grpc;x", false), ("APPLICATION/GRPC", false), ("", false),
        ] {
            #expect(try holds(TestRequest("/", headers: [("content-type", type)])) { $0.grpcOnly = true } == expected)
        }
        #expect(try !holds(TestRequest("/")) { $0.grpcOnly = true })
    }

    @Test func clientCertificates() throws {
        let both = MatchContext(flags: [.certificatePresented, .certificateValidated])
        let presented = MatchContext(flags: .certificatePresented)
        #expect(try holds(TestRequest("/"), presented) { $0.certificatePresented = true })
        #expect(try !holds(TestRequest("/")) { $0.certificatePresented = true })
        #expect(try holds(TestRequest("/")) { $0.certificatePresented = false })
        #expect(try holds(TestRequest("/"), both) { $0.certificateValidated = true })
        #expect(try holds(TestRequest("/"), presented) { $0.certificateValidated = false })
        #expect(try !holds(TestRequest("/"), both) { $0.certificateValidated = false })
    }

    @Test func callersAnswerForExternalMatchers() throws {
        var context = MatchContext()
        unsafe context.external = { _, number in number == 7 }
        #expect(try holds(TestRequest("/"), context) { $0.external = [7] })
        #expect(try !holds(TestRequest("/"), context) { $0.external = [7, 8] })
        #expect(try !holds(TestRequest("/")) { $0.external = [7] })
    }

    @Test func fractionsOfRequests() throws {
        func holds(_ random: UInt64, _ fraction: Fraction, runtime: RuntimeValue? = nil) throws -> Bool {
            let word = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
            defer { unsafe word.deallocate() }
            unsafe word.initialize(to: 0)
            let cell = unsafe RuntimeCell(word)
            if let runtime { cell.set(runtime) }
            return try self.holds(TestRequest("/"), MatchContext(random: random)) {
                $0.runtimeFraction = RuntimeFraction(fraction, cell: runtime == nil ? nil : cell)
            }
        }
        #expect(try holds(1029, Fraction(30, .hundred)))
        #expect(try !holds(1030, Fraction(30, .hundred)))
        #expect(try !holds(0, Fraction(0, .million)))
        #expect(try holds(UInt64.max, Fraction(200, .hundred)))
        #expect(try holds(9_999, Fraction(10_000, .tenThousand)))
        let none = Fraction(0, .hundred)
        #expect(try holds(49, none, runtime: .fraction(numerator: 50, denominator: 100)))
        #expect(try !holds(50, none, runtime: .fraction(numerator: 50, denominator: 100)))
        #expect(try holds(9, none, runtime: .fraction(numerator: 10, denominator: 10_000)))
        #expect(try !holds(10, none, runtime: .fraction(numerator: 10, denominator: 10_000)))
        #expect(try !holds(0, none, runtime: RuntimeValue.none))
        // An integer is a percentage, whatever the default's denominator; beyond 100 it is always.
        #expect(try holds(29, Fraction(0, .million), runtime: .integer(30)))
        #expect(try !holds(30, Fraction(0, .million), runtime: .integer(30)))
        #expect(try holds(99, none, runtime: .integer(5000)))
        #expect(try !holds(0, Fraction(1, .hundred), runtime: .number(0.5)))
        #expect(try holds(1, none, runtime: .number(2.5)))
        #expect(try !holds(2, none, runtime: .number(2.5)))
        #expect(try holds(0, Fraction(1, .hundred), runtime: .number(-2.5)))
    }

    @Test func numbersAreReadAsEnvoyReadsThem() throws {
        func holds(_ value: String) throws -> Bool {
            try self.holds(TestRequest("/", headers: [("x-h", value)])) {
                $0.headers = [HeaderMatchSpec("x-h", .range(-5, 10))]
            }
        }
        for value in ["5", "-5", " 5 ", "+5", "5\t", "9"] { #expect(try holds(value), "\(value)") }
        for value in ["10", "-6", "5x", "5.0", "", "0x5", "-", "99999999999999999999", "9223372036854775808"] {
            #expect(try !holds(value), "\(value)")
        }
        func reads(_ value: String, _ low: Int64, _ high: Int64) throws -> Bool {
            try self.holds(TestRequest("/", headers: [("x-h", value)])) {
                $0.headers = [HeaderMatchSpec("x-h", .range(low, high))]
            }
        }
        #expect(try reads("-9223372036854775808", .min, .min + 1))
        #expect(try reads("9223372036854775806", .max - 1, .max))
    }

    @Test func stringsIgnoreCaseOnDemand() throws {
        func holds(_ kind: StringMatchSpec.Kind, _ value: String, ignoreCase: Bool) throws -> Bool {
            try self.holds(TestRequest("/", headers: [("x-h", value)])) {
                $0.headers = [HeaderMatchSpec("x-h", .string(StringMatchSpec(kind, ignoreCase: ignoreCase)))]
            }
        }
        for (kind, value) in [
            (.exact("AbC"), "aBc"), (.prefix("AB"), "abc"), (.suffix("BC"), "abc"), (.contains("B"), "abc"),
        ] as [(StringMatchSpec.Kind, String)] {
            #expect(try holds(kind, value, ignoreCase: true))
            #expect(try !holds(kind, value, ignoreCase: false))
        }
        #expect(try !holds(.contains("abcd"), "abc", ignoreCase: true))
        #expect(try holds(.contains(""), "", ignoreCase: true))
    }
}
