import EnvoyAPI
import Testing

/// The schema-level mistakes of reference/envoy.md, section 5, by their numbers there: 1, 2, 3, 5, 6, 7, 8, 10, 11, 16, 17, 18,
/// 21, 22, 23, 24, 32. (4, 9, 12–15, 19, 20, 25–31, 33 need the meaning of names and values, 34 is xDS, 35 the command line.)
@Suite struct MistakeTests {
    private func cluster(_ fields: String) -> String {
        """
        static_resources:
          clusters:
          - name: up
            \(fields)

        """
    }

    private func manager(_ fields: String) -> String {
        """
        static_resources:
          listeners:
          - address: {socket_address: {address: 127.0.0.1, port_value: 80}}
            filter_chains:
            - filters:
              - name: http
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: s
                  \(fields)

        """
    }

    private let atCluster = "static_resources.clusters[0]"
    private let atManager = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config"

    @Test func n01_unknownField() {
        #expect(
            lines(cluster("conect_timeout: 1s")) == [
                "c.yaml:4:5: error: \(atCluster).conect_timeout: no such field: 'conect_timeout' in "
                    + "envoy.config.cluster.v3.Cluster; did you mean 'connect_timeout'?"
            ])
    }

    @Test func n02_unknownFieldInTypedConfig() {
        #expect(
            lines(manager("stat_prefx: t")) == [
                "c.yaml:10:11: error: \(atManager).stat_prefx: no such field: 'stat_prefx' in envoy.extensions.filters.network"
                    + ".http_connection_manager.v3.HttpConnectionManager; did you mean 'stat_prefix'?"
            ])
    }

    @Test func n03_unknownEnumValue() {
        #expect(
            lines(cluster("lb_policy: ROUNDROBIN")) == [
                "c.yaml:4:16: error: \(atCluster).lb_policy: unknown enum value: 'ROUNDROBIN'; found 'ROUNDROBIN', expected one "
                    + "of ROUND_ROBIN, LEAST_REQUEST, RING_HASH, RANDOM, MAGLEV, CLUSTER_PROVIDED, "
                    + "LOAD_BALANCING_POLICY_CONFIG; did you mean ROUND_ROBIN?"
            ])
    }

    private func port(_ value: String) -> String {
        "static_resources: {listeners: [{address: {socket_address: {address: a, port_value: \(value)}}}]}"
    }

    private let atPort = "static_resources.listeners[0].address.socket_address.port_value"

    @Test func n05_portOutOfRange() {
        #expect(
            lines(port("99999")) == [
                "c.yaml:1:84: error: \(atPort): value must be less than or equal to 65535; found 99999, expected a value less "
                    + "than or equal to 65535"
            ])
    }

    @Test func n06_portAsWordOrNegative() {
        #expect(
            lines(port("http")) == [
                "c.yaml:1:84: error: \(atPort): invalid number: 'http'; found 'http', expected a whole number, 0 or more"
            ])
        #expect(
            lines(port("-1")) == [
                "c.yaml:1:84: error: \(atPort): integer out of range: -1; found -1, expected a whole number from 0 to "
                    + "4294967295"
            ])
    }

    @Test(arguments: [("5", "5s"), ("5ms", "0.005s"), ("2m", "120s"), ("1.5", "1.500s"), ("1h", "3600s")])
    func n07_badDuration(text: String, right: String) {
        #expect(
            lines(cluster("connect_timeout: \(text)")) == [
                "c.yaml:4:22: error: \(atCluster).connect_timeout: duration must end with a single 's'; found '\(text)', "
                    + "expected seconds and the unit s, such as 0.25s; write \(right)"
            ])
    }

    @Test func n08_negativeDuration() {
        #expect(
            lines(cluster("connect_timeout: -1s")) == [
                "c.yaml:4:22: error: \(atCluster).connect_timeout: Invalid duration: Expected positive duration; found '-1s', "
                    + "expected a duration of 0s or more"
            ])
    }

    /// Missing: representable, so that the extension's name can stand in.
    @Test func n10_missingTypedConfig() throws {
        let filter = try ConfigReader.read(
            Envoy_Config_Listener_V3_Filter.self, [ConfigReader.Input(yaml: "name: envoy.echo", name: "")])
        #expect(filter.message.configType == nil)
        #expect(ExtensionNames.canonical(filter.message.name) == "envoy.filters.network.echo")
        #expect(ExtensionNames.canonical("envoy.filters.network.echo") == "envoy.filters.network.echo")
    }

    private func echo(_ type: String) -> [String] {
        lines(Envoy_Config_Listener_V3_Filter.self, "{name: x, typed_config: {\"@type\": \(type)}}")
    }

    @Test func n11_unknownType() {
        #expect(
            echo("type.googleapis.com/envoy.extensions.filters.network.echoo.v3.Echo") == [
                "1:35: error: typed_config.@type: could not find @type "
                    + "'type.googleapis.com/envoy.extensions.filters.network.echoo.v3.Echo'; found "
                    + "envoy.extensions.filters.network.echoo.v3.Echo, expected a message of Envoy's API; "
                    + "did you mean type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo?"
            ])
        #expect(
            echo("type.googleapis.com/envoy.config.filter.network.tcp_proxy.v2.TcpProxy") == [
                "1:35: error: typed_config.@type: could not find @type "
                    + "'type.googleapis.com/envoy.config.filter.network.tcp_proxy.v2.TcpProxy': Envoy's v2 API is gone since 1.18; found "
                    + "envoy.config.filter.network.tcp_proxy.v2.TcpProxy, expected a type of the v3 API; "
                    + "write type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
            ])
        #expect(
            echo("type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy") == [
                "1:35: error: typed_config.@type: could not find @type "
                    + "'type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy': Envoy has it, Martlet does not support "
                    + "it yet; found envoy.extensions.filters.network.redis_proxy.v3.RedisProxy"
            ])
        #expect(
            echo("envoy.extensions.filters.network.echo.v3.Echo") == [
                "1:35: error: typed_config: @type must contain at least one / and a nonempty host; got: "
                    + "envoy.extensions.filters.network.echo.v3.Echo; expected type.googleapis.com/ and the name of a message; "
                    + "write type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"
            ])
    }

    @Test func n16_missingParts() {
        let routes = """
            virtual_hosts:
            - name: a
              routes:
              - match: {prefix: /}
              - direct_response: {status: 200}
            """
        #expect(
            lines(Envoy_Config_Route_V3_RouteConfiguration.self, routes) == [
                "2:3: error: virtual_hosts[0].domains: value must contain at least 1 item(s); found none, expected 1 or more",
                "4:5: error: virtual_hosts[0].routes[0]: field: \"action\", reason: is required; found none of them, expected "
                    + "one of route, redirect, direct_response, filter_action, non_forwarding_action",
                "5:5: error: virtual_hosts[0].routes[1].match: value is required; found nothing, expected the fields of "
                    + "envoy.config.route.v3.RouteMatch",
            ])
        let manager = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager.self
        #expect(
            lines(manager, "merge_slashes: true") == [
                "1:1: error: stat_prefix: value length must be at least 1 characters; found nothing, expected a string that is "
                    + "not empty",
                "1:1: error: field: \"route_specifier\", reason: is required; found none of them, expected 'route_config'",
            ])
    }

    @Test func n17_oneofSetTwice() {
        #expect(
            lines(Envoy_Config_Route_V3_RedirectAction.self, "path_redirect: /a\nprefix_rewrite: /b\n") == [
                "2:1: error: prefix_rewrite: 'prefix_rewrite' has already been set (either directly or as part of a oneof); "
                    + "found 'path_redirect' and 'prefix_rewrite', expected one of them; remove one of the two"
            ])
        #expect(
            lines(Envoy_Config_Route_V3_RedirectAction.self, "path_redirect: /a\npathRedirect: /b\n") == [
                "2:1: error: path_redirect: 'path_redirect' has already been set (either directly or as part of a oneof); "
                    + "found 'path_redirect' twice, expected one of them; remove one of the two"
            ])
    }

    @Test func n18_listWhereMapExpected() {
        #expect(
            lines(cluster("load_assignment: []")) == [
                "c.yaml:4:22: error: \(atCluster).load_assignment: unexpected character: '['; expected '{'; found a list, "
                    + "expected the fields of envoy.config.endpoint.v3.ClusterLoadAssignment"
            ])
    }

    @Test func n21_tabAndIndent() {
        #expect(
            lines("admin:\n\taddress: {}\n") == [
                "c.yaml:2:1: error: a tab in the indentation: while scanning for the next token, found character that cannot "
                    + "start any token; indent with spaces"
            ])
        #expect(
            lines("admin:\n  profile_path: /a\n flags_path: b\n") == [
                "c.yaml:3:2: error: while parsing a block mapping, did not find expected key"
            ])
    }

    @Test func n22_emptyOrScalar() {
        let said = "error: Unable to convert YAML as JSON: there is no map of fields; found"
        let wanted = ", expected the fields of envoy.config.bootstrap.v3.Bootstrap"
        #expect(lines("") == ["c.yaml:1:1: \(said) an empty document\(wanted)"])
        #expect(lines("# nothing\n") == ["c.yaml:1:1: \(said) an empty document\(wanted)"])
        #expect(lines("\nfoo\n") == ["c.yaml:2:1: \(said) 'foo'\(wanted)"])
        #expect(
            lines("- a\n") == [
                "c.yaml:1:1: error: unexpected character: '['; expected '{'; found a list\(wanted)"
            ])
    }

    @Test func n23_duplicateKey() {
        #expect(
            lines("admin:\n  profile_path: /a\n  ignore_global_conn_limit: true\n  profile_path: /b\n") == [
                "c.yaml:4:3: error: duplicate key 'profile_path': it is already set in line 2; remove one of the two"
            ])
    }

    @Test func n24_quotedBool() {
        #expect(
            lines("admin: {ignore_global_conn_limit: 'yes'}") == [
                "c.yaml:1:35: error: admin.ignore_global_conn_limit: expected 'true' or 'false'; found the string \"yes\"; "
                    + "write true without quotes"
            ])
        #expect(
            lines("admin: {ignore_global_conn_limit: maybe}") == [
                "c.yaml:1:35: error: admin.ignore_global_conn_limit: expected 'true' or 'false'; found 'maybe'"
            ])
    }

    /// As resources over xDS are read: a warning, and what is left is checked.
    @Test func n34_unknownFieldOverXDS() throws {
        let cluster = Envoy_Config_Cluster_V3_Cluster.self
        func read(_ text: String) throws -> [String] {
            let input = ConfigReader.Input(Array(text.utf8), name: "", format: .yaml, unknownFields: .warning)
            return try ConfigReader.read(cluster, [input]).warnings.map(\.description)
        }
        #expect(
            try read("{name: a, conect_timeout: 1s}") == [
                "1:11: warning: conect_timeout: no such field: 'conect_timeout' in envoy.config.cluster.v3.Cluster; "
                    + "did you mean 'connect_timeout'?"
            ])
        #expect(throws: ConfigErrors.self) { try read("{nam: a}") }
    }

    @Test func n32_noSuchFile() {
        #expect(throws: ConfigErrors.self) { try ConfigReader.read(path: "/nonexist.yaml") }
        do {
            _ = try ConfigReader.read(path: "/nonexist.yaml")
        } catch {
            #expect(error.description == "/nonexist.yaml: error: Invalid path: /nonexist.yaml (No such file or directory)")
        }
        do {
            _ = try ConfigReader.read(path: nil)
        } catch {
            #expect(
                error.description == "error: At least one of --config-path or --config-yaml or Options::configProto() should "
                    + "be non-empty; expected the path of a configuration; give one with -c")
        }
    }
}
