import Pipeline
import Primitives
import Testing
import Wire

/// `%XFCC_VALUE(…)%`: what Envoy 1.40 gave for the same fields.
@Suite struct ForwardedCertificateTests {
    private func value(_ key: String, of header: String, length: String = "") throws -> String {
        let bench = try FormatBench()
        let arena = FrozenArena()
        unsafe bench.stream.pointee.request.append(.xForwardedClientCert, arena.text(header))
        return try bench.write("%XFCC_VALUE(\(key))\(length)%")
    }

    @Test(arguments: [
        ("By=spiffe://a/b;Hash=ab;URI=spiffe://z/z", "URI", "spiffe://z/z"), ("By=spiffe://a/b;Hash=ab", "hash", "ab"),
        ("By=spiffe://a/b;Hash=ab", "URI", "-"), (#"Hash=1;Subject="CN=a,O=\"q\";x=y";URI=u1,Hash=2;URI=u2"#, "Subject", #"CN=a,O="q";x=y"#),
        (#"Hash=1;Subject="CN=a,O=\"q\";x=y";URI=u1,Hash=2;URI=u2"#, "URI", "u1"), ("hash=lower;uri=lo", "URI", "lo"),
        ("URI=a;URI=b", "URI", "a"), ("Hash=;URI=x", "Hash", ""), ("garbage", "URI", "-"), (#"URI="a"#, "URI", "-"), (#"URI=b;Hash="a\"#, "URI", "-"),
        ("Hash=1,URI=second", "URI", "second"), ("Hash = 5 ; URI = 6", "Hash", "5"), (#"DNS=a;DNS=b;Chain="%2B""#, "Chain", "%2B"), ("", "URI", "-"),
    ])
    func theFirstOfThatName(_ header: String, _ key: String, _ expected: String) throws {
        #expect(try value(key, of: header) == expected)
    }

    @Test func lengthAndNone() throws {
        #expect(try value("URI", of: "URI=abcdef", length: ":3") == "abc")
        #expect(try FormatBench().write("%XFCC_VALUE(URI)%") == "-")
        #expect(try FormatBench().writeTCP("%XFCC_VALUE(URI)%") == "-")
    }

    @Test(arguments: [("%XFCC_VALUE()%", "XFCC_VALUE command requires a subcommand"), ("%XFCC_VALUE(nope)%", "XFCC_VALUE command does not support subcommand: nope")])
    func mistakes(_ text: String, _ message: String) {
        do throws(FormatError) {
            _ = try FormatCompiler.compile(text, in: FrozenArena())
            Issue.record("accepted")
        } catch {
            #expect(error.description == message)
        }
    }
}
