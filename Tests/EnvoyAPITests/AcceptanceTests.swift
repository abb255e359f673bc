import EnvoyAPI
import Testing

/// What Envoy 1.40 accepts beyond the obvious (each tried on its binary), and what it refuses although YAML would allow it.
@Suite struct AcceptanceTests {
    private typealias Cluster = Envoy_Config_Cluster_V3_Cluster

    private func cluster(_ fields: String) throws -> Cluster {
        let input = ConfigReader.Input(yaml: "name: a\n" + fields, name: "")
        return try ConfigReader.read(Cluster.self, [input]).message
    }

    @Test(arguments: ["strict_dns", "STRICT_DNS", "Strict_Dns", "1", "\"1\""])
    func enumNames(text: String) throws {
        #expect(try cluster("type: \(text)").type == .strictDns)
    }

    @Test func enumNamesWithAHyphen() {
        #expect(lines(Cluster.self, "{name: a, type: strict-dns}").count == 1)
    }

    @Test(arguments: [("80", 80), ("\"80\"", 80), ("0x50", 80), ("010", 8), ("5.0", 5), ("1e3", 1000), ("{value: 7}", 7)])
    func wholeNumbers(text: String, value: UInt32) throws {
        #expect(try cluster("per_connection_buffer_limit_bytes: \(text)").perConnectionBufferLimitBytes.value == value)
    }

    @Test(arguments: ["-1", "4294967296", "1_000", "5.5", "1e30", "''", "99999999999999999999", "0x", "NaN"])
    func numbersOutOfRange(text: String) {
        #expect(lines(Cluster.self, "{name: a, per_connection_buffer_limit_bytes: \(text)}").count == 1)
    }

    @Test func wideNumbers() throws {
        let most = try cluster("ring_hash_lb_config: {minimum_ring_size: 8388608}")
        #expect(most.ringHashLbConfig.minimumRingSize.value == 8_388_608)
        let bootstrap = try ConfigReader.read(yaml: "stats_server_version_override: 18446744073709551615").bootstrap
        #expect(bootstrap.statsServerVersionOverride.value == .max)
        let option = try ConfigReader.read(
            Envoy_Config_Core_V3_SocketOption.self,
            [ConfigReader.Input(yaml: "{level: -9223372036854775808, int_value: \"9223372036854775807\"}", name: "")])
        #expect(option.message.level == .min)
        #expect(option.message.intValue == .max)
    }

    @Test(arguments: [("true", true), ("yes", true), ("On", true), ("y", true), ("FALSE", false), ("n", false)])
    func booleans(text: String, value: Bool) throws {
        #expect(try cluster("ignore_health_on_host_removal: \(text)").ignoreHealthOnHostRemoval == value)
    }

    @Test(arguments: ["1.5", "2024-01-01", "\"1\"", "'yes'", "12345678901234567890", "!!str 17"])
    func strings(text: String) {
        #expect(lines(Cluster.self, "{name: a, alt_stat_name: \(text)}") == [])
    }

