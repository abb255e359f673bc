import EnvoyAPI
import Testing

/// `--config-yaml` laid over the file, as protobuf's MergeFrom.
@Suite struct MergeTests {
    private let file = """
        static_resources:
          clusters:
          - name: a
            connect_timeout: 1s
        node: {id: one, cluster: c, metadata: {k: 1, l: 2}}
        layered_runtime: {layers: [{name: base, static_layer: {x: 1}}]}
        admin: {profile_path: /p, address: {pipe: {path: /old}}}
        """

    private func merged(_ over: String) throws(ConfigErrors) -> ConfigDocument {
        try ConfigReader.read([
            ConfigReader.Input(yaml: file, name: "f.yaml"), ConfigReader.Input(yaml: over, name: "--config-yaml"),
        ])
    }

    @Test func scalarsReplaceMessagesMergeListsAppend() throws {
        let document = try merged(
            """
            static_resources: {clusters: [{name: b}]}
            node: {id: two, metadata: {l: 3, m: 4}}
            layered_runtime: {layers: [{name: more, admin_layer: {}}]}
            """)
        let bootstrap = document.bootstrap
        #expect(bootstrap.staticResources.clusters.map(\.name) == ["a", "b"])
        #expect(bootstrap.node.id == "two")
        #expect(bootstrap.node.cluster == "c")
        #expect(bootstrap.node.metadata.fields.mapValues(\.numberValue) == ["k": 1, "l": 3, "m": 4])
        #expect(bootstrap.layeredRuntime.layers.map(\.name) == ["base", "more"])
        #expect(
            document.source.position("static_resources.clusters[1].name")
                == SourceMap.Position(file: "--config-yaml", line: 1, column: 38))
        #expect(
            document.source.position("static_resources.clusters[0].name")
                == SourceMap.Position(file: "f.yaml", line: 3, column: 11))
    }

    @Test func oneofsReplace() throws {
        let document = try merged("admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}")
        #expect(document.bootstrap.admin.address.socketAddress.address == "127.0.0.1")
        #expect(document.bootstrap.admin.profilePath == "/p")
        guard case .portValue(0)? = document.bootstrap.admin.address.socketAddress.portSpecifier else {
            Issue.record("port 0 is a port")
            return
        }
    }

    /// proto3 cannot tell them from absence.
    @Test func defaultsDoNotReplace() throws {
        #expect(try merged("admin: {profile_path: ''}").bootstrap.admin.profilePath == "/p")
    }

    /// Neither input has to be complete for itself.
    @Test func checkedAfterMerging() throws {
        let half = ConfigReader.Input(yaml: "static_resources: {listeners: [{address: {}}]}", name: "a")
        #expect(throws: ConfigErrors.self) { try ConfigReader.read([half]) }
        let base = ConfigReader.Input(yaml: "admin: {address: {socket_address: {port_value: 1}}}", name: "a")
        let over = ConfigReader.Input(yaml: "admin: {address: {socket_address: {address: b}}}", name: "b")
        #expect(try ConfigReader.read([base, over]).bootstrap.admin.address.socketAddress.portValue == 1)
    }

    @Test func mistakesOfBoth() {
        do {
            _ = try ConfigReader.read([
                ConfigReader.Input(yaml: "foo: 1", name: "a.yaml"), ConfigReader.Input(yaml: "\nbar: 2", name: "over"),
            ])
        } catch {
            #expect(error.errors.map { "\($0.file):\($0.line)" } == ["a.yaml:1", "over:2"])
        }
    }
}
