// What of the bootstrap is no listener's, no cluster's and no statistic's: mostly what is refused.

import EnvoyAPI

struct BootstrapCompiler {
    let bootstrap: Bootstrap
    let diagnostics: Diagnostics
    private let compilation: Compilation

    init(compilation: Compilation) {
        self.compilation = compilation
        bootstrap = compilation.bootstrap
        diagnostics = compilation.diagnostics
    }

    func check() {
        layers()
        logFormat()
        regexEngine()
        // What has an effect that Martlet does not have. Inline headers and allocators have none that one could see.
        diagnostics.unsupported(
            Place.root, "envoy.config.bootstrap.v3.Bootstrap",
            [
                "header_prefix": !bootstrap.headerPrefix.isEmpty,
                "default_socket_interface": !bootstrap.defaultSocketInterface.isEmpty,
                "bootstrap_extensions": !bootstrap.bootstrapExtensions.isEmpty,
                "certificate_provider_instances": !bootstrap.certificateProviderInstances.isEmpty,
                "xds_delegate_extension": bootstrap.hasXdsDelegateExtension,
                "xds_config_tracker_extension": bootstrap.hasXdsConfigTrackerExtension,
                "listener_manager": bootstrap.hasListenerManager,
            ])
    }

    private func layers() {
        let place = Place.root.at("layered_runtime")
        var names: Set<String> = []
        var admins = 0
        for (i, layer) in bootstrap.layeredRuntime.layers.enumerated() {
            let at = place.at("layers", i)
            if !names.insert(layer.name).inserted {
                diagnostics.error(at.at("name"), "Duplicate layer name: \(layer.name)", expected: "a name of its own for each layer")
            }
            if case .rtdsLayer(let discovered) = layer.layerSpecifier { source(discovered.rtdsConfig, at.at("rtds_layer").at("rtds_config")) }
            guard case .adminLayer? = layer.layerSpecifier else { continue }
            admins += 1
            if admins > 1 {
                diagnostics.error(
                    at.at("admin_layer"), "Too many admin layers specified in LayeredRuntime, at most one may be specified")
            }
        }
    }

    private func source(_ config: ConfigSourceMessage, _ at: Place) {
        switch config.configSourceSpecifier {
        case .path(let path): file(path, at.at("path"))
        case .pathConfigSource(let source): file(source.path, at.at("path_config_source").at("path"))
        case .none:
            diagnostics.error(
                at, "Missing config source specifier in envoy::config::core::v3::ConfigSource", expected: "api_config_source, ads or path_config_source")
        default: DiscoverySource.check(config, at, compilation)
        }
    }

    private func file(_ path: String, _ at: Place) {
        if FileWatch.identity(path).isEmpty {
            diagnostics.error(at, "paths must refer to an existing path in the system: '\(path)' does not exist")
        }
    }

    /// As they are, a message's quotes would end the string that it stands in.
    private func logFormat() {
        guard case .jsonFormat(let structure)? = bootstrap.applicationLogConfig.logFormat.logFormat else { return }
        for flag in ["%v", "%_"] where BootstrapCompiler.names(flag, structure) {
            diagnostics.error(
                Place.root.at("application_log_config").at("log_format").at("json_format"),
                "setJsonLogFormat error: INVALID_ARGUMENT: Usage of \(flag) is unavailable for JSON log formats", expected: "%j")
        }
    }

    private static func names(_ operator: String, _ structure: Google_Protobuf_Struct) -> Bool {
        structure.fields.contains { $0.key.contains(`operator`) || names(`operator`, $0.value) }
    }

    private static func names(_ operator: String, _ value: Google_Protobuf_Value) -> Bool {
        switch value.kind {
        case .stringValue(let text): text.contains(`operator`)
        case .structValue(let inner): names(`operator`, inner)
        case .listValue(let list): list.values.contains { names(`operator`, $0) }
        default: false
        }
    }

    /// RE2 is what there is.
    private func regexEngine() {
        guard bootstrap.hasDefaultRegexEngine else { return }
        let engine = bootstrap.defaultRegexEngine
        let type = engine.typedConfig.messageName
        guard type != "envoy.extensions.regex_engines.v3.GoogleRE2" else { return }
        diagnostics.error(
            Place.root.at("default_regex_engine").at("typed_config"),
            "Didn't find a registered implementation for '\(engine.name)' with type URL: '\(type)'",
            expected: "envoy.extensions.regex_engines.v3.GoogleRE2")
    }
}
