import Glibc
import Synchronization
import TestSupport
import Testing

/// Access logs of the running program: what is written, when, and what happens when the sink is slow or renamed.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct AccessLogTests {
    /// A Martlet with direct responses and the loggers of a test.
    private final class Logging: Sendable {
        let process: ChildProcess
        let listener = Ports.free()
        let admin = Ports.free()
        let directory = TemporaryDirectory()

        /// `{{dir}}` in `loggers` is the test's directory.
        init(_ loggers: String, arguments: [String] = []) throws {
            let text = """
                admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin)}}}
                static_resources:
                  listeners:
                  - address: {socket_address: {address: 127.0.0.1, port_value: \(listener)}}
                    filter_chains:
                    - filters:
                      - name: envoy.filters.network.http_connection_manager
                        typed_config:
                          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                          stat_prefix: logs
                          route_config:
                            virtual_hosts:
                            - name: all
                              domains: ["*"]
                              routes:
                              - {match: {prefix: /}, name: "the \\"route\\"", direct_response: {status: 404, body: {inline_string: "hi"}}}
                          http_filters:
                          - name: envoy.filters.http.router
                            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
                          access_log:

                """ + loggers.replacing(text: "{{dir}}", by: directory.path).indented(by: 10)
            let file = directory.write(text, to: "bootstrap.yaml")
            process = try Binary.martlet().start(["-c", file, "-l", "warning"] + arguments)
            try #require(process.becomesReady(admin: admin), "martlet is ready; it printed:\n\(process.output)")
        }

        deinit { process.kill() }

        /// Requests on one connection, each answered before the next.
        func send(_ requests: [String]) throws {
            let steps: [RawClient.Step] = [.send(requests.joined())]
            let client = RawClient(steps: steps, methods: requests.map { _ in "GET" })
            let outcome = try client.run(port: listener)
            try #require(outcome.responses.count == requests.count)
        }

        func request(_ path: String, _ headers: String = "") -> String {
            "GET \(path) HTTP/1.1\r\nhost: log.test\r\n\(headers)\r\n"
        }

        func file(_ name: String) -> String { Files.text(directory.path + "/" + name) ?? "" }

        func stat(_ name: String) -> Int { Admin(port: admin).stats(matching: "^\(name)$")[name] ?? -1 }

        func end() {
            process.signal(SIGTERM)
            #expect(process.waitForExit(upToMs: 5_000) == 0, "\(process.output)")
        }
    }

    private static func file(_ name: String, _ format: String) -> String {
        """
        - name: envoy.access_loggers.file
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
            path: {{dir}}/\(name)
            log_format: \(format)

        """
    }

    private static func text(_ format: String) -> String {
        "{text_format_source: {inline_string: \"\(format)\\n\"}}"
    }

    /// Nothing is due for ten minutes, and the end of the process writes it all.
    @Test
    func theEndFlushes() throws {
        let logging = try Logging(AccessLogTests.file("a.log", AccessLogTests.text("%REQ(:PATH)% %RESPONSE_CODE%")),
            arguments: ["--file-flush-interval-msec", "600000"])
        try logging.send([logging.request("/one"), logging.request("/two")])
        #expect(logging.file("a.log") == "")
        logging.end()
        #expect(logging.file("a.log") == "/one 404\n/two 404\n")
    }

    @Test
    func theIntervalFlushes() throws {
        let logging = try Logging(
            AccessLogTests.file("a.log", AccessLogTests.text("%REQ(:PATH)%")),
            arguments: ["--file-flush-interval-msec", "50"])
        try logging.send([logging.request("/one")])
        #expect(wait(upToMs: 2_000) { logging.file("a.log") == "/one\n" })
        #expect(wait(upToMs: 2_000) { logging.stat("filesystem.flushed_by_timer") > 0 })
        #expect(logging.stat("filesystem.write_buffered") == 1)
        #expect(logging.stat("filesystem.write_completed") == 1)
    }

    /// A FIFO that nobody reads is refused; the process neither waits for a reader nor gives up what it serves.
    @Test
    func aPipeWithoutAReaderIsRefused() throws {
        let directory = TemporaryDirectory()
        let path = directory.path + "/pipe"
        #expect(unsafe mkfifo(path, 0o600) == 0)
        let served = try Served(try Binary.martlet()) { Served.http($0, clusters: [Served.cluster([1])]) }
        let before = try #require(Files.text(served.file))
        let log = """
            stat_prefix: h
                      access_log:
                      - name: f
                        typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: \(path)}
            """
        Files.write(Array(before.replacing(text: "stat_prefix: h", by: log).utf8), to: served.file)
        served.process.signal(SIGHUP)
        #expect(wait(upToMs: 20_000) { served.process.output.contains("unable to open file '\(path)': No such device or address") }, "\(served.process.output)")
        #expect(served.stat("martlet.plan.reloads_refused", becomes: 1) == 1)
    }

    /// Two loggers with one path share a descriptor, and their lines stay whole.
    @Test
    func loggersWithOneFileShareIt() throws {
        let logging = try Logging(
            AccessLogTests.file("a.log", AccessLogTests.text("first %REQ(:PATH)%"))
                + AccessLogTests.file("a.log", AccessLogTests.text("second %REQ(:PATH)%")))
        try logging.send([logging.request("/x")])
        #expect(logging.process.descriptors(of: logging.directory.path + "/a.log") == 1)
        logging.end()
        #expect(logging.file("a.log") == "first /x\nsecond /x\n")
    }

    /// Files are renamed away and SIGUSR1 sent while requests go on with two workers: every request has its line, whole
    /// and once, in one of the files.
    @Test
    func rotationLosesNoLine() throws {
        let logging = try Logging(
            AccessLogTests.file("a.log", AccessLogTests.text("<%REQ(:PATH)% %RESPONSE_CODE% %REQ(X-PAD)%>")),
            arguments: ["--concurrency", "2", "--file-flush-interval-msec", "5"])
        let pad = String(repeating: "p", count: 200)
        let rounds = 40
        let perRound = 25
        let threads = (0..<4).map { thread in
            BackgroundThread {
                for round in 0..<rounds {
                    try? logging.send((0..<perRound).map { logging.request("/\(thread)/\(round)/\($0)", "x-pad: \(pad)\r\n") })
                }
            }
        }
        for rotation in 0..<20 {
            sleep(ms: 20)
            _ = unsafe rename(logging.directory.path + "/a.log", logging.directory.path + "/a.log.\(rotation)")
            logging.process.signal(SIGUSR1)
        }
        for thread in threads { thread.join() }
        logging.end()
        var seen: [Substring: Int] = [:]
        var files = 0
        for name in ["a.log"] + (0..<20).map({ "a.log.\($0)" }) {
            let lines = logging.file(name).split(separator: "\n")
            files += lines.isEmpty ? 0 : 1
            for line in lines { seen[line, default: 0] += 1 }
        }
        let expected = Set(
            (0..<4).flatMap { thread in
                (0..<rounds).flatMap { round in (0..<perRound).map { "</\(thread)/\(round)/\($0) 404 \(pad)>" } }
            })
        #expect(files > 2, "lines went to more than two files")
        #expect(Set(seen.keys.map(String.init)) == expected)
        #expect(seen.values.allSatisfy { $0 == 1 })
    }

    /// A pipe that nobody empties: requests are answered as ever, lines are dropped and counted, and the end of the
    /// process does not wait for it.
    @Test
    func aSlowSinkSlowsNoRequest() throws {
        let directory = TemporaryDirectory()
        let pipe = directory.path + "/pipe"
        try #require(unsafe mkfifo(pipe, 0o600) == 0)
        let reader = unsafe open(pipe, O_RDWR | O_CLOEXEC)
        defer { close(reader) }
        let pad = String(repeating: "p", count: 4096)
        let logging = try Logging(
            AccessLogTests.file("unused", AccessLogTests.text(pad)).replacing(text: "{{dir}}/unused", by: pipe),
            arguments: ["--concurrency", "1"])
        for _ in 0..<12 { try logging.send((0..<25).map { logging.request("/\($0)") }) }
        #expect(wait(upToMs: 2_000) { logging.stat("filesystem.write_dropped") > 50 })
        #expect(logging.stat("filesystem.write_total_buffered") <= 512 << 10)
        logging.end()
    }

    /// What is written fails, is counted, and in the end dropped: requests are served all along.
    @Test
    func aFullDiskSlowsNoRequest() throws {
        let pad = String(repeating: "p", count: 4096)
        let logging = try Logging(
            AccessLogTests.file("unused", AccessLogTests.text(pad)).replacing(text: "{{dir}}/unused", by: "/dev/full"),
            arguments: ["--concurrency", "1"])
        for _ in 0..<12 { try logging.send((0..<25).map { logging.request("/\($0)") }) }
        #expect(wait(upToMs: 5_000) { logging.stat("filesystem.write_dropped") > 50 && logging.stat("filesystem.write_failed") > 0 })
        #expect(logging.stat("filesystem.write_completed") == 0 && logging.stat("filesystem.write_total_buffered") <= 512 << 10)
        try logging.send([logging.request("/after")])
        logging.end()
    }

    /// As Envoy 1.40 wrote the same request; keys in order, types kept (of YAML, fractions and large numbers are text).
    @Test
    func jsonIsAsEnvoyWritesIt() throws {
        let format = """
            {json_format: {z: "%RESPONSE_CODE%", a: "%REQ(:METHOD)% x", n: 5, f: 1.5, t: true, nul: null, miss: "%REQ(nope)%",
              misstxt: "a%REQ(nope)%b", nested: {b: "%BYTES_SENT%", a: 'lit"q'}, list: ["%PROTOCOL%", 1, {q: "%REQ(quote)%"}, null],
              empty: {}, el: [], big: 12345678901234567, mixq: '"%REQ(quote)%"', st: "%RESP(:status)%", pct: "100%%",
              gone: {a: {b: "%REQ(nope)%"}}, route: "%ROUTE_NAME%"}OMIT}
            """
        let logging = try Logging(
            AccessLogTests.file("all.log", format.replacing(text: "OMIT", by: ""))
                + AccessLogTests.file("some.log", format.replacing(text: "OMIT", by: ", omit_empty_values: true")))
        try logging.send([logging.request("/x", "quote: a\"b\\c\r\n")])
        logging.end()
        #expect(
            logging.file("all.log") == #"""
                {"a":"GET x","big":"12345678901234567","el":[],"empty":{},"f":"1.5","gone":{"a":{"b":null}},"list":["HTTP/1.1",1,{"q":"a\"b\\c"},null],"miss":null,"misstxt":"a-b","mixq":"\"a\"b\\c\"","n":5,"nested":{"a":"lit\"q","b":2},"nul":null,"pct":"100%","route":"the \"route\"","st":"404","t":true,"z":404}

                """#)
        #expect(
            logging.file("some.log") == #"""
                {"a":"GET x","big":"12345678901234567","el":[],"f":"1.5","list":["HTTP/1.1",1,{"q":"a\"b\\c"}],"misstxt":"ab","mixq":"\"a\"b\\c\"","n":5,"nested":{"a":"lit\"q","b":2},"pct":"100%","route":"the \"route\"","st":"404","t":true,"z":404}

                """#)
    }

    @Test
    func filtersChooseLines() throws {
        func log(_ name: String, _ filter: String) -> String {
            AccessLogTests.file(name, AccessLogTests.text("%REQ(:PATH)%")) + "  filter: \(filter)\n"
        }
        let filters: [(name: String, filter: String, lines: String)] = [
            ("ge", "{status_code_filter: {comparison: {op: GE, value: {default_value: 400, runtime_key: k}}}}", "/a\n/b\n"),
            ("le", "{status_code_filter: {comparison: {op: LE, value: {default_value: 400, runtime_key: k}}}}", ""),
            ("header", "{header_filter: {header: {name: x-a, string_match: {exact: \"1\"}}}}", "/a\n"),
            ("not", "{header_filter: {header: {name: x-a, present_match: true, invert_match: true}}}", "/b\n"),
            ("flags", "{response_flag_filter: {}}", ""),
            ("grpc", "{grpc_status_filter: {statuses: [UNIMPLEMENTED]}}", "/a\n/b\n"),
            ("half", "{runtime_filter: {runtime_key: k, percent_sampled: {numerator: 50}}}", "/a\n"),
            ("type", "{log_type_filter: {types: [DownstreamEnd]}}", "/a\n/b\n"),
            ("noType", "{log_type_filter: {types: [DownstreamEnd], exclude: true}}", ""),
            ("traceable", "{traceable_filter: {}}", ""),
            ("metadata", "{metadata_filter: {matcher: {filter: f, path: [{key: k}], value: {bool_match: true}}, match_if_key_not_found: false}}", ""),
            (
                "both", "{and_filter: {filters: [{not_health_check_filter: {}}, {or_filter: {filters: [{traceable_filter: {}}, {header_filter: {header: {name: x-a, present_match: true}}}]}}]}}",
                "/a\n"
            ),
        ]
        let logging = try Logging(filters.map { log($0.name, $0.filter) }.joined())
        try logging.send([
            logging.request("/a", "x-a: 1\r\nx-request-id: 00000001-aaaa-4aaa-8aaa-aaaaaaaaaaaa\r\n"),
            logging.request("/b", "x-request-id: 00000063-aaaa-4aaa-8aaa-aaaaaaaaaaaa\r\n"),
        ])
        logging.end()
        for (name, _, lines) in filters { #expect(logging.file(name) == lines, "\(name)") }
    }

    /// Standard output and standard error are sinks of their own.
    @Test
    func standardStreams() throws {
        func log(_ name: String, _ type: String) -> String {
            """
            - name: envoy.access_loggers.\(name)
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.\(type)
                log_format: \(AccessLogTests.text("\(name) %REQ(:PATH)%"))

            """
        }
        let logging = try Logging(log("stdout", "StdoutAccessLog") + log("stderr", "StderrAccessLog"))
        try logging.send([logging.request("/x")])
        logging.end()
        #expect(logging.process.output.contains("stdout /x\n"))
        #expect(logging.process.output.contains("stderr /x\n"))
    }

    /// A file that cannot be opened is a configuration error with its place.
    @Test
    func anUnwritablePathIsRefused() throws {
        let directory = TemporaryDirectory()
        let file = directory.write(
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: 0}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: logs
                      route_config: {}
                      http_filters:
                      - name: envoy.filters.http.router
                        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
                      access_log:
                      - name: envoy.access_loggers.file
                        typed_config:
                          "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
                          path: /nowhere/at/all.log
            """, to: "bootstrap.yaml")
        let run = try Binary.martlet().validate(file)
        #expect(run.status == 1)
        #expect(run.output.contains("bootstrap.yaml:18:"), "\(run.output)")
        #expect(run.output.contains("unable to open file '/nowhere/at/all.log': No such file or directory"), "\(run.output)")
    }
}

extension ChildProcess {
    /// How many descriptors of the program are this file.
    fileprivate func descriptors(of path: String) -> Int {
        (0..<256).count { number in
            var target = [CChar](repeating: 0, count: 512)
            let count = unsafe readlink("/proc/\(pid)/fd/\(number)", &target, 511)
            guard count > 0 else { return false }
            return String(decoding: target.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self) == path
        }
    }
}

extension String {
    fileprivate func indented(by columns: Int) -> String {
        split(separator: "\n", omittingEmptySubsequences: false).map { $0.isEmpty ? "" : String(repeating: " ", count: columns) + $0 }
            .joined(separator: "\n")
    }
}
