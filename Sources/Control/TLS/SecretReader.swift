// A secret out of what discovery brings, the same out of a file, over REST or on a stream.

import EnvoyAPI

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
}
