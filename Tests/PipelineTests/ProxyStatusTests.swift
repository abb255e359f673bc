import Primitives
import Testing
import Wire

@testable import Pipeline

/// RFC 9209: the field's text and the errors that response flags stand for.
struct ProxyStatusTests {
    private func text(
        _ config: ProxyStatusConfig, _ error: ProxyError, details: StaticString, flags: ResponseFlags
    ) -> String {
        let length = unsafe config.write(error, details: Bytes(details), flags: flags, nil)
        var bytes = [UInt8](repeating: 0, count: length)
        let written = unsafe bytes.withUnsafeMutableBufferPointer {
            unsafe config.write(error, details: Bytes(details), flags: flags, $0.baseAddress)
        }
        #expect(written == length)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func parametersCanBeLeftOut() {
        var config = ProxyStatusConfig(name: Bytes("edge" as StaticString))
        let flags: ResponseFlags = [.upstreamConnectionFailure, .upstreamRetryLimitExceeded]
        #expect(
            text(config, .connectionRefused, details: "reset", flags: flags)
                == "edge; error=connection_refused; details=\"reset; UF,URX\"")
        #expect(text(config, .dnsError, details: "", flags: flags) == "edge; error=dns_error")
        config.hasFlags = false
        #expect(text(config, .connectionRefused, details: "reset", flags: flags) == "edge; error=connection_refused; details=\"reset\"")
        config.hasDetails = false
        #expect(text(config, .connectionRefused, details: "reset", flags: flags) == "edge; error=connection_refused")
    }

    // RFC 8941 §3.3.3
    @Test func quotesInDetailsAreEscaped() {
        var config = ProxyStatusConfig(name: Bytes("e" as StaticString))
        config.hasFlags = false
        #expect(text(config, .dnsError, details: #"a"b\c"#, flags: []) == #"e; error=dns_error; details="a\"b\\c""#)
    }

    @Test func theFirstFlagDecides() {
        #expect(ProxyError([]) == nil)
        #expect(ProxyError([.downstreamProtocolError]) == nil)
        #expect(ProxyError([.upstreamRequestTimeout, .upstreamRetryLimitExceeded]) == .httpResponseTimeout)
        #expect(ProxyError([.noRouteFound]) == .destinationNotFound)
    }

    // RFC 9209 §2.3
    @Test func recommendedStatuses() {
        for error in ProxyError.allCases {
            #expect(error.status == 0 || (500...504).contains(error.status), "\(error.name)")
        }
        #expect(ProxyError.connectionRefused.status == 502)
        #expect(ProxyError.httpResponseTimeout.status == 504)
    }
}
