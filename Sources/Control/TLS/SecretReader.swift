// A secret out of what discovery brings, the same out of a file, over REST or on a stream.

import EnvoyAPI

typealias DiscoveryResponseMessage = Envoy_Service_Discovery_V3_DiscoveryResponse

/// Where a secret with an `sds_config` comes from.
enum SecretSource {
    /// A discovery response; and where it is named.
    case file(String, Place)
    case server
    /// It has been said.
    case nowhere

    init(_ config: SecretReference, _ place: Place, _ diagnostics: Diagnostics) {
        let at = place.at("sds_config")
        switch config.sdsConfig.configSourceSpecifier {
        case .path(let path): self = .file(path, at.at("path"))
        case .pathConfigSource(let source): self = .file(source.path, at.at("path_config_source").at("path"))
        case .apiConfigSource, .ads: self = .server
        case .none:
            diagnostics.error(at, "the source of the secret '\(config.name)' is missing", expected: "path_config_source, api_config_source or ads")
            self = .nowhere
        }
    }

    static func missing(_ path: String, _ place: Place, _ diagnostics: Diagnostics) {
        diagnostics.error(place, "paths must refer to an existing path in the system: '\(path)' does not exist")
    }
}

enum SecretReader {
    static let typeURL = "type.googleapis.com/" + TLSSecret.protoMessageName

    /// With the constraints of the API: what they refuse, the compiler does not look for any more.
    static func read(_ resource: DiscoveredResource) throws(DiscoveryRefusal) -> TLSSecret {
        guard resource.typeURL.hasSuffix("/" + TLSSecret.protoMessageName) else {
            throw DiscoveryRefusal(reason: "not a \(TLSSecret.protoMessageName): \(resource.typeURL)")
        }
        do throws(ConfigErrors) {
            return try ConfigReader.read(
                TLSSecret.self, [ConfigReader.Input(resource.bytes, name: "", format: .binary, unknownFields: .warning)]).message
        } catch {
            guard let first = error.errors.first, first.message != notBinary else {
                throw DiscoveryRefusal(reason: "Unable to unpack as \(TLSSecret.protoMessageName)")
            }
            throw DiscoveryRefusal(reason: first.path.isEmpty ? first.message : "\(first.path): \(first.message)")
        }
    }

    private static let notBinary = ConfigReader.notBinary(TLSSecret.protoMessageName)

    /// Of an answer that is all for one name.
    static func only(_ name: String, _ resources: [DiscoveredResource]) throws(DiscoveryRefusal) -> DiscoveredResource {
        if resources.isEmpty { throw DiscoveryRefusal(reason: "Missing SDS resources for \(name) in onConfigUpdate()") }
        if resources.count > 1 { throw DiscoveryRefusal(reason: "Unexpected SDS secrets length: \(resources.count)") }
        return resources[0]
    }

    static func expect(_ name: String, _ secret: TLSSecret) throws(DiscoveryRefusal) {
        if secret.name != name { throw DiscoveryRefusal(reason: "Unexpected SDS secret (expecting \(name)): \(secret.name)") }
    }

    // MARK: Files

    static func response(_ path: String) throws(DiscoveryRefusal) -> DiscoveryResponseMessage {
        let bytes: [UInt8]
        do throws(FileContents.Failure) { bytes = try FileContents.read(path) } catch {
            throw DiscoveryRefusal(reason: "unable to read file: \(path) (\(error.reason))")
        }
        return try response(bytes, path)
    }

    static func response(_ bytes: [UInt8], _ path: String) throws(DiscoveryRefusal) -> DiscoveryResponseMessage {
        do throws(ConfigErrors) {
            return try ConfigReader.read(
                DiscoveryResponseMessage.self, [ConfigReader.Input(bytes, name: path, format: ConfigReader.Format(path: path))]).message
        } catch {
            let first = error.errors.first
            throw DiscoveryRefusal(reason: first.map { "\($0.file):\($0.line):\($0.column): \($0.message)" } ?? "not a discovery response")
        }
    }

    /// The secret that is all there is in a response.
    static func read(_ response: DiscoveryResponseMessage, _ name: String) throws(DiscoveryRefusal) -> TLSSecret {
        let secret = try read(only(name, response.resources.compactMap { DiscoveredResource(world: $0) }))
        try expect(name, secret)
        return secret
    }
}
