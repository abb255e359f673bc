import EnvoyAPI
import Matching
import Routing
import Testing

@Suite struct MatcherCompilerTests {
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

    private func string(_ text: String) throws -> Envoy_Type_Matcher_V3_StringMatcher {
        try Envoy_Type_Matcher_V3_StringMatcher(jsonString: text)
    }

    @Test func stringsOfEveryKind() throws {
        let place = Place(path: "m", told: Told())
        let kinds: [(String, StringMatchSpec.Kind)] = [
            ("{\"exact\":\"a\"}", .exact("a")), ("{\"prefix\":\"a\"}", .prefix("a")), ("{\"suffix\":\"a\"}", .suffix("a")),
            ("{\"contains\":\"a\"}", .contains("a")), ("{\"safeRegex\":{\"regex\":\"a+\"}}", .regex("a+")),
        ]
        for (text, kind) in kinds {
            var message = try string(text)
            #expect(MatcherCompiler.string(message, place)?.kind == kind)
            #expect(MatcherCompiler.string(message, place)?.ignoreCase == false)
            message.ignoreCase = true
            #expect(MatcherCompiler.string(message, place)?.ignoreCase == true)
        }
        #expect(MatcherCompiler.string(try string("{}"), place) == nil)
        #expect(place.told.errors.isEmpty)
    }

    @Test func headersAndParameters() throws {
        let place = Place(path: "m", told: Told())
        for text in [
            "{\"name\":\"X-A\",\"exactMatch\":\"a\"}", "{\"name\":\"X-A\",\"stringMatch\":{\"exact\":\"a\"}}",
        ] {
            let spec = try #require(MatcherCompiler.header(try Envoy_Config_Route_V3_HeaderMatcher(jsonString: text), place))
            #expect(spec.name == "x-a")
            guard case .string(let value) = spec.value else {
                Issue.record("\(text): \(spec.value)")
                continue
            }
            #expect(value.kind == .exact("a"))
        }
        let present = try Envoy_Config_Route_V3_HeaderMatcher(jsonString: "{\"name\":\"a\",\"invertMatch\":true}")
        guard let spec = MatcherCompiler.header(present, place), case .present(true) = spec.value, spec.invert else {
            Issue.record("a header that is only named has to be there")
            return
        }
        let parameter = try Envoy_Config_Route_V3_QueryParameterMatcher(jsonString: "{\"name\":\"q\",\"presentMatch\":false}")
        guard let spec = MatcherCompiler.queryParameter(parameter, place), case .present(false) = spec.value else {
            Issue.record("a parameter that must not be there")
            return
        }
        #expect(place.told.errors.isEmpty)
    }

    @Test func whatIsNotBuiltInIsSaidWhereItStands() throws {
        let told = Told()
        var message = Envoy_Config_Route_V3_HeaderMatcher()
        message.name = "a"
        message.stringMatch.custom.name = "lua"
        message.stringMatch.custom.typedConfig.typeURL = "type.googleapis.com/a.b.Lua"
        #expect(MatcherCompiler.header(message, Place(path: "headers[1]", told: told)) == nil)
        var parameter = Envoy_Config_Route_V3_QueryParameterMatcher()
        parameter.stringMatch = message.stringMatch
        #expect(MatcherCompiler.queryParameter(parameter, Place(path: "q", told: told)) == nil)
        let words = "Didn't find a registered implementation for 'lua' with type URL: 'a.b.Lua'"
        #expect(told.errors == ["headers[1].string_match.custom: \(words)", "q.string_match.custom: \(words)"])
    }
}
