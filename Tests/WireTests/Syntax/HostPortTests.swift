import Primitives
import Testing
import Wire

@Suite struct HostPortTests {
    @Test(arguments: [
        ("example.com", "example.com", nil), ("a:80", "a", 80), ("a:", "a", nil), ("a:080", "a", 80), ("a:65535", "a", 65535),
        ("1.2.3.4:5", "1.2.3.4", 5), ("[::1]", "[::1]", nil), ("[::1]:8080", "[::1]", 8080), ("my_svc", "my_svc", nil),
        ("", "", nil), (":80", "", 80), ("a%41", "a%41", nil), ("*", "*", nil), ("[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]", nil),
    ] as [(String, String, UInt16?)])
    func splits(_ text: String, _ host: String, _ port: UInt16?) {
        text.withBytes { bytes in
            let parts = HostPort(bytes)
            #expect(parts.map { String($0.host) } == host)
            #expect(parts?.port == port)
        }
    }

    @Test(arguments: [
        "a:65536", "a:99999999999999999999", "a:x", "a:-1", "a:1:2", "::1", "[::1", "[::1]x", "[]", "[x]", "[::1%25eth0]", "u@a",
        "a b", "a/b", "a?b", "a#b", "a\\b", "a%", "a%4", "a%zz", "a\u{7f}", "é", "a\"b", "a<b", "a^b", "a`b", "a{b", "a|b", "[::1]:x",
    ])
    func refuses(_ text: String) {
        #expect(text.withBytes { HostPort($0) == nil })
    }

    @Test func addressWithoutBrackets() {
        "[::1]:1".withBytes { #expect(HostPort($0).map { String($0.address) } == "::1") }
        "a:1".withBytes { #expect(HostPort($0).map { String($0.address) } == "a") }
    }
}
