import Pipeline
import Primitives
import Testing

/// What is wrong with a format, in Envoy's words where it has some.
@Suite struct FormatErrorTests {
    private func error(_ text: String) -> String? {
        do throws(FormatError) {
            _ = try FormatCompiler.compile(text, in: FrozenArena())
            return nil
        } catch {
            return error.description
        }
    }

    @Test(arguments: [
        ("%CEL(request.)%", "%CEL%: Not able to parse expression: 1:9: expected the name of a field, found the end"),
        ("%TYPED_CEL%", "%TYPED_CEL%: Not able to parse expression: 1:1: expected an operand, found the end"),
        ("%RESPONSE_CODE(x)%", "RESPONSE_CODE does not take any parameters or length"),
        ("%PROTOCOL:3%", "PROTOCOL does not take any parameters or length"),
        ("%REQ%", "REQ requires parameters"), ("%RESP()%", "RESP requires parameters"),
        ("%START_TIME:3%", "START_TIME does not allow length to be specified."),
        ("%REQ(a?b?c)%", "More than 1 alternative header specified in token: a?b?c"),
        ("%REQ(a b)%", "Invalid header configuration. Format string contains invalid characters: 'a b'"),
        ("%PATH(XX)%", "Invalid PATH option: 'XX', only 'WQ'/'NQ' are allowed"),
        ("%PATH(NQ:XX)%", "Invalid PATH option: 'XX', only 'ORIG'/'PATH'/'ORIG_OR_PATH' are allowed"),
        ("%QUERY_PARAMS(XX)%", "Invalid QUERY_PARAMS option: 'XX', only 'ORIG'/'DECODED' are allowed"),
        ("%GRPC_STATUS(XX)%", "GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER. Got: XX"),
        ("%REQUESTED_SERVER_NAME(XX)%", "Invalid REQUESTED_SERVER_NAME option: 'XX', only 'SNI_ONLY'/'SNI_FIRST'/'HOST_FIRST' are allowed"),
        ("%REQUESTED_SERVER_NAME(HOST_FIRST:XX)%", "Invalid REQUESTED_SERVER_NAME option: 'XX', only 'ORIG_OR_HOST'/'HOST'/'ORIG' are allowed"),
        ("%COMMON_DURATION(DS_RX_BEG)%", "Invalid common duration configuration: DS_RX_BEG. Expected START:END or START:END:ms|us|ns"),
        ("%COMMON_DURATION(DS_RX_BEG:DS_RX_END:s)%", "Invalid common duration precision: s. Expected ms, us or ns"),
        ("%METADATA(XX:a)%", "XX is not supported type of metadata. Expected DYNAMIC, CLUSTER, ROUTE, UPSTREAM_HOST, LISTENER, LISTENER_FILTER_CHAIN, VIRTUAL_HOST"),
        ("%FILTER_STATE%", "Invalid filter state configuration, key cannot be empty."),
        ("%FILTER_STATE(a:XX)%", "Invalid filter state serialize type, only support PLAIN/TYPED/FIELD."),
        ("%START_TIME(a%nb)%", "Invalid header configuration. Format string contains newline."),
        ("%EMIT_TIME(%-9On)%", "Invalid header configuration. Format string contains newline."),
        ("%NO_SUCH%", "Not supported field in StreamInfo: NO_SUCH"),
        ("50%", "Incorrect configuration: 50%. Column 3: expected %OPERATOR%, %OPERATOR(argument)%, %OPERATOR(argument):LENGTH% or, for a percent sign, %%"),
        ("%REQ(a):%", "Incorrect configuration: %REQ(a):%. Column 1: expected %OPERATOR%, %OPERATOR(argument)%, %OPERATOR(argument):LENGTH% or, for a percent sign, %%"),
        ("%REQ(a\n)%", "Incorrect configuration: %REQ(a\n)%. Column 1: expected %OPERATOR%, %OPERATOR(argument)%, %OPERATOR(argument):LENGTH% or, for a percent sign, %%"),
        ("%PROTOCOL", "Incorrect configuration: %PROTOCOL. Column 1: expected %OPERATOR%, %OPERATOR(argument)%, %OPERATOR(argument):LENGTH% or, for a percent sign, %%"),
    ])
    func isRefused(_ text: String, _ message: String) {
        #expect(error(text) == message)
    }

    @Test(arguments: [
        "%START_TIME(%30n)%", "%START_TIME(%E4n)%", "%METADATA(ROUTE:a:b)%", "%FILTER_STATE(a:TYPED)%", "%DYNAMIC_METADATA(a)%", "%REQ(a)%%REQ(b)%",
        "%REQ(a):99999999999999999999999%", "%TRAILER(A?B):3%", "%UPSTREAM_PEER_CERT_V_START%", "",
    ])
    func isAccepted(_ text: String) { #expect(error(text) == nil) }

    @Test func theNearestNameIsSuggested() {
        do throws(FormatError) {
            _ = try FormatCompiler.compile("%RESPONSE_COD%", in: FrozenArena())
            Issue.record("accepted")
        } catch {
            #expect(error.suggestion == "did you mean %RESPONSE_CODE%?")
        }
    }

    @Test func oldOperatorsOfHeaderValuesAreReplaced() {
        #expect(OldOperators.replaced(in: #"%UPSTREAM_METADATA(["ns", "key"])% %UPSTREAM_METADATA([ "a","b","c" ])%"#) == "%UPSTREAM_METADATA(ns:key)% %UPSTREAM_METADATA(a:b:c)%")
        #expect(OldOperators.replaced(in: #"%DYNAMIC_METADATA(["ns", "key"])%"#) == "%DYNAMIC_METADATA(ns:key)%")
        #expect(OldOperators.replaced(in: "x%PER_REQUEST_STATE(a)%y%PER_REQUEST_STATE(b)%") == "x%FILTER_STATE(a)%y%FILTER_STATE(b)%")
        #expect(OldOperators.replaced(in: #"%DYNAMIC_METADATA(["never closed"#) == #"%DYNAMIC_METADATA(["never closed"#)
        #expect(OldOperators.replaced(in: "") == "")
    }
}
