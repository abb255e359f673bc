import TestSupport
import Testing

/// `original_dst` behind a redirection of the kernel, in a network of the test's own. Skipped where such a network, or
/// `iptables`, is not to be had.
@Suite(
    .serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"),
    .enabled(if: Redirection.isThere, "unshare -n and iptables with a nat table are needed"))
struct OriginalDestinationTests {
    /// What each port answers, one after the other.
    private static func ask(_ ports: String) -> String {
        "for p in \(ports); do timeout 3 bash -c \"exec 3<>/dev/tcp/127.0.0.1/$p; timeout 2 cat <&3\"; done"
    }

    /// In a network of its own, with some ports redirected to 15001.
    private static func run(
        _ directory: TemporaryDirectory, _ file: String, redirected: String, _ ask: String, serves: Int
    ) throws -> String {
        let script = directory.write(
            """
            ip link set lo up
            iptables -t nat -A OUTPUT -p tcp -m multiport --dports \(redirected) -j REDIRECT --to-ports 15001
            \(try Binary.martlet().binary) -c \(file) --concurrency 1 -l error --file-flush-interval-msec 50 &
            for i in $(seq 100); do bash -c 'exec 3<>/dev/tcp/127.0.0.1/\(serves)' 2>/dev/null && break; sleep 0.05; done
            \(ask)
            sleep 0.3
            kill $!
            wait
            """, to: "script.sh")
        return try Shell.run("unshare -n bash \(script) 2>/dev/null", limitMs: 30_000).output.trimmed
    }

    /// `use_original_dst` alone asks the kernel, without the filter being named.
    @Test func theListenerOfTheOriginalAddress() throws {
        let directory = TemporaryDirectory()
        let direct = "type.googleapis.com/envoy.extensions.filters.network.direct_response.v3.Config"
        let file = directory.write(
            """
            static_resources:
              listeners:
              - {name: outer, use_original_dst: true, address: {socket_address: {address: 0.0.0.0, port_value: 15001}}, filter_chains: [{filters: [{name: d, typed_config: {"@type": \(direct), response: {inline_string: "outer "}}}]}]}
              - {name: exact, bind_to_port: false, address: {socket_address: {address: 127.0.0.1, port_value: 7777}}, filter_chains: [{filters: [{name: d, typed_config: {"@type": \(direct), response: {inline_string: "exact "}}}]}]}
              - {name: wildcard, bind_to_port: false, address: {socket_address: {address: 0.0.0.0, port_value: 7778}}, filter_chains: [{filters: [{name: d, typed_config: {"@type": \(direct), response: {inline_string: "wildcard "}}}]}]}
            """, to: "martlet.yaml")
        let output = try Self.run(directory, file, redirected: "7777,7778,7779", Self.ask("7777 7778 7779 15001"), serves: 15001)
        #expect(output == "exact wildcard outer outer")
    }

    @Test func theChainOfTheOriginalPort() throws {
        let directory = TemporaryDirectory()
        let direct = "type.googleapis.com/envoy.extensions.filters.network.direct_response.v3.Config"
        let file = directory.write(
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: 15001}}
                listener_filters: [{name: envoy.filters.listener.original_dst}]
                access_log: [{name: a, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: \(directory.path)/log, log_format: {text_format_source: {inline_string: "%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_DIRECT_LOCAL_ADDRESS%\\n"}}}}]
                filter_chains:
                - {filter_chain_match: {destination_port: 7777}, filters: [{name: d, typed_config: {"@type": \(direct), response: {inline_string: "seven "}}}]}
                default_filter_chain: {filters: [{name: d, typed_config: {"@type": \(direct), response: {inline_string: "other "}}}]}
            """, to: "martlet.yaml")
        let ask = Self.ask("7777 7778 15001")
        let finished = try Self.run(directory, file, redirected: "7777,7778", ask, serves: 15001)
        #expect(finished == "seven other other")
        let lines = (Files.text(directory.path + "/log") ?? "").textLines.suffix(3)
        #expect(lines == ["127.0.0.1:7777 127.0.0.1:15001", "127.0.0.1:7778 127.0.0.1:15001", "127.0.0.1:15001 127.0.0.1:15001"])
    }
}

extension String {
    fileprivate var trimmed: String { String(drop { $0 == " " || $0 == "\n" }.reversed().drop { $0 == " " || $0 == "\n" }.reversed()) }
}

private enum Redirection {
    static let isThere: Bool = {
        let probe = "unshare -n sh -c 'ip link set lo up && iptables -t nat -A OUTPUT -p tcp --dport 7 -j REDIRECT --to-ports 8' 2>&1"
        return (try? Shell.run(probe))?.status == 0
    }()
}
