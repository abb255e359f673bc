/// Any message, read like a bootstrap: routes from a file, resources over xDS.
package struct ReadMessage<M: SwiftProtobuf.Message>: Sendable {
    package let message: M
    package let source: SourceMap
    package let warnings: [ConfigError]
}

/// Text or bytes → messages, or all mistakes at once.
package enum ConfigReader {
    package enum Format: Sendable {
        case yaml, json, binary
        /// Protobuf's text format, which only Envoy reads.
        case text

        /// By extension, as Envoy does. What has another extension is read as YAML, of which JSON is a part.
        package init(path: String) {
            if path.hasSuffix(".json") {
                self = .json
            } else if path.hasSuffix(".pb") {
                self = .binary
            } else if path.hasSuffix(".pb_text") {
                self = .text
            } else {
                self = .yaml
            }
        }
    }

    /// One input, in the order in which they are laid over each other.
    package struct Input: Sendable {
        package var bytes: [UInt8]
        /// How errors call it.
        package var name: String
        package var format: Format
        /// What a field is that Martlet does not know: an error in a file; over xDS Envoy warns and goes on.
        package var unknownFields: ConfigError.Severity

        package init(
            _ bytes: [UInt8], name: String, format: Format, unknownFields: ConfigError.Severity = .error
        ) {
            self.bytes = bytes
            self.name = name
            self.format = format
            self.unknownFields = unknownFields
        }

        package init(yaml: String, name: String) { self.init(Array(yaml.utf8), name: name, format: .yaml) }
    }

    package static func file(_ path: String) throws(ConfigErrors) -> Input {
        do {
            let bytes = try FileBytes.read(path, limit: YAMLLimits.bytesMax)
            return Input(bytes, name: path, format: Format(path: path))
        } catch {
            throw ConfigErrors([ConfigError(file: path, message: "Invalid path: \(path) (\(error.reason))")])
        }
    }

    /// What is said of bytes that are no message at all.
    package static func notBinary(_ type: String) -> String { "the file is not a \(type) in protobuf's binary format" }

    /// Any message of `Protos/`.
    package static func read<M: SwiftProtobuf.Message>(
        _ type: M.Type, _ inputs: [Input]
    ) throws(ConfigErrors) -> ReadMessage<M> {
        var reading = Reading(M.protoMessageName, files: inputs.map(\.name))
        for (index, input) in inputs.enumerated() { reading.lay(input, UInt16(clamping: index)) }
        let (tree, bytes, warnings) = try reading.finish()
        do {
            var options = BinaryDecodingOptions()
            options.messageDepthLimit = TreeDecoder.depthMax
            let message = try M(serializedBytes: bytes, options: options)
            return ReadMessage(
                message: message, source: SourceMap(.shared, tree, files: inputs.map(\.name)), warnings: warnings)
        } catch {
            // Binary input with strings that are not UTF-8, or a tree that SwiftProtobuf finds too deep.
            throw ConfigErrors([ConfigError(file: inputs.first?.name ?? "", message: "not a \(M.protoMessageName)")])
        }
    }
}
