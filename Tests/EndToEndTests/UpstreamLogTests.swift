import Glibc
import TestSupport
import Testing

/// The router's `upstream_log`: the lines are Envoy 1.40's for the same configuration and requests, times and addresses apart.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct UpstreamLogTests {
    private static let format = [
        "%ACCESS_LOG_TYPE%", "code=%RESPONSE_CODE%", "flags=%RESPONSE_FLAGS%", "details=%RESPONSE_CODE_DETAILS%", "cluster=%UPSTREAM_CLUSTER%",
        "sent=%BYTES_SENT%", "received=%BYTES_RECEIVED%", "attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "protocol=%PROTOCOL%",
        "upstream=%UPSTREAM_PROTOCOL%", "method=%REQ(:METHOD)%", "path=%REQ(:PATH)%", "response=%RESP(X-R)%", "route=%ROUTE_NAME%",
        "failure=%UPSTREAM_TRANSPORT_FAILURE_REASON%", "vc=%VIRTUAL_CLUSTER_NAME%", "rd=%REQUEST_DURATION%", "rtx=%RESPONSE_TX_DURATION%",
    ].joined(separator: " ")

    private let directory = TemporaryDirectory()

    private func serve(_ upstream: ScriptedUpstream, options: String = "", filter: String = "") throws -> Served {
        let log = "{name: f\(filter), typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: \(directory.path)/log, log_format: {text_format_source: {inline_string: \"\(UpstreamLogTests.format)\\n\"}}}}"
        return try Served(try Binary.martlet()) { port in
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      route_config:
                        virtual_hosts:
                        - name: v
                          domains: ["*"]
                          routes:
                          - {name: refused, match: {prefix: /ref}, route: {cluster: ref, retry_policy: {retry_on: 5xx, num_retries: 1}}}
                          - {name: retry, match: {prefix: /retry}, route: {cluster: c, retry_policy: {retry_on: 5xx, num_retries: 1}}}
                          - {name: slow, match: {prefix: /slow}, route: {cluster: c, timeout: 0.3s}}
                          - {name: try, match: {prefix: /try}, route: {cluster: c, timeout: 5s, retry_policy: {retry_on: 5xx, num_retries: 1, per_try_timeout: 0.2s}}}
                          - {name: direct, match: {prefix: /direct}, direct_response: {status: 200}}
                          - {name: all, match: {prefix: /}, route: {cluster: c, prefix_rewrite: /new}}
                      http_filters:
                      - name: envoy.filters.http.router
                        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router, upstream_log: [\(log)]\(options.isEmpty ? "" : ", upstream_log_options: {\(options)}")}
              clusters:
            \([Served.cluster([upstream.port]), Served.cluster([1], name: "ref")].joined(separator: "\n"))
            """
        }
    }

    private func upstream(_ script: UpstreamScript) throws -> ScriptedUpstream {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(script)
        upstream.start()
        return upstream
    }

    private func lines(_ count: Int) -> [String] {
        var lines: [String] = []
        _ = wait(upToMs: 10_000) {
            lines = (Files.text(directory.path + "/log") ?? "").split(separator: "\n").map(String.init)
            return lines.count >= count
        }
        return lines
    }

    private static let ok = "HTTP/1.1 200 OK\r\nx-r: good\r\ncontent-length: 5\r\n\r\nhello"

    @Test func oneTry() throws {
        let upstream = try upstream(.always(UpstreamLogTests.ok))
        defer { upstream.stop() }
        let served = try serve(upstream)
        #expect(try served.get("/direct").status == 200)
        #expect(try served.send("POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc", method: "POST").status == 200)
        #expect(try served.get("/ref").status == 503)
        let refused = "UpstreamEnd code=0 flags=UF details=- cluster=ref sent=0 received=0 attempts=0 protocol=- upstream=- method=GET path=/ref response=- route=refused failure=delayed_connect_error:_Connection_refused vc=- rd=- rtx=-"
        #expect(lines(3) == [
            "UpstreamEnd code=200 flags=- details=- cluster=c sent=3 received=5 attempts=0 protocol=HTTP/1.1 upstream=HTTP/1.1 method=POST path=/newx response=good route=all failure=- vc=- rd=- rtx=-",
            refused, refused,
        ])
    }

    @Test func everyTry() throws {
        let upstream = try upstream(.always("HTTP/1.1 503 Unavailable\r\nx-r: bad\r\ncontent-length: 3\r\n\r\nbad"))
        defer { upstream.stop() }
        let served = try serve(upstream)
        #expect(try served.get("/retry").status == 503)
        func line(_ received: Int) -> String {
            "UpstreamEnd code=503 flags=- details=- cluster=c sent=0 received=\(received) attempts=0 protocol=HTTP/1.1 upstream=HTTP/1.1 method=GET path=/retry response=bad route=retry failure=- vc=- rd=- rtx=-"
        }
        #expect(lines(2) == [line(0), line(3)], "the body of a response that is not wanted is not read")
    }

    @Test func timeouts() throws {
        let upstream = try upstream(.steps(.readRequest, .delay(ms: 3_000)))
        defer { upstream.stop() }
        let served = try serve(upstream)
        #expect(try served.get("/slow").status == 504)
        #expect(try served.get("/try").status == 504)
        func line(_ path: String, _ flags: String) -> String {
            "UpstreamEnd code=0 flags=\(flags) details=- cluster=c sent=0 received=0 attempts=0 protocol=HTTP/1.1 upstream=HTTP/1.1 method=GET path=/\(path) response=- route=\(path) failure=- vc=- rd=- rtx=-"
        }
        #expect(lines(3) == [line("slow", "-"), line("try", "UT"), line("try", "UT")], "the route's timeout is not the try's")
    }

    @Test func beginningAndPeriod() throws {
        let upstream = try upstream(.steps(.readRequest, .send("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf"), .delay(ms: 700), .send("half"), .again))
        defer { upstream.stop() }
        let served = try serve(upstream, options: "flush_upstream_log_on_upstream_stream: true, upstream_log_flush_interval: 0.3s")
        #expect(try served.get("/x").status == 200)
        let seen = lines(4).map { $0.split(separator: " ").filter { $0.hasPrefix("Upstream") || $0.hasPrefix("code") || $0.hasPrefix("received") }.joined(separator: " ") }
        #expect(seen.first == "UpstreamPoolReady code=0 received=0")
        #expect(seen.dropFirst().dropLast().allSatisfy { $0 == "UpstreamPeriodic code=200 received=4" } && seen.count >= 4, "\(seen)")
        #expect(seen.last == "UpstreamEnd code=200 received=8")
    }

    /// `%METADATA(…)%`: the values are Envoy 1.40's for the same configuration.
    @Test func metadata() throws {
        let upstream = try upstream(.always(UpstreamLogTests.ok))
        defer { upstream.stop() }
        let operators = [
            "METADATA(ROUTE:com.test:k)", "METADATA(ROUTE:com.test:n)", "METADATA(ROUTE:com.test:o)", "METADATA(ROUTE:com.test:o:a)",
            "METADATA(ROUTE:com.test:b)", "METADATA(ROUTE:com.test:z)", "METADATA(ROUTE:com.test:missing)", "METADATA(ROUTE:nothing)",
            "METADATA(ROUTE:com.one)", "METADATA(VIRTUAL_HOST:com.test:k)", "METADATA(CLUSTER:com.test:k)", "CLUSTER_METADATA(com.test:k)",
            "METADATA(UPSTREAM_HOST:com.test:k)", "UPSTREAM_METADATA(com.test:k)", "METADATA(ROUTE:com.test:k):3", "METADATA(ROUTE:com.test:f)",
        ]
        let text = operators.map { "%\($0)%" }.joined(separator: " ")
        let json = operators.enumerated().map { "a\($0.offset < 10 ? "0" : "")\($0.offset): \"%\($0.element)%\"" }.joined(separator: ", ")
        func log(_ format: String) -> String {
            "{name: f, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: \(directory.path)/log, log_format: {\(format), formatters: [{name: envoy.formatter.metadata, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.formatter.metadata.v3.Metadata}}]}}}"
        }
        let served = try Served(try Binary.martlet()) { port in
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      access_log: [\(log("text_format_source: {inline_string: \"\(text)\\n\"}")), \(log("json_format: {\(json)}"))]
                      route_config:
                        virtual_hosts:
                        - name: v
                          domains: ["*"]
                          metadata: {filter_metadata: {com.test: {k: host}}}
                          routes:
                          - match: {prefix: /}
                            route: {cluster: c}
                            metadata: {filter_metadata: {com.test: {k: "va lue", n: 1, f: 1.5, b: true, z: null, o: {a: [1, true, "x"], q: "y\\"z"}}, com.one: {only: 1}}}
                      http_filters: [{name: envoy.filters.http.router}]
              clusters:
              - name: c
                metadata: {filter_metadata: {com.test: {k: cluster}}}
                load_assignment:
                  cluster_name: c
                  endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(upstream.port)}}}, metadata: {filter_metadata: {com.test: {k: endpoint}}}}]}]
            """
        }
        #expect(try served.get("/x").status == 200)
        #expect(lines(2) == [
            #"va lue 1 {"a":[1,true,"x"],"q":"y\"z"} [1,true,"x"] true - - - {"only":1} host cluster cluster endpoint endpoint va  1.5"#,
            #"{"a00":"va lue","a01":1,"a02":{"a":[1,true,"x"],"q":"y\"z"},"a03":[1,true,"x"],"a04":true,"a05":null,"a06":null,"a07":null,"a08":{"only":1},"a09":"host","a10":"cluster","a11":"cluster","a12":"endpoint","a13":"endpoint","a14":"va ","a15":"1.5"}"#,
        ])
    }

    @Test func filters() throws {
        let upstream = try upstream(.always(UpstreamLogTests.ok))
        defer { upstream.stop() }
        let served = try serve(upstream, filter: ", filter: {response_flag_filter: {flags: [UF]}}")
        #expect(try served.get("/x").status == 200)
        #expect(try served.get("/ref").status == 503)
        #expect(lines(2).count == 2)
    }
}
