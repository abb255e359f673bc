import Glibc
import Pipeline
import Primitives
import Testing
import Wire

/// Operators whose values depend on the clock, the machine or the process, over a stream that is filled in by hand. The
/// others are compared with Envoy's (OracleTests, group formats).
@Suite struct FormatFactsTests {
    private func timed() throws -> FormatBench {
        let bench = try FormatBench()
        let ms: UInt64 = 1_000_000
        bench.nowNs = 900 * ms
        unsafe bench.stream.pointee.startNs = 100 * ms
        unsafe bench.stream.pointee.requestEndNs = 103 * ms
        unsafe bench.stream.pointee.upstreamStartNs = 110 * ms
        unsafe bench.stream.pointee.upstreamRequestEndNs = 115 * ms
        unsafe bench.stream.pointee.upstreamFirstByteNs = 150 * ms + 2_345
        unsafe bench.stream.pointee.upstreamEndNs = 180 * ms
        unsafe bench.stream.pointee.responseStartNs = 151 * ms
        unsafe bench.stream.pointee.responseEnded = true
        unsafe bench.stream.pointee.endNs = 200 * ms
        return bench
    }

    /// An empty status is none: then the HTTP status says what it was.
    @Test(arguments: [("", "Unknown 2"), ("5", "NotFound 5"), ("0,5", "-1 -1")])
    func grpcStatusOfAHead(_ status: String, _ expected: String) throws {
        let bench = try FormatBench()
        let arena = FrozenArena()
        unsafe bench.stream.pointee.request.append(.contentType, Bytes("application/grpc" as StaticString))
        unsafe bench.stream.pointee.response.status = 200
        unsafe bench.stream.pointee.response.append(.grpcStatus, arena.text(status))
        unsafe bench.stream.pointee.hasResponseHead = true
        #expect(try bench.write("%GRPC_STATUS% %GRPC_STATUS_NUMBER%") == expected)
    }

    @Test(arguments: [
        ("%DURATION%", "100"), ("%REQUEST_DURATION%", "3"), ("%REQUEST_TX_DURATION%", "15"), ("%RESPONSE_DURATION%", "50"), ("%RESPONSE_TX_DURATION%", "49"),
        ("%COMMON_DURATION(DS_RX_BEG:DS_RX_END)%", "3"), ("%COMMON_DURATION(DS_RX_END:US_TX_BEG:us)%", "7000"),
        ("%COMMON_DURATION(US_TX_BEG:US_TX_END:ns)%", "5000000"), ("%COMMON_DURATION(US_TX_END:US_RX_BEG:us)%", "35002"),
        ("%COMMON_DURATION(US_RX_BEG:US_RX_END:ms)%", "29"), ("%COMMON_DURATION(US_RX_END:DS_TX_BEG)%", "-"), ("%COMMON_DURATION(DS_TX_BEG:DS_TX_END)%", "49"),
        ("%COMMON_DURATION(US_CX_BEG:US_CX_END)%", "-"), ("%COMMON_DURATION(US_HS_END:DS_TX_END)%", "-"), ("%COMMON_DURATION(OTHER:DS_TX_END)%", "-"),
    ])
    func durationsLieBetweenTheirPoints(_ format: String, _ expected: String) throws {
        #expect(try timed().write(format) == expected)
    }

    @Test func aRequestThatCameNoFurtherHasNoLaterDurations() throws {
        let bench = try FormatBench()
        unsafe bench.stream.pointee.startNs = 5_000_000
        bench.nowNs = 12_000_000
        #expect(try bench.write("%DURATION% %REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%") == "7 - - -")
        bench.info.startNs = 1_000_000
        #expect(try bench.writeTCP("%DURATION% %REQUEST_DURATION%") == "11 -")
        bench.info.endNs = 3_000_000
        #expect(try bench.writeTCP("%DURATION%") == "2")
    }

    @Test func aResponseThatWasCutHasNoEnd() throws {
        let bench = try timed()
        unsafe bench.stream.pointee.responseEnded = false
        #expect(try bench.write("%RESPONSE_DURATION% %RESPONSE_TX_DURATION% %COMMON_DURATION(DS_TX_BEG:DS_TX_END)%") == "50 - -")
    }

    @Test func idsAreThoseOfTheConnections() throws {
        let bench = try FormatBench()
        unsafe bench.stream.pointee.connectionID = 12
        unsafe bench.stream.pointee.upstreamConnectionID = 34
        bench.info.connectionID = 56
        bench.info.upstreamConnectionID = 78
        let format = "%CONNECTION_ID% %UPSTREAM_CONNECTION_ID% %UPSTREAM_CONNECTION_IDS_ATTEMPTED%"
        #expect(try bench.write(format) == "12 34 34")
        #expect(try bench.writeTCP(format) == "56 78 78")
    }

    /// RFC 9562 §5.4
    @Test func aUniqueIDIsAVersion4UUID() throws {
        let bench = try FormatBench()
        var seen: Set<String> = []
        for _ in 0..<50 {
            let id = try bench.writeTCP("%UNIQUE_ID%")
            let parts = id.split(separator: "-")
            #expect(parts.map(\.count) == [8, 4, 4, 4, 12])
            #expect(parts[2].first == "4" && "89ab".contains(parts[3].first ?? "x"), "\(id)")
            seen.insert(id)
        }
        #expect(seen.count == 50)
        #expect(try bench.writeTCP("%STREAM_ID%").count == 36)
        #expect(try bench.write("%STREAM_ID%") == "-", "no request id")
    }

