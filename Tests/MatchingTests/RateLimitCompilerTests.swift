import EnvoyAPI
import Matching
import Pipeline
import Primitives
import Testing

@Suite struct RateLimitCompilerTests {
    private final class Told {
        var errors: [String] = []
    }

    private struct Place: MatcherPlace {
        let path: String
        let told: Told
        func at(_ field: StaticString) -> Place { Place(path: "\(path).\(field)", told: told) }
        func at(_ field: StaticString, _ index: Int) -> Place { Place(path: "\(path).\(field)[\(index)]", told: told) }
        func error(_ message: String) { told.errors.append("\(path): \(message)") }
        func error(in field: String, _ message: String) { told.errors.append("\(path).\(field): \(message)") }
    }

    /// The only action of one rule; nil after an error.
    private func action(_ extended: Envoy_Config_Core_V3_TypedExtensionConfig, _ arena: FrozenArena, _ told: Told) -> RateLimitAction? {
        var limit = Envoy_Config_Route_V3_RateLimit()
        limit.actions = [Envoy_Config_Route_V3_RateLimit.Action()]
        limit.actions[0].extension = extended
        let rules = RateLimitCompiler(arena: arena, seed: 1, nodeCluster: "", onRelease: { _ in }).compile([limit], Place(path: "p", told: told))
        return rules[0].actions.isEmpty ? nil : rules[0].actions[0]
    }

    private func extended(_ message: some SwiftProtobuf.Message) throws -> Envoy_Config_Core_V3_TypedExtensionConfig {
        var extended = Envoy_Config_Core_V3_TypedExtensionConfig()
        extended.name = "own"
        extended.typedConfig = try Google_Protobuf_Any(message: message)
        return extended
    }

    @Test func anExpressionIsAnActionOfItsOwn() throws {
        let arena = FrozenArena()
        let told = Told()
        var message = Envoy_Extensions_RateLimitDescriptors_Expr_V3_Descriptor()
        message.descriptorKey = "k"
        message.text = "request.path"
        let first = try #require(action(try extended(message), arena, told))
        #expect(first.kind == .expression && String(first.key) == "k" && first.program != nil && !first.skipsAbsent)
        message.skipIfError = true
        message.parsed.identExpr.name = "request"
        let second = try #require(action(try extended(message), arena, told))
        #expect(second.kind == .expression && second.program != nil && second.skipsAbsent)
        #expect(told.errors.isEmpty)
    }

    @Test func aMatchersInputIsCalledAsItsExtension() throws {
        let arena = FrozenArena()
        let told = Told()
        var header = Envoy_Type_Matcher_V3_HttpRequestHeaderMatchInput()
        header.headerName = "X-User"
        let action = try #require(self.action(try extended(header), arena, told))
        #expect(action.kind == .input && String(action.key) == "own" && action.input.source == .requestHeader && String(action.input.name) == "x-user")
        #expect(told.errors.isEmpty)
    }

    @Test func whatIsNoneIsSaidWhereItStands() throws {
        let arena = FrozenArena()
        let told = Told()
        var message = Envoy_Extensions_RateLimitDescriptors_Expr_V3_Descriptor()
        #expect(action(try extended(message), arena, told) == nil)
        message.text = "("
        #expect(action(try extended(message), arena, told) == nil)
        var deep = Cel_Expr_Expr()
        deep.constExpr.boolValue = true
        for _ in 0..<60 {
            var outer = Cel_Expr_Expr()
            outer.callExpr.function = "!_"
            outer.callExpr.args = [deep]
            deep = outer
        }
        message.parsed = deep
        #expect(action(try extended(message), arena, told) == nil)
        #expect(action(try extended(Envoy_Config_Route_V3_RateLimit()), arena, told) == nil)
        let at = "p.rate_limits[0].actions[0].extension"
        #expect(told.errors.count == 4)
        #expect(told.errors.first == "\(at).typed_config: Rate limit descriptor extension failed: expression specifier is not set")
        #expect(told.errors.dropFirst().first?.hasPrefix("\(at).typed_config: Unable to parse descriptor expression: 1:2: ") == true)
        #expect(told.errors.dropFirst(2).first == "\(at).typed_config: the expression is nested too deep")
        #expect(told.errors.last == "\(at): Didn't find a registered implementation for 'own' with type URL: 'envoy.config.route.v3.RateLimit'")
    }
}
