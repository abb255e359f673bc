import EnvoyAPI
import Testing

@Suite struct SourceMapTests {
    private let text = """
        static_resources:
          clusters:
          - name: a
            typed_extension_protocol_options:
              envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
                explicit_http_config:
                  http2_protocol_options: {max_concurrent_streams: 5}
        """

    private func place(_ path: String) throws -> String {
        let position = try ConfigReader.read(yaml: text, file: "f").source.position(path)
        return position.map { "\($0.file):\($0.line):\($0.column)" } ?? "none"
    }

    @Test func positions() throws {
        #expect(try place("") == "f:1:1")
        #expect(try place("static_resources") == "f:1:1")
        #expect(try place("static_resources.clusters[0]") == "f:3:5")
        #expect(try place("static_resources.clusters[0].name") == "f:3:11")
        let options = "static_resources.clusters[0].typed_extension_protocol_options"
        let http = "\(options)[\"envoy.extensions.upstreams.http.v3.HttpProtocolOptions\"]"
        #expect(try place(http) == "f:5:7")
        #expect(try place(http + ".explicit_http_config.http2_protocol_options.max_concurrent_streams") == "f:8:60")
    }

    /// The nearest block that was written.
    @Test func positionsOfWhatIsAbsent() throws {
        #expect(try place("static_resources.clusters[0].connect_timeout") == "f:3:5")
        #expect(try place("static_resources.clusters[7].name") == "f:2:3")
        #expect(try place("admin.address") == "f:1:1")
        #expect(try place("[[[") == "f:1:1")
    }

    @Test func problems() throws {
        let source = try ConfigReader.read(yaml: text, file: "f").source
        let problem = source.problem("static_resources.clusters[0].name", "duplicate cluster 'a'", found: "'a'")
        #expect(problem.description == "f:3:11: error: static_resources.clusters[0].name: duplicate cluster 'a'; found 'a'")
    }

    @Test func noPositionsInBinary() throws {
        let bytes: [UInt8] = try ConfigReader.read(yaml: text).bootstrap.serializedBytes()
        let document = try ConfigReader.read([ConfigReader.Input(bytes, name: "f.pb", format: .binary)])
        #expect(document.source.position("static_resources") == nil)
        #expect(document.source.problem("admin", "m").description == "f.pb: error: admin: m")
    }
}