    @Test func addressesHaveThreeForms() throws {
        let bench = try FormatBench()
        let remote = try #require(SocketAddress(ip: "2001:db8:1:2:3:4:5:6", port: 70))
        unsafe bench.stream.pointee.remoteAddress = remote
        let path = try #require(SocketAddress(unixPath: "/tmp/socket"))
        bench.info.remoteAddress = path
        #expect(
            try bench.write("%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_PORT%")
                == "[2001:db8:1:2:3:4:5:6]:70 2001:db8:1:2:3:4:5:6 70")
        #expect(
            try bench.write("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(72)% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(128)% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(x)%")
                == "2001:db8:1:2::/72 2001:db8:1:2:3:4:5:6/128 2001:db8:1:2:3:4:5:6")
        #expect(
            try bench.writeTCP("%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(8)% %DOWNSTREAM_REMOTE_PORT%")
                == "/tmp/socket /tmp/socket -")
        #expect(try bench.writeTCP("%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS%") == "- -")
    }

    @Test func whatTheProcessKnows() throws {
        let bench = try FormatBench()
        unsafe setenv("MARTLET_FORMAT_TEST", "from outside", 1)
        unsafe setenv("MARTLET_FORMAT_EMPTY", "", 1)
        #expect(try bench.write("%ENVIRONMENT(MARTLET_FORMAT_TEST)%|%ENVIRONMENT(MARTLET_FORMAT_TEST):4%|%ENVIRONMENT(MARTLET_FORMAT_EMPTY)%|%ENVIRONMENT(MARTLET_FORMAT_NONE)%") == "from outside|from||-")
        var name = [CChar](repeating: 0, count: 256)
        unsafe gethostname(&name, 255)
        #expect(try bench.write("%HOSTNAME%") == String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }

    @Test func aTargetWithoutItsQuery() throws {
        let bench = try FormatBench()
        #expect(try bench.write("%REQ_WITHOUT_QUERY(:PATH)%") == "-")
        unsafe bench.stream.pointee.request.path = unsafe bench.stream.pointee.request.store(Bytes("/a/b?c=d?e" as StaticString))
        unsafe bench.stream.pointee.request.append(name: Bytes("x-b" as StaticString), value: Bytes("plain" as StaticString))
        #expect(try bench.write("%REQ_WITHOUT_QUERY(:PATH)% %REQ_WITHOUT_QUERY(X-A?:PATH):3% %REQ_WITHOUT_QUERY(X-B)%") == "/a/b /a/ plain")
    }

    @Test func bytesOfAConnection() throws {
        let bench = try FormatBench()
        bench.info.bytesReceived = 1
        bench.info.bytesSent = 2
        bench.info.upstreamBytesSent = 3
        bench.info.upstreamBytesReceived = 4
        #expect(
            try bench.writeTCP("%BYTES_RECEIVED% %DOWNSTREAM_WIRE_BYTES_SENT% %UPSTREAM_WIRE_BYTES_SENT% %UPSTREAM_WIRE_BYTES_RECEIVED% %UPSTREAM_HEADER_BYTES_SENT%")
                == "1 2 3 4 0")
    }

    @Test func bytesOfBothWires() throws {
        let bench = try FormatBench()
        var meter = WireMeter()
        meter.http2Received(20, isHead: true)
        meter.http2Received(5, isHead: false)
        meter.http2Sent(11, isHead: true)
        meter.http2Sent(0, isHead: false)
        unsafe bench.stream.pointee.downstreamMeter = meter
        meter.plainSent = 70
        meter.plainReceived = 80
        meter.sent = 1_000
        unsafe bench.stream.pointee.upstreamMeter = meter
        func both(_ side: String) throws -> String {
            try bench.write("%\(side)_WIRE_BYTES_RECEIVED% %\(side)_HEADER_BYTES_RECEIVED% %\(side)_DECOMPRESSED_HEADER_BYTES_RECEIVED% %\(side)_WIRE_BYTES_SENT% %\(side)_HEADER_BYTES_SENT% %\(side)_DECOMPRESSED_HEADER_BYTES_SENT%")
        }
        #expect(try both("DOWNSTREAM") == "43 29 29 29 20 20")
        #expect(try both("UPSTREAM") == "43 29 80 1000 20 70")
        #expect(try bench.writeTCP("%UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT%") == "0")
    }

    @Test func howAConnectionEnded() throws {
        let bench = try FormatBench()
        let format = "%DOWNSTREAM_DETECTED_CLOSE_TYPE% %UPSTREAM_DETECTED_CLOSE_TYPE% %DOWNSTREAM_LOCAL_CLOSE_REASON% %UPSTREAM_LOCAL_CLOSE_REASON%"
        #expect(try bench.writeTCP(format) == "- - - -", "of one that carried HTTP")
        bench.info.downstreamClose = .localReset
        bench.info.upstreamClose = .remoteReset
        #expect(try bench.writeTCP(format) == "LocalReset RemoteReset - -")
        bench.info.downstreamClose = .normal
        bench.info.downstreamCloseReason = Bytes(LocalClose.idle.name)
        bench.info.upstreamCloseReason = Bytes(LocalClose.duration.name)
        #expect(try bench.writeTCP(format) == "Normal RemoteReset tcp_session_idle_timeout max_connection_duration_reached")
        unsafe bench.stream.pointee.host = .none
        #expect(try bench.write(format) == "Normal - - -")
        unsafe bench.stream.pointee.host = Handle(slot: 1, generation: 1)
        #expect(try bench.write(format) == "Normal Normal - -")
        #expect([LocalClose.noHealthyHost, .overflow, .noCluster, .connectFailed].map { "\($0.name)".last } == ["1", "2", "3", "0"])
        bench.info.metadata.chainName = Bytes("a-chain" as StaticString)
        #expect(try bench.writeTCP("%FILTER_CHAIN_NAME%") == "a-chain")
    }
}
