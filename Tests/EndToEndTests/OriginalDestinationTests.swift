import TestSupport
import Testing

/// `original_dst` behind a redirection of the kernel, in a network of the test's own. Skipped where such a network, or
/// `iptables`, is not to be had.
@Suite(
    .serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"),
    .enabled(if: Redirection.isThere, "unshare -n and iptables with a nat table are needed"))
struct OriginalDestinationTests {
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
        let ask = "for p in 7777 7778 15001; do timeout 3 bash -c \"exec 3<>/dev/tcp/127.0.0.1/$p; timeout 2 cat <&3\"; done"
        let script = directory.write(
            """
            ip link set lo up
            iptables -t nat -A OUTPUT -p tcp -m multiport --dports 7777,7778 -j REDIRECT --to-ports 15001
            \(try Binary.martlet().binary) -c \(file) --concurrency 1 -l error --file-flush-interval-msec 50 &
            for i in $(seq 100); do bash -c 'exec 3<>/dev/tcp/127.0.0.1/15001' 2>/dev/null && break; sleep 0.05; done
            \(ask)
            sleep 0.3
            kill $!
            wait
            """, to: "script.sh")
        let finished = try Shell.run("unshare -n bash \(script) 2>/dev/null", limitMs: 30_000)
        #expect(finished.output.trimmed == "seven other other")
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
