import TestSupport
import Testing

/// `martlet route` and `/explain`: what they say is what the proxy does.
@Suite(.enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct RouteCommandTests {
    private static func manager(_ routes: String, more: String = "") -> String {
        """
              - filters:
                - name: envoy.filters.network.http_connection_manager
                  typed_config:
                    "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                    stat_prefix: h
                    \(more)
                    route_config:
                      virtual_hosts:
        \(routes)
                    http_filters: [{name: envoy.filters.http.router}]
        """
    }

    /// Every route answers with its own name.
    private static let matches = [
        "{prefix: /a, headers: [{name: x-e, string_match: {exact: one}}]}", "{path: /a}", "{prefix: /a/b, query_parameters: [{name: v, present_match: true}]}",
        "{safe_regex: {regex: '/r/[0-9]+'}}", "{path_separated_prefix: /s}", "{prefix: /A, case_sensitive: false, headers: [{name: x-n, range_match: {start: 1, end: 9}}]}",
        "{prefix: /c, cookies: [{name: k, string_match: {prefix: z}}]}", "{prefix: /, grpc: {}}", "{prefix: /p, headers: [{name: ':method', string_match: {exact: POST}}]}",
        "{prefix: /n, headers: [{name: x-e, present_match: true, invert_match: true}]}",
        "{prefix: /f, runtime_fraction: {default_value: {numerator: 0}}}",
    ]

    private static func routes(_ host: String) -> String {
        matches.enumerated().map { i, match in
            "                - {name: \(host)\(i), match: \(match), direct_response: {status: 200, body: {inline_string: \(host)\(i)}}}"
        }.joined(separator: "\n")
    }

    private static func yaml(_ port: UInt16) -> String {
        let hosts = [("exact", "a.test"), ("suffix", "'*.a.test'"), ("prefix", "'a.*'")].map { name, domain in
            "              - name: \(name)\n                domains: [\(domain)]\n                routes:\n\(routes(name))"
        }.joined(separator: "\n")
        return """
            static_resources:
              listeners:
              - name: in
                address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                filter_chains:
            \(manager(hosts, more: "normalize_path: true\n            merge_slashes: true\n            strip_any_host_port: true"))
            """
    }

    private struct Asked {
        let authority: String
        let path: String
        let method: String
        let headers: [String]

        init(_ state: inout UInt64) {
            func one(_ choices: [String]) -> String {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return choices[Int(state >> 33) % choices.count]
            }
            authority = one(["a.test", "b.a.test", "a.other", "A.TEST:81", "x.a.test:9", "nobody", "a."])
            let start = one(["/a", "/A", "/a/b", "/r/12", "/r/1x", "/s", "/sx", "/s/1", "/c", "/p", "/n", "/f", "/x", "//a", "/x/../a", "/%61"])
            path = start + one(["", "", "?v=1", "?v", "/b?w=2"])
            method = one(["GET", "POST"])
            headers = [
                one(["", "x-e: one", "x-e: two"]), one(["", "x-n: 5", "x-n: 9", "x-n: text"]), one(["", "cookie: k=zoo; j=1", "cookie: k=a"]),
                one(["", "", "content-type: application/grpc"]),
            ].filter { !$0.isEmpty }
        }

        var target: String {
            let query = [("authority", authority), ("path", path), ("method", method)] + headers.map { ("header", $0) }
            return "/explain?" + query.map { "\($0)=\(Admin.escaped($1))" }.joined(separator: "&")
        }
    }

    /// Whatever is asked, the explanation names the route whose answer comes, or the same refusal.
    @Test func whatIsExplainedIsWhatHappens() throws {
        let served = try Served(try Binary.martlet(), yaml: RouteCommandTests.yaml)
        var random: UInt64 = 7
        var outcomes: [String: Int] = [:]
        for _ in 0..<600 {
            let asked = Asked(&random)
            let answer = try #require(served.admin.request("GET", asked.target), "\(asked)")
            #expect(answer.status == 200)
            let explained = try JSON(parsing: String(wire: answer.body))
            let outcome = explained["outcome"]?.string ?? ""
            outcomes[outcome, default: 0] += 1
            let head = ([asked.method + " " + asked.path + " HTTP/1.1", "host: \(asked.authority)"] + asked.headers + ["content-length: 0"]).map { $0 + "\r\n" }.joined()
            let response = try served.send(head + "\r\n", method: asked.method)
            let isGRPC = asked.headers.contains("content-type: application/grpc")
            switch outcome {
            case "direct_response":
                #expect(explained["route"]?["name"]?.string == (isGRPC ? response.header("grpc-message") : String(wire: response.body)), "\(asked) \(answer)")
            case "no_route", "no_virtual_host":
                #expect(isGRPC ? response.header("grpc-status") == "12" : response.status == 404, "\(asked)")
            default: Issue.record("\(outcome) of \(asked)")
            }
        }
        #expect(outcomes.count == 3, "each of the three was met: \(outcomes)")
    }

    @Test func reasons() throws {
        let martlet = try Binary.martlet()
        let directory = TemporaryDirectory()
        let file = directory.write(RouteCommandTests.yaml(10_000), to: "martlet.yaml")
        func lines(_ arguments: String...) throws -> String { try martlet.run(["route", "-c", file] + arguments).output }
        let shown = try lines("--authority", "b.a.test:80", "--path", "/s/1", "-H", "x-e: two")
        #expect(shown.contains("suffix4"), "\(shown)")
        #expect(shown.contains("- suffix3  path '/s/1' as a whole does not match the regular expression /r/[0-9]+"), "\(shown)")
        let header = try lines("--authority", "a.test", "--path", "/a", "-H", "x-e: two")
        #expect(header.contains("- exact0  header x-e is 'two', wanted exactly 'one'"), "\(header)")
        let none = try lines("--authority", "a.test", "--path", "/f")
        #expect(none.contains("outcome"), "\(none)")
        #expect(none.contains("no_route"), "\(none)")
        #expect(none.contains("runtime_fraction: 0 of 100 requests"), "\(none)")
        let cookie = try lines("--authority", "a.test", "--path", "/c")
        #expect(cookie.contains("- exact6  cookie k: wanted beginning with 'z'"), "\(cookie)")
        let method = try lines("--authority", "a.test", "--path", "/p")
        #expect(method.contains("- exact8  header :method is 'GET', wanted exactly 'POST'"), "\(method)")
        let upper = try lines("--authority", "a.test", "--path", "/S")
        #expect(upper.contains("only upper and lower case differ"), "\(upper)")
    }

    @Test func casesAreChecked() throws {
        let martlet = try Binary.martlet()
        let directory = TemporaryDirectory()
        let file = directory.write(RouteCommandTests.yaml(10_000), to: "martlet.yaml")
        let good = directory.write(
            "cases:\n- {name: first, request: {authority: a.test, path: /s}, expect: {route.name: exact4, outcome: direct_response, status: \"200\"}}\n"
                + "- request: {authority: a.test, path: /a, headers: [{name: x-e, value: one}]}\n  expect: {route.name: exact0}\n", to: "good.yaml")
        var run = try martlet.run(["route", "-c", file, "--cases", good])
        #expect(run.status == 0 && run.output.contains("2 of 2 cases passed"), "\(run)")
        run = try martlet.run(["route", "-c", file, "--cases", good, "--json"])
        #expect(run.output == "[{\"name\":\"first\",\"passed\":true,\"differences\":[]},{\"name\":\"cases[1] GET a.test/a\",\"passed\":true,\"differences\":[]}]\n", "\(run)")
        let bad = directory.write("cases:\n- {name: wrong, request: {authority: a.test, path: /s}, expect: {route.name: exact5}}\n", to: "bad.yaml")
        run = try martlet.run(["route", "-c", file, "--cases", bad])
        #expect(run.status == 1, "\(run)")
        #expect(run.output.contains("FAILED  wrong\n        route.name: expected 'exact5', found 'exact4' (the route answers by itself)"), "\(run)")
        let shop = directory.write(RouteCommandTests.shop, to: "shop.yaml")
        let places = directory.write(
            "cases:\n- {request: {authority: rest.test, path: /api/v}, expect: {cluster.hosts.0.address: \"127.0.0.1:9000\", cluster.hosts.7.address: none}}\n", to: "places.yaml")
        run = try martlet.run(["route", "-c", shop, "--cases", places])
        #expect(run.status == 1 && run.output.contains("        cluster.hosts.7.address: expected 'none', found nothing") && !run.output.contains("hosts.0"), "\(run)")
        let broken = directory.write("cases:\n- {reqest: {}}\n", to: "broken.yaml")
        run = try martlet.run(["route", "-c", file, "--cases", broken])
        #expect(run.status == 1 && run.output.contains("broken.yaml:2:4:"), "\(run)")
        run = try martlet.run(["route", "-c", directory.path + "/nothing.yaml"])
        #expect(run.status == 1, "\(run)")
    }

    @Test func listenersAndChains() throws {
        let martlet = try Binary.martlet()
        let directory = TemporaryDirectory()
        func listener(_ name: String, _ port: Int, _ chains: String) -> String {
            "  - name: \(name)\n    address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}\n    filter_chains:\n\(chains)\n"
        }
        func echo(_ name: String, _ match: String) -> String {
            "    - {name: \(name), filter_chain_match: \(match), filters: [{name: e, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}]}"
        }
        let file = directory.write(
            "static_resources:\n  listeners:\n"
                + listener("one", 10_001, [echo("narrow", "{source_prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}"), echo("exact", "{source_prefix_ranges: [{address_prefix: 10.1.0.0, prefix_len: 16}]}")].joined(separator: "\n"))
                + listener("two", 10_002, echo("any", "{}"))
                + listener("three", 10_003, echo("h2", "{application_protocols: [h2]}"))
                + listener("relay", 10_004, "    - filters: [{name: t, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: c}}]")
                + "  clusters:\n\(Served.cluster((1...120).map { UInt16($0) }))\n", to: "martlet.yaml")
        func lines(_ arguments: String...) throws -> String { try martlet.run(["route", "-c", file] + arguments).output }
        #expect(try lines().contains("several listeners: name one, or a port"))
        #expect(try lines("--listener", "nobody").contains("no listener is meant by that"))
        #expect(try lines("--listener", "three", "--alpn", "http/1.1", "--alpn", "h2").contains("wrong_transport"))
        let relay = try lines("--listener", "relay")
        #expect(relay.contains("connections are relayed") && relay.contains("hosts left out  20"), "\(relay)")
        #expect(try lines("--port", "10002").contains("what comes is sent back"))
        #expect(try lines("--listener", "one").contains("no_filter_chain"))
        let inside = try lines("--listener", "127.0.0.1:10001", "--source", "10.1.2.3")
        #expect(inside.contains("- narrow  another chain's source_prefix_ranges is more specific"), "\(inside)")
        #expect(try lines("--listener", "one", "--source", "10.2.0.1").contains("- exact  source_prefix_ranges does not match"))
        #expect(try lines("--listener", "two", "--tls").contains("wrong_transport"))
        #expect(try lines("--listener", "two", "--source", "here").contains("'here' is no IP address"))
    }

    private static let shop = """
        static_resources:
          listeners:
          - address: {socket_address: {address: 127.0.0.1, port_value: 10000}}
            filter_chains:
        \(manager(
            """
                          - name: shop
                            domains: [shop.test]
                            require_tls: EXTERNAL_ONLY
                            routes: [{match: {prefix: /}, route: {cluster: api}}]
                          - name: rest
                            domains: [rest.test]
                            request_mirror_policies: [{cluster: canary}]
                            routes:
                            - {match: {path: /old}, redirect: {path_redirect: /new, response_code: FOUND}}
                            - {match: {prefix: /cut/}, redirect: {prefix_rewrite: /, host_redirect: other.test}}
                            - {match: {prefix: /sub/}, redirect: {regex_rewrite: {pattern: {regex: /sub}, substitution: /x}}}
                            - {match: {prefix: /api/}, route: {cluster: api, prefix_rewrite: /, timeout: 3s, host_rewrite_literal: in.test, retry_policy: {retry_on: 5xx}, request_mirror_policies: [{cluster: canary}]}}
                            - {match: {prefix: /re/}, route: {cluster: api, timeout: 0s, regex_rewrite: {pattern: {regex: /re}, substitution: /y}, host_rewrite_path_regex: {pattern: {regex: "/re/(.+)"}, substitution: "\\\\1"}}}
                            - {match: {prefix: /head}, route: {cluster_header: x-cluster, host_rewrite_header: x-host, cluster_not_found_response_code: NOT_FOUND}}
                            - {match: {prefix: /auto}, route: {cluster: dns, auto_host_rewrite: true}}
                            - {match: {prefix: /empty}, route: {cluster: empty}}
                            - {match: {prefix: /meta, dynamic_metadata: [{filter: f, path: [{key: k}], value: {present_match: true}}]}, direct_response: {status: 417}}
                            - {match: {prefix: /, tls_context: {presented: true}}, direct_response: {status: 418}}
                            - {match: {prefix: /, tls_context: {validated: false}, headers: [{name: x-v, present_match: true}]}, direct_response: {status: 419}}
                            - {match: {prefix: /meta, tls_context: {validated: true}}, direct_response: {status: 420}}
                            - {match: {connect_matcher: {}}, route: {cluster: api}}
                            - {match: {prefix: /format}, route: {cluster: api, path_rewrite: "/n%PATH(NQ)%", host_rewrite: "%REQ(x)%.t"}}
                            - {match: {prefix: /moved}, redirect: {path_rewrite: "/n%PATH(NQ)%"}}
                            - {match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: api, weight: 90}, {name: canary, weight: 10}]}}}
            """, more: "normalize_path: true\n            path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT"))
          clusters:
        \(Served.cluster([9000], name: "api"))
        \(Served.cluster([9001], name: "canary"))
          - {name: empty}
          - {name: dns, type: STRICT_DNS, load_assignment: {cluster_name: dns, endpoints: [{priority: 1, lb_endpoints: [{load_balancing_weight: 3, health_status: UNHEALTHY, endpoint: {address: {socket_address: {address: back.test, port_value: 80}}}}]}]}}
        """

    /// What to ask, and what stands where.
    private static let outcomes: [(arguments: [String], expected: [String: String])] = [
        (["--authority", "shop.test"], ["outcome": "tls_required", "status": "301"]),
        (["--authority", "shop.test", "-H", "x-forwarded-proto: https"], ["cluster.name": "api"]),
        (["--authority", "rest.test", "--path", "/old?q"], ["location": "http://rest.test/new?q", "status": "302"]),
        (["--authority", "rest.test", "--path", "/cut/a"], ["location": "http://other.test/a", "status": "301"]),
        (["--authority", "rest.test", "--path", "/sub/a"], ["location": "http://rest.test/x/a"]),
        (["--authority", "rest.test", "--path", "/api/v"], ["forwarded_with.path": "/v", "forwarded_with.host": "in.test", "forwarded_with.timeout": "3000 ms", "forwarded_with.retry_on": "5xx", "forwarded_with.mirrored_to": "canary", "cluster.hosts.0.address": "127.0.0.1:9000"]),
        (["--authority", "rest.test", "--path", "/re/host"], ["forwarded_with.path": "/y/host", "forwarded_with.host": "host", "forwarded_with.timeout": "none"]),
        (["--authority", "rest.test", "--path", "/format"], ["forwarded_with.path": "what path_rewrite makes: /n%PATH(NQ)%", "forwarded_with.host": "what host_rewrite makes: %REQ(x)%.t"]),
        (["--authority", "rest.test", "--path", "/moved"], ["outcome": "redirect", "status": "301", "path": "what path_rewrite makes: /n%PATH(NQ)%"]),
        (["--authority", "rest.test", "--path", "/head", "-H", "x-cluster: canary", "-H", "x-host: h"], ["cluster.name": "canary", "forwarded_with.host": "h"]),
        (["--authority", "rest.test", "--path", "/head"], ["outcome": "cluster_not_found", "status": "404", "response_flags": "NC"]),
        (["--authority", "rest.test", "--path", "/head", "-H", "x-cluster: none"], ["outcome": "cluster_not_found", "cluster.exists": "false"]),
        (["--authority", "rest.test", "--path", "/auto"], ["cluster.type": "STRICT_DNS", "cluster.hosts.0.address": "back.test:80", "cluster.hosts.0.health": "unhealthy", "cluster.hosts.0.priority": "1", "cluster.hosts.0.weight": "3"]),
        (["--authority", "rest.test", "--path", "/empty"], ["outcome": "no_healthy_upstream", "response_flags": "UH"]),
        (["--authority", "rest.test", "--path", "/x", "--random", "95"], ["cluster.name": "canary", "weighted_clusters.0.share": "90.0 %"]),
        (["--authority", "rest.test", "--path", "/x", "--client-certificate"], ["status": "418"]),
        (["--authority", "rest.test", "--path", "/x", "-H", "x-v: 1"], ["status": "419"]),
        (["--authority", "rest.test:80", "--method", "CONNECT"], ["outcome": "no_virtual_host"]),
        (["--authority", "rest.test", "--path", "/a%2Fb"], ["location": "/a/b", "status": "307"]),
        (["--authority", "rest.test", "--path", "/a#b"], ["outcome": "refused", "status": "400"]),
        (["--authority", "rest.test", "--path", "/a b"], ["outcome": "refused", "status": "400"]),
        (["--authority", "rest.test", "--method", "OPTIONS", "--path", "*"], ["outcome": "refused", "status": "404"]),
        (["--authority", "rest.test", "--path", "/meta"], ["route.not_taken.8.why": "dynamic_metadata or filter_state: nothing sets any", "route.not_taken.11.why": "tls_context.validated: the client's certificate was not validated"]),
        (["--authority", "rest.test", "--path", "/x/../api/v"], ["normalized_path": "/x/../api/v → /api/v", "cluster.name": "api"]),
    ]

    @Test(arguments: RouteCommandTests.outcomes.indices)
    func outcome(_ index: Int) throws {
        let martlet = try Binary.martlet()
        let directory = TemporaryDirectory()
        let file = directory.write(RouteCommandTests.shop, to: "martlet.yaml")
        let test = RouteCommandTests.outcomes[index]
        let run = try martlet.run(["route", "-c", file, "--json"] + test.arguments)
        let explained = try JSON(parsing: run.output)
        for (path, wanted) in test.expected {
            var value: JSON? = explained
            for step in path.split(separator: ".") {
                if let number = Int(step) { value = value?.array?[number] } else { value = value?[String(step)] }
            }
            let found: String? = if case .bare(let text) = value { text } else { value?.string }
            #expect(found == wanted, "\(path) of \(test.arguments): \(run.output)")
        }
    }

    // MARK: Zones

    private static func zoned(own: String = "zone: a", local: [String] = ["a", "b"], up: [String] = ["a", "b", "b", "c"], options: String = "min_cluster_size: 1", more: String = "") -> String {
        func endpoints(_ zones: [String], _ port: Int) -> String {
            zones.enumerated().map { i, zone in
                "{locality: {region: r, zone: \(zone)}, lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.\(i + 1), port_value: \(port)}}}}]}"
            }.joined(separator: ", ")
        }
        return """
            node: {id: one, cluster: own, locality: {region: r, \(own)}}
            cluster_manager: {local_cluster_name: own}
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: 10000}}
                filter_chains:
            \(manager("              - {name: v, domains: ['*'], routes: [{match: {prefix: /own}, route: {cluster: own}}, {match: {prefix: /}, route: {cluster: up}}]}"))
              clusters:
              - {name: up, common_lb_config: {zone_aware_lb_config: {\(options)}}\(more), load_assignment: {cluster_name: up, endpoints: [\(endpoints(up, 9000))]}}
              - {name: own, load_assignment: {cluster_name: own, endpoints: [\(endpoints(local, 9001))]}}
            """
    }

    private func zones(_ yaml: String, _ arguments: String...) throws -> JSON? {
        let directory = TemporaryDirectory()
        let run = try Binary.martlet().run(["route", "-c", directory.write(yaml, to: "martlet.yaml"), "--json", "--authority", "a"] + arguments)
        return try JSON(parsing: run.output)["cluster"]
    }

    @Test func zonesAreExplained() throws {
        // A quarter of the hosts is here and half of the processes: half of theirs stays. The rest has half of the hosts in b,
        // which the processes there fill, and a quarter in c.
        let cluster = try #require(try zones(RouteCommandTests.zoned()))
        #expect(cluster["zones"]?["own"]?.string == "r/a" && cluster["zones"]?["stays"]?.string == "50 %", "\(cluster)")
        let left = cluster["zones"]?["leaves"]?.array
        #expect(left?.count == 1 && left?[0]["locality"]?.string == "r/c" && left?[0]["share"]?.string == "50 %", "\(cluster)")
        #expect(cluster["hosts"]?.array?[3]["locality"]?.string == "r/c", "\(cluster)")
        let all = try zones(RouteCommandTests.zoned(up: ["a", "b"]))
        #expect(all?["zones"]?["stays"]?.string == "100 %" && all?["zones"]?["leaves"] == nil)
        let third = try zones(RouteCommandTests.zoned(up: ["a", "b", "b"], options: "min_cluster_size: 1, routing_enabled: {value: 50}"))
        #expect(third?["zones"]?["stays"]?.string == "66.66 %" && third?["zones"]?["counted"]?.string == "for 50 % of requests", "\(third as Any)")
        let directory = TemporaryDirectory()
        let text = try Binary.martlet().run(["route", "-c", directory.write(RouteCommandTests.zoned(), to: "martlet.yaml"), "--authority", "a"]).output
        #expect(text.contains("50 %"), "\(text)")
    }

    @Test func whyZonesDoNotCount() throws {
        func why(_ yaml: String, _ path: String = "/") throws -> String { try zones(yaml, "--path", path)?["zones"]?["not_counted"]?.string ?? "they count" }
        #expect(try why(RouteCommandTests.zoned(), "/own") == "it is the local cluster itself")
        #expect(try why(RouteCommandTests.zoned(options: "")) == "4 healthy hosts, and min_cluster_size is 6")
        #expect(try why(RouteCommandTests.zoned(up: ["b", "b"])) == "all its hosts are in one locality")
        #expect(try why(RouteCommandTests.zoned(local: ["a"])) == "all hosts of 'own' are in one locality")
        #expect(try why(RouteCommandTests.zoned(own: "zone: z")) == "'own' has no host in this process's own locality")
        #expect(try why(RouteCommandTests.zoned(options: "min_cluster_size: 1, routing_enabled: {value: 0}")) == "routing_enabled is 0 %")
        #expect(try why(RouteCommandTests.zoned(more: ", lb_policy: RING_HASH")) == "a host is chosen by a hash, wherever it is")
        // Nobody who has no local cluster hears of zones.
        #expect(try zones(RouteCommandTests.shop.replacing(text: "domains: [shop.test]", by: "domains: [a]"), "-H", "x-forwarded-proto: https")?["zones"] == nil)
    }

    /// Of what is served its own hosts count, as their health and the runtime are now.
    @Test func zonesOfWhatIsServed() throws {
        let served = try Served(try Binary.martlet()) { port in
            RouteCommandTests.zoned().replacing(text: "port_value: 10000", by: "port_value: \(port)") + "\nlayered_runtime: {layers: [{name: a, admin_layer: {}}]}"
        }
        func zones() throws -> JSON? {
            try JSON(parsing: String(wire: try #require(served.admin.request("GET", "/explain?authority=a&path=/")).body))["cluster"]?["zones"]
        }
        #expect(try zones()?["stays"]?.string == "50 %")
        #expect(served.admin.request("POST", "/runtime_modify?upstream.zone_routing.enabled=0")?.status == 200)
        #expect(try zones()?["not_counted"]?.string == "routing_enabled is 0 %")
    }

    @Test func badQuestionsAreRefused() throws {
        let served = try Served(try Binary.martlet(), yaml: RouteCommandTests.yaml)
        for query in ["port=x", "port=70000", "random=-1", "header=nothing"] {
            let answer = try #require(served.admin.request("GET", "/explain?" + query))
            #expect(answer.status == 400, "\(query)")
        }
        let text = try #require(served.admin.request("GET", "/explain?authority=a.test&path=/s&format=text"))
        #expect(String(wire: text.body).contains("exact4"))
    }
}
