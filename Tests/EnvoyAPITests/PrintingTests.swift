import EnvoyAPI
import Testing

/// Messages as `/config_dump` shows them.
@Suite struct PrintingTests {
    @Test func everyForm() throws {
        let text = """
            name: a
            type: STRICT_DNS
            connect_timeout: 0.25s
            per_connection_buffer_limit_bytes: 0
            respect_dns_ttl: false
            alt_stat_name: "é\\n\\"\\u0001"
            ring_hash_lb_config: {minimum_ring_size: 1024, hash_function: 1}
            preconnect_policy: {per_upstream_preconnect_ratio: 1.5, predictive_preconnect_ratio: 2}
            metadata: {filter_metadata: {"a.b": {z: [1, null, true, x], e: {}, f: []}}}
            filters:
            - name: f
              typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}
            circuit_breakers: {thresholds: [{}, {max_connections: 7}]}
            outlier_detection: {}
            """
        let read = try ConfigReader.read(
            Envoy_Config_Cluster_V3_Cluster.self, [ConfigReader.Input(yaml: text, name: "")])
        let expected = """
            {
             "name": "a",
             "type": "STRICT_DNS",
             "connect_timeout": "0.250s",
             "per_connection_buffer_limit_bytes": 0,
             "circuit_breakers": {
              "thresholds": [
               {},
               {
                "max_connections": 7
               }
              ]
             },
             "outlier_detection": {},
             "ring_hash_lb_config": {
              "minimum_ring_size": "1024",
              "hash_function": "MURMUR_HASH_2"
             },
             "metadata": {
              "filter_metadata": {
               "a.b": {
                "e": {},
                "f": [],
                "z": [
                 1,
                 null,
                 true,
                 "x"
                ]
               }
              }
             },
             "alt_stat_name": "é\\n\\"\\u0001",
             "filters": [
              {
               "name": "f",
               "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"
               }
              }
             ],
             "preconnect_policy": {
              "per_upstream_preconnect_ratio": 1.5,
              "predictive_preconnect_ratio": 2
             }
            }
            """
        #expect(MessageJSON().text(read.message) == expected)
        // What is printed is a configuration again.
        let again = ConfigReader.Input(Array(expected.utf8), name: "", format: .json)
        #expect(try ConfigReader.read(Envoy_Config_Cluster_V3_Cluster.self, [again]).message == read.message)
    }

    @Test func zeroInAOneofIsPrinted() throws {
        let address = try ConfigReader.read(
            Envoy_Config_Core_V3_SocketAddress.self, [ConfigReader.Input(yaml: "{address: a, port_value: 0}", name: "")])
        #expect(MessageJSON().text(address.message) == "{\n \"address\": \"a\",\n \"port_value\": 0\n}")
    }

    @Test func redaction() throws {
        let text = "inline_string: secret"
        let source = try ConfigReader.read(
            Envoy_Config_Core_V3_DataSource.self, [ConfigReader.Input(yaml: text, name: "")])
        let hiding = MessageJSON { message, field in
            message == "envoy.config.core.v3.DataSource" && field.hasPrefix("inline_")
        }
        #expect(hiding.text(source.message) == "{\n \"inline_string\": \"[redacted]\"\n}")
        #expect(MessageJSON().text(source.message) == "{\n \"inline_string\": \"secret\"\n}")
    }

    /// A key that stands beside its certificate, in whatever field, is hidden with it.
    @Test func keysAreHiddenWhereverTheyStand() throws {
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        for kind in ["", "RSA ", "EC ", "ENCRYPTED "] {
            let key = "-----BEGIN \(kind)PRIVATE KEY-----\nAAAA\n-----END \(kind)PRIVATE KEY-----\n"
            for text in [certificate + key, key + certificate] {
                var source = Envoy_Config_Core_V3_DataSource()
                source.inlineString = text
                #expect(MessageJSON().text(source) == "{\n \"inline_string\": \"[redacted]\"\n}")
                source.specifier = nil
                try source.merge(serializedBytes: [0x12, UInt8(text.utf8.count & 127) | 128, UInt8(text.utf8.count >> 7)] + Array(text.utf8))
                #expect(MessageJSON().text(source) == "{\n \"inline_bytes\": \"[redacted]\"\n}")
                #expect(!MessageJSON(redacts: false).text(source).contains("[redacted]"))
            }
        }
        for text in [certificate, "PRIVATE KEY----", "PRIVATE PRIVATE KEY", ""] {
            var source = Envoy_Config_Core_V3_DataSource()
            source.inlineString = text
            #expect(!MessageJSON().text(source).contains("[redacted]"), "\(text)")
        }
        #expect(PrivateKeys.areIn(Array("PRIPRIVATE KEY-----".utf8)))
    }

    @Test func secretsBelowAField() throws {
        let text = "{status: 200, body: {inline_bytes: c2VjcmV0}}"
        let response = try ConfigReader.read(
            Envoy_Config_Route_V3_DirectResponseAction.self, [ConfigReader.Input(yaml: text, name: "")])
        let printed = MessageJSON { _, field in field == "body" }.text(response.message, level: 2)
        #expect(printed == "{\n   \"status\": 200,\n   \"body\": {\n    \"inline_bytes\": \"[redacted]\"\n   }\n  }")
    }

    @Test func anyWithItsType() throws {
        let url = "type.googleapis.com/envoy.config.core.v3.Pipe"
        var pipe = Envoy_Config_Core_V3_Pipe()
        pipe.path = "/a"
        let bytes: [UInt8] = try pipe.serializedBytes()
        #expect(MessageJSON().text(any: url, bytes) == "{\n \"@type\": \"\(url)\",\n \"path\": \"/a\"\n}")
        #expect(
            MessageJSON().text(any: "a/unknown.Type", [1, 2]) == "{\n \"@type\": \"a/unknown.Type\",\n \"value\": \"AQI=\"\n}")
        #expect(MessageJSON().text("unknown.Type", []) == "{}")
        #expect(MessageJSON().text("envoy.config.core.v3.Pipe", [0xff]) == "{}")
    }

    /// A message with a form of its own in JSON stands in `value` (ProtoJSON's rule).
    @Test func anyWithAWellKnownType() throws {
        let text = "{name: a, typed_config: {\"@type\": type.googleapis.com/google.protobuf.Duration, value: 1.5s}}"
        let read = try ConfigReader.read(
            Envoy_Config_Core_V3_TypedExtensionConfig.self, [ConfigReader.Input(yaml: text, name: "")])
        #expect(
            MessageJSON().text(read.message)
                == "{\n \"name\": \"a\",\n \"typed_config\": {\n  \"@type\": \"type.googleapis.com/google.protobuf.Duration\",\n  \"value\": \"1.500s\"\n }\n}")
    }

    @Test func errorsAsJSON() {
        let error = ConfigError(
            file: "a\"b.yaml", line: 3, column: 4, path: "x[0].y", message: "m", found: "f", expected: nil, suggestion: "s")
        #expect(
            ConfigErrors([error]).json
                == "{\"valid\":false,\"errors\":[{\"file\":\"a\\\"b.yaml\",\"line\":3,\"column\":4,\"path\":\"x[0].y\","
                + "\"severity\":\"error\",\"message\":\"m\",\"found\":\"f\",\"expected\":null,\"suggestion\":\"s\"}]}")
        var warning = error
        warning.severity = .warning
        #expect(ConfigErrors([warning]).json.hasPrefix("{\"valid\":true,\"errors\":[{"))
        #expect(ConfigErrors([]).json == "{\"valid\":true,\"errors\":[]}")
        #expect(ConfigError(message: "m").description == "error: m")
    }
}
