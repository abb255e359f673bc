import EnvoyAPI
import Testing

/// Protobuf's wire format in and out.
@Suite struct BinaryTests {
    private typealias Cluster = Envoy_Config_Cluster_V3_Cluster

    private func said(_ bytes: [UInt8]) -> [String] {
        do {
            let input = ConfigReader.Input(bytes, name: "x.pb", format: .binary)
            _ = try ConfigReader.read(Cluster.self, [input])
            return []
        } catch {
            return error.errors.map(\.description)
        }
    }

    @Test func theSameFromYAMLAndBinary() throws {
        let document = try ConfigReader.read(yaml: Examples.simple)
        let bytes: [UInt8] = try document.bootstrap.serializedBytes()
        let again = try ConfigReader.read([ConfigReader.Input(bytes, name: "", format: .binary)])
        #expect(again.bootstrap == document.bootstrap)
        // Equal as values: inside an Any SwiftProtobuf keeps the bytes it was given.
        let printed = MessageJSON().text(again.bootstrap)
        #expect(printed == MessageJSON().text(document.bootstrap))
        #expect(try ConfigReader.read([ConfigReader.Input(yaml: printed, name: "")]).bootstrap == document.bootstrap)
    }

    /// Packed numbers come as protobuf's own writer packs them.
    @Test func packedNumbers() throws {
        let yaml = "{match: {prefix: a}, buckets: [0.5, 1, 25]}"
        let read = try ConfigReader.read(
            Envoy_Config_Metrics_V3_HistogramBucketSettings.self, [ConfigReader.Input(yaml: yaml, name: "")])
        #expect(read.message.buckets == [0.5, 1, 25])
        let bytes: [UInt8] = try read.message.serializedBytes()
        let again = try ConfigReader.read(
            Envoy_Config_Metrics_V3_HistogramBucketSettings.self, [ConfigReader.Input(bytes, name: "", format: .binary)])
        #expect(again.message == read.message)
    }

    @Test func constraintsWithoutPositions() throws {
        var cluster = Cluster()
        cluster.connectTimeout.seconds = 1
        #expect(
            said(try cluster.serializedBytes()) == [
                "x.pb: error: name: value length must be at least 1 characters; found nothing, expected a string that is not "
                    + "empty"
            ])
    }

    @Test func fieldsThatMartletLacks() {
        // 59 is transport_socket_matcher; 5000 nobody's.
        #expect(
            said([10, 1, 97, 218, 3, 0]) == [
                "x.pb: error: 'transport_socket_matcher' of envoy.config.cluster.v3.Cluster is not supported by Martlet yet"
            ])
        #expect(said([10, 1, 97, 0xc0, 0xb8, 2, 0]) == [
            "x.pb: error: no such field: number 5000 in envoy.config.cluster.v3.Cluster"
        ])
    }

    /// As Envoy does over xDS; but what it would act on and Martlet cannot stays an error.
    @Test func unknownFieldsCanBeWarnings() throws {
        for (bytes, format) in [([10, 1, 97, 0xc0, 0xb8, 2, 0], .binary), (Array("{name: a, foo: 1}".utf8), .yaml)]
            as [([UInt8], ConfigReader.Format)]
        {
            let input = ConfigReader.Input(bytes, name: "", format: format, unknownFields: .warning)
            let read = try ConfigReader.read(Cluster.self, [input])
            #expect(read.message.name == "a")
            #expect(read.warnings.count == 1)
        }
        let input = ConfigReader.Input([10, 1, 97, 218, 3, 0], name: "", format: .binary, unknownFields: .warning)
        #expect(throws: ConfigErrors.self) { try ConfigReader.read(Cluster.self, [input]) }
    }

    @Test func unknownTypes() throws {
        var cluster = Cluster()
        cluster.name = "a"
        cluster.clusterType.name = "t"
        cluster.clusterType.typedConfig.typeURL = "type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig"
        #expect(
            said(try cluster.serializedBytes()) == [
                "x.pb: error: cluster_type.typed_config: could not find @type "
                    + "'type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig': Envoy has it, Martlet does "
                    + "not support it yet; found envoy.extensions.clusters.aggregate.v3.ClusterConfig"
            ])
    }

    @Test func garbage() {
        let refused = ["x.pb: error: the file is not a envoy.config.cluster.v3.Cluster in protobuf's binary format"]
        #expect(said([0xff]) == refused)
        #expect(said([10, 5, 97]) == refused)
        #expect(said([10, 1, 0xff]) == refused)  // not UTF-8
        #expect(said([8, 1]) == refused)  // a number where the name belongs
        #expect(said([0, 0]) == refused)
        #expect(said([11]) == refused)
    }

    /// Messages inside each other without end.
    @Test func depth() throws {
        var predicate = Envoy_Config_Listener_V3_ListenerFilterChainMatchPredicate()
        predicate.anyMatch = true
        var bytes: [UInt8] = try predicate.serializedBytes()
        for _ in 0..<3000 {
            var outer: [UInt8] = [26]
            var count = bytes.count
            while count >= 0x80 {
                outer.append(UInt8(count & 0x7f) | 0x80)
                count >>= 7
            }
            bytes = outer + [UInt8(count)] + bytes
        }
        let input = ConfigReader.Input(bytes, name: "", format: .binary)
        #expect(throws: ConfigErrors.self) {
            try ConfigReader.read(Envoy_Config_Listener_V3_ListenerFilterChainMatchPredicate.self, [input])
        }
    }

    @Test func piecesAreJoined() throws {
        // socket_address { address: "a" }, then socket_address { port_value: 7 }, then pipe, then socket_address again.
        let joined: [UInt8] = [10, 3, 18, 1, 97, 10, 2, 24, 7]
        let read = { (bytes: [UInt8]) in
            try ConfigReader.read(
                Envoy_Config_Core_V3_Address.self, [ConfigReader.Input(bytes, name: "", format: .binary)]
            ).message
        }
        #expect(try read(joined).socketAddress.address == "a")
        #expect(try read(joined).socketAddress.portValue == 7)
        #expect(try read(joined + [18, 3, 10, 1, 98]).pipe.path == "b")
        // What a oneof dropped does not come back.
        #expect(throws: ConfigErrors.self) { try read(joined + [18, 3, 10, 1, 98, 10, 2, 24, 8]) }
    }

    @Test func packedAndUnpacked() throws {
        for bytes: [UInt8] in [[58, 2, 80, 81], [56, 80, 56, 81]] {
            let input = ConfigReader.Input(bytes, name: "", format: .binary)
            let match = try ConfigReader.read(Envoy_Config_Listener_V3_FilterChainMatch.self, [input]).message
            #expect(match.sourcePorts == [80, 81])
        }
    }
}
