import Glibc
import TestSupport
import Testing

/// `%FILE_CONTENT(path)%` of the running program: what the file holds, and soon what it holds then.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct FileContentTests {
    private static func yaml(_ port: UInt16, _ path: String) -> String {
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
                  route_config: {virtual_hosts: [{name: v, domains: ["*"]}]}
                  local_reply_config:
                    body_format:
                      text_format_source: {inline_string: "<%FILE_CONTENT(\(path))%> <%FILE_CONTENT(\(path):/tmp):2%>"}
                      formatters: [{name: f, typed_config: {"@type": type.googleapis.com/envoy.extensions.formatter.file_content.v3.FileContent}}]
                  http_filters:
                  - name: envoy.filters.http.router
        """
    }

    private func body(_ served: Served) -> String? { (try? served.get()).map { String(decoding: $0.body, as: UTF8.self) } }

    @Test func whatAFileHoldsIsWrittenUntilItHoldsSomethingElse() throws {
        let directory = TemporaryDirectory()
        let path = directory.write("first", to: "token")
        let served = try Served(try Binary.martlet(), workers: 2) { FileContentTests.yaml($0, path) }
        #expect(body(served) == "<first> <fi>")
        Files.write(Array("second\n".utf8), to: path + ".new")
        unsafe _ = rename(path + ".new", path)
        #expect(wait(upToMs: 30_000, everyMs: 50) { body(served) == "<second\n> <se>" }, "\(body(served) ?? "")")
        // What is gone is written on, and said to be once.
        unsafe _ = unlink(path)
        #expect(wait(upToMs: 30_000, everyMs: 50) { served.process.output.contains("what it held before is written on") })
        #expect(body(served) == "<second\n> <se>")
        Files.write([], to: path)
        #expect(wait(upToMs: 30_000, everyMs: 50) { body(served) == "<> <>" }, "\(body(served) ?? "")")
    }

    /// A listener that is made anew, and one that names another file.
    @Test func aReloadNamesOtherFiles() throws {
        let directory = TemporaryDirectory()
        let paths = ["a", "b"].map { directory.write("of " + $0, to: $0) }
        let served = try Served(try Binary.martlet()) { FileContentTests.yaml($0, paths[0]) }
        #expect(body(served) == "<of a> <of>")
        let before = try #require(Files.text(served.file))
        Files.write(Array(before.replacing(text: paths[0], by: paths[1]).utf8), to: served.file)
        served.process.signal(SIGHUP)
        #expect(wait(upToMs: 30_000, everyMs: 50) { body(served) == "<of b> <of>" }, "\(body(served) ?? "")")
    }
}
