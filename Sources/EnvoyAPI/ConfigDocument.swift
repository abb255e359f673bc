/// A configuration that satisfies the schema; what its names refer to is checked by whoever compiles it.
package struct ConfigDocument: Sendable {
    package let bootstrap: Envoy_Config_Bootstrap_V3_Bootstrap
    /// Where its values were written.
    package let source: SourceMap
    /// Accepted, but worth a word; in the order of the file.
    package let warnings: [ConfigError]

    /// The same, with what the command line lays over it.
    package func with(_ bootstrap: Envoy_Config_Bootstrap_V3_Bootstrap) -> ConfigDocument {
        ConfigDocument(bootstrap: bootstrap, source: source, warnings: warnings)
    }
}

extension ConfigReader {
    /// The file of `--config-path` with the text of `--config-yaml` merged over it; either may be missing.
    package static func read(
        path: String?, yaml: String? = nil, unknownFields: ConfigError.Severity = .error
    ) throws(ConfigErrors) -> ConfigDocument {
        var inputs: [Input] = []
        if let path { inputs.append(try file(path)) }
        if let yaml { inputs.append(Input(yaml: yaml, name: "--config-yaml")) }
        for i in inputs.indices { inputs[i].unknownFields = unknownFields }
        guard !inputs.isEmpty else {
            throw ConfigErrors([
                ConfigError(
                    message: "At least one of --config-path or --config-yaml or Options::configProto() should be non-empty",
                    expected: "the path of a configuration", suggestion: "give one with -c")
            ])
        }
        return try read(inputs)
    }

    package static func read(yaml: String, file: String = "") throws(ConfigErrors) -> ConfigDocument {
        try read([Input(yaml: yaml, name: file)])
    }

    package static func read(_ inputs: [Input]) throws(ConfigErrors) -> ConfigDocument {
        let read = try read(Envoy_Config_Bootstrap_V3_Bootstrap.self, inputs)
        return ConfigDocument(bootstrap: read.message, source: read.source, warnings: read.warnings)
    }
}
