import EnvoyAPI
import Testing

/// `Any` and what it may hold.
@Suite struct TypedConfigTests {
    private typealias Filter = Envoy_Config_Listener_V3_Filter
    private typealias TcpProxy = Envoy_Extensions_Filters_Network_TcpProxy_V3_TcpProxy

    private let type = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"

    private func filter(_ config: String) throws(ConfigErrors) -> Filter {
        try ConfigReader.read(Filter.self, [ConfigReader.Input(yaml: "{name: t, typed_config: \(config)}", name: "")]).message
    }

    @Test(arguments: ["udpa.type.v1.TypedStruct", "xds.type.v3.TypedStruct"])
    func typedStructIsUnwrapped(wrapper: String) throws {
        let read = try filter(
            "{\"@type\": type.googleapis.com/\(wrapper), type_url: \(type), value: {stat_prefix: s, cluster: c}}")
        #expect(read.typedConfig.typeURL == type)
        let proxy = try TcpProxy(unpackingAny: read.typedConfig)
        #expect(proxy.cluster == "c")
    }

    @Test func mistakesInATypedStruct() {
        let struct_ = "\"@type\": type.googleapis.com/xds.type.v3.TypedStruct"
        #expect(
            lines(Filter.self, "{name: t, typed_config: {\(struct_), type_url: \(type), value: {stat_prefix: s, clustr: c}}}")
                .first?.contains("typed_config.value.clustr: no such field: 'clustr' in") == true)
        #expect(
            lines(Filter.self, "{name: t, typed_config: {\(struct_), type_url: a/b.C, value: {}}}").first?.contains(
                "could not find @type 'a/b.C'") == true)
        #expect(
            lines(Filter.self, "{name: t, typed_config: {\(struct_), value: {}}}").first?.contains(
                "the type_url of this TypedStruct is missing") == true)
        #expect(
            lines(Filter.self, "{name: t, typed_config: {\(struct_), type_url: \(type), stat_prefix: s}}").first?.contains(
                "no such field: 'stat_prefix' in TypedStruct") == true)
    }

    /// A control plane sends the same in binary.
    @Test func typedStructInBinary() throws {
        var wrapped = Xds_Type_V3_TypedStruct()
        wrapped.typeURL = type
        wrapped.value = Google_Protobuf_Struct(fields: [
            "stat_prefix": .init(stringValue: "s"), "cluster": .init(stringValue: "c"),
            "max_connect_attempts": .init(numberValue: 3), "idle_timeout": .init(stringValue: "5s"),
            "access_log": .init(listValue: .init(values: [])),
        ])
        var filter = Filter()
        filter.name = "t"
        filter.typedConfig = try Google_Protobuf_Any(message: wrapped)
        let read = try binary(filter)
        let proxy = try TcpProxy(unpackingAny: read.typedConfig)
        #expect(proxy.cluster == "c")
        #expect(proxy.maxConnectAttempts.value == 3)
        #expect(proxy.idleTimeout.seconds == 5)

        let weighted = [("a", 1.0), ("b", 3.0)].map { name, weight in
            Google_Protobuf_Value(structValue: .init(fields: ["name": .init(stringValue: name), "weight": .init(numberValue: weight)]))
        }
        var list = wrapped
        list.value.fields["cluster"] = nil
        list.value.fields["weighted_clusters"] = .init(
            structValue: .init(fields: ["clusters": .init(listValue: .init(values: weighted))]))
        filter.typedConfig = try Google_Protobuf_Any(message: list)
        let clusters = try TcpProxy(unpackingAny: try binary(filter).typedConfig).weightedClusters.clusters
        #expect(clusters.map(\.name) == ["a", "b"] && clusters.map(\.weight) == [1, 3])

        wrapped.value.fields["clustr"] = .init(boolValue: true)
        filter.typedConfig = try Google_Protobuf_Any(message: wrapped)
        do {
            _ = try binary(filter)
        } catch let error as ConfigErrors {
            #expect(
                error.description.hasPrefix(
                    "x.pb: error: typed_config.value.clustr: no such field: 'clustr' in envoy.extensions.filters.network"))
        }
        wrapped.typeURL = "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy"
        filter.typedConfig = try Google_Protobuf_Any(message: wrapped)
        do {
            _ = try binary(filter)
        } catch let error as ConfigErrors {
            #expect(error.description.contains("Envoy has it, Martlet does not support it yet"))
        }
    }

    private func binary(_ filter: Filter) throws -> Filter {
        let input = ConfigReader.Input(try filter.serializedBytes(), name: "x.pb", format: .binary)
        return try ConfigReader.read(Filter.self, [input]).message
    }

    @Test func wellKnownTypes() throws {
        let read = try filter("{\"@type\": type.googleapis.com/google.protobuf.Duration, value: 1.5s}")
        #expect(try Google_Protobuf_Duration(unpackingAny: read.typedConfig).nanos == 500_000_000)
        #expect(
            lines(Filter.self, "{name: t, typed_config: {\"@type\": a.b/google.protobuf.Duration}}").first?.contains(
                "the 'value' of this google.protobuf.Duration is missing") == true)
    }

    @Test func noType() throws {
        #expect(try filter("{}").configType == nil)
        #expect(try filter("null").configType == nil)
        #expect(
            lines(Filter.self, "{name: t, typed_config: {stat_prefix: s}}") == [
                "1:25: error: typed_config: the \"@type\" of this block is missing; expected \"@type\": type.googleapis.com/ and "
                    + "the name of a message"
            ])
        #expect(lines(Filter.self, "{name: t, typed_config: {\"@type\": [a]}}").count == 1)
        #expect(lines(Filter.self, "{name: t, typed_config: a}").count == 1)
        #expect(lines(Filter.self, "{name: t, typed_config: {\"@type\": a/google.protobuf.Any, value: {}}}").count == 1)
    }

    @Test func constraintsInside() {
        #expect(
            lines(Filter.self, "{name: t, typed_config: {\"@type\": \(type), cluster: c}}") == [
                "1:25: error: typed_config.stat_prefix: value length must be at least 1 characters; found nothing, expected a "
                    + "string that is not empty"
            ])
    }
}