    @Test(arguments: ["123", "yes", "0x10"])
    func stringsThatAreNot(text: String) {
        #expect(
            lines(Cluster.self, "{name: a, alt_stat_name: \(text)}") == [
                "1:26: error: alt_stat_name: unexpected character: '\(text.prefix(1))'; expected '\"'; found \(text), expected a "
                    + "string; put it in quotes: \"\(text)\""
            ])
    }

    @Test(arguments: [("1s", 1, 0), ("1.5s", 1, 500_000_000), ("{seconds: 2, nanos: 3}", 2, 3), ("0.000000001s", 0, 1)])
    func durations(text: String, seconds: Int64, nanos: Int32) throws {
        let timeout = try cluster("connect_timeout: \(text)").connectTimeout
        #expect(timeout.seconds == seconds)
        #expect(timeout.nanos == nanos)
    }

    @Test(arguments: ["1e3s", ".5s", "5.s", "s", "1ss", "315576000001s", "1.0000000001s", "[]"])
    func durationsThatAreNot(text: String) {
        #expect(lines(Cluster.self, "{name: a, connect_timeout: \(text)}").count == 1)
    }

    @Test func bothSpellings() throws {
        let read = try cluster("connectTimeout: 3s\naltStatName: b")
        #expect(read.connectTimeout.seconds == 3)
        #expect(read.altStatName == "b")
    }

    @Test func nothing() throws {
        #expect(!(try cluster("circuit_breakers: null\nalt_stat_name: ~").hasCircuitBreakers))
        #expect(
            lines(Cluster.self, "name: a\ncircuit_breakers:\n") == [
                "2:1: warning: circuit_breakers: 'circuit_breakers' has no value and is ignored; write circuit_breakers: {} for "
                    + "a block without fields"
            ])
        #expect(
            lines(Cluster.self, "name: a\nhealth_checks: [null]\n") == [
                "2:17: error: health_checks[0]: a list element has no value; found null, expected a value"
            ])
    }

    @Test func oneValueForAList() throws {
        let text = "{name: a, domains: \"*\"}"
        let host = try ConfigReader.read(
            Envoy_Config_Route_V3_VirtualHost.self, [ConfigReader.Input(yaml: text, name: "")])
        #expect(host.message.domains == ["*"])
        #expect(host.warnings.count == 1)
    }

    @Test func bytes() throws {
        for text in ["-_8=", "+/8=", "-_8", "+/8"] {
            let source = try ConfigReader.read(
                Envoy_Config_Core_V3_DataSource.self, [ConfigReader.Input(yaml: "inline_bytes: \(text)", name: "")])
            #expect([UInt8](source.message.inlineBytes) == [0xfb, 0xff])
        }
        for text in ["a", "ab=", "a===", "\"a b\"", "abc=d"] {
            #expect(lines(Envoy_Config_Core_V3_DataSource.self, "inline_bytes: \(text)").count == 1)
        }
    }

    /// Whole numbers are numbers, fractions stay strings: so does Envoy's YAML reader.
    @Test func structs() throws {
        let text = "filter_metadata: {a: {i: 1, h: 0x10, f: 1.5, b: true, o: on, q: '1', n: null, big: 12345678901, low: -2147483648, hex: 0x1fffffffe, huge: 99999999999999999999, l: [1, {x: z}], s: t}}"
        let metadata = try ConfigReader.read(
            Envoy_Config_Core_V3_Metadata.self, [ConfigReader.Input(yaml: text, name: "")])
        let fields = try #require(metadata.message.filterMetadata["a"]).fields
        #expect(fields["i"]?.numberValue == 1)
        #expect(fields["h"]?.numberValue == 16)
        #expect(fields["f"]?.stringValue == "1.5")
        #expect(fields["big"]?.stringValue == "12345678901" && fields["low"]?.numberValue == -2147483648)
        #expect(fields["hex"]?.stringValue == "8589934590" && fields["huge"]?.stringValue == "99999999999999999999")
        #expect(fields["b"]?.boolValue == true)
        #expect(fields["o"]?.boolValue == true)
        #expect(fields["q"]?.stringValue == "1")
        #expect(fields["n"]?.kind == .nullValue(.nullValue))
        #expect(fields["l"]?.listValue.values.last?.structValue.fields["x"]?.stringValue == "z")
        #expect(fields["s"]?.stringValue == "t")
    }

    @Test func structsInJSON() throws {
        let input = ConfigReader.Input(Array("{\"filter_metadata\":{\"a\":{\"f\":1.5,\"big\":12345678901}}}".utf8), name: "", format: .json)
        let metadata = try ConfigReader.read(Envoy_Config_Core_V3_Metadata.self, [input])
        #expect(metadata.message.filterMetadata["a"]?.fields["f"]?.numberValue == 1.5)
        #expect(metadata.message.filterMetadata["a"]?.fields["big"]?.numberValue == 12_345_678_901)
    }
}
