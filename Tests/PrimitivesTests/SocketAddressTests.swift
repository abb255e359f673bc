import Glibc
import Primitives
import Testing

@Suite struct SocketAddressTests {
    @Test func textForms() throws {
        let v4 = try #require(SocketAddress(ip: "127.0.0.1", port: 8080))
        #expect(v4.description == "127.0.0.1:8080" && v4.ipDescription == "127.0.0.1")
        let v6 = try #require(SocketAddress(ip: "::1", port: 0))
        #expect(v6.description == "[::1]:0" && v6.ipDescription == "::1")
        #expect(try #require(SocketAddress(ip: "0.0.0.0", port: 65535)).description == "0.0.0.0:65535")
        let unix = try #require(SocketAddress(unixPath: "/run/x.sock"))
        #expect(unix.description == "/run/x.sock" && unix.ipDescription == "")
        #expect(SocketAddress(unixPath: "/run/x.sock")?.pathBase == unix.pathBase, "a path is kept once")
        #expect(SocketAddress(unixPath: "/run/x.sock", mode: 0o600)?.scope == 0o600)
        #expect(try #require(SocketAddress(unixPath: "@abstract")).description == "@abstract")
    }

    /// Numbers of each width in each place, and ports.
    @Test func numbersOfEachWidth() throws {
        let numbers = [0, 1, 9, 10, 99, 100, 199, 255]
        for a in numbers {
            for b in numbers {
                let text = "\(a).\(b).\(255 - a).\(255 - b)"
                for port in [0, 9, 10, 99, 100, 999, 1_000, 9_999, 10_000, 65_535] as [UInt16] {
                    let address = try #require(SocketAddress(ip: text, port: port))
                    #expect(address.description == "\(text):\(port)")
                }
            }
        }
    }

    @Test func whatIsNoAddress() {
        for text in ["", "localhost", "1.2.3", "1.2.3.4.5", "256.0.0.1", "::g", "1.2.3.4%nosuchzone"] {
            #expect(SocketAddress(ip: text, port: 1) == nil, "'\(text)'")
            #expect(text.withBytes { SocketAddress(numeric: $0) } == nil, "'\(text)'")
        }
        #expect(SocketAddress(unixPath: "") == nil)
        #expect(SocketAddress(unixPath: String(repeating: "x", count: 108)) == nil)
        let long = String(repeating: "1", count: 60)
        #expect(long.withBytes { SocketAddress(numeric: $0) } == nil)
    }

    @Test func throughTheKernelsForm() throws {
        for address in [
            try #require(SocketAddress(ip: "10.1.2.3", port: 443)), try #require(SocketAddress(ip: "2001:db8::7", port: 9)),
            try #require(SocketAddress(ip: "fe80::1%3", port: 9)),
        ] {
            var storage = sockaddr_un()
            let back = unsafe withUnsafeMutableBytes(of: &storage) { bytes in
                let base = unsafe bytes.baseAddress.unsafelyUnwrapped
                let count = unsafe address.store(base)
                return unsafe SocketAddress(UnsafeRawPointer(base), count: Int(count))
            }
            #expect(back == address)
        }
    }

    @Test func aSocketsEnds() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        #expect(SocketAddress(peerOf: listener) == SocketAddress(), "not connected")
        #expect(SocketAddress(localOf: listener).port == 0)
        #expect(listen(listener, 1) == 0)
        #expect(SocketAddress(localOf: listener).port != 0)
        #expect(SocketAddress(peerOf: -1) == SocketAddress())
    }

    @Test func loopback() throws {
        for text in ["127.0.0.1", "127.9.9.9", "::1"] {
            #expect(try #require(SocketAddress(ip: text, port: 1)).isLoopback)
        }
        for text in ["128.0.0.1", "0.0.0.0", "::2", "::"] {
            #expect(try !#require(SocketAddress(ip: text, port: 1)).isLoopback)
        }
    }
}
