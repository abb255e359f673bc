// A secret out of a file or of a management server as `/config_dump` shows it, which is as Envoy does.

import EnvoyAPI

package struct DynamicSecret {
    package let name: String
    package let versionInfo: String
    package let updatedNs: UInt64
    /// In protobuf's wire format; what it names by file is in it. Keys are written as redacted by whoever shows it.
    package let bytes: [UInt8]
    package let isActive: Bool

    private init(_ secret: TLSSecret, _ version: String, _ updatedNs: UInt64, isActive: Bool) {
        name = secret.name
        versionInfo = version
        self.updatedNs = updatedNs
        self.isActive = isActive
        bytes = (try? secret.serializedBytes()) ?? []
    }

    /// One that serves. A file that is gone is shown by its name. A `generic` one of another kind serves as an empty one.
    init(_ secret: TLSSecret, version: String, updatedNs: UInt64, as kind: SecretKind? = nil) {
        var shown = secret
        if kind == .generic { shown.genericSecret = secret.genericSecret }
        _ = DynamicSecret.readFiles(&shown)
        self.init(shown, version, updatedNs, isActive: true)
    }

    /// One that has not come.
    init(awaited name: String, updatedNs: UInt64) {
        self.init(DynamicSecret.empty(name), "uninitialized", updatedNs, isActive: false)
    }

    /// One that could not be used. Envoy shows it as active all the same, with its version, and the time at which one could be
    /// used last; one whose files cannot be read as warming; and one of another kind as an empty one.
    init(refused secret: TLSSecret, version: String, updatedNs: UInt64, as kind: SecretKind) {
        var shown = secret
        guard DynamicSecret.readFiles(&shown) else {
            self.init(DynamicSecret.empty(secret.name), version, updatedNs, isActive: false)
            return
        }
        switch (kind, shown.type) {
        case (.certificate, .tlsCertificate), (.validation, .validationContext), (.ticketKeys, .sessionTicketKeys), (.generic, .genericSecret):
            break
        case (.certificate, _):
            shown.tlsCertificate = TLSCertificateMessage()
            shown.tlsCertificate.certificateChain = DataSource()
        case (.validation, _): shown.validationContext = ValidationContext()
        case (.ticketKeys, _): shown.sessionTicketKeys = .init()
        case (.generic, _): shown.genericSecret = .init()
        }
        self.init(shown, version, updatedNs, isActive: true)
    }

    /// Of a management server's: another version may be the same secret, or one that is refused.
    func updated(_ secret: DiscoveredSecret?) -> DynamicSecret {
        guard let secret else { return self }
        if let refused = secret.refused { return refused }
        guard isActive else { return self }
        return DynamicSecret(self, version: secret.version, updatedNs: secret.updatedNs)
    }

    private init(_ other: DynamicSecret, version: String, updatedNs: UInt64) {
        name = other.name
        versionInfo = version
        self.updatedNs = updatedNs
        bytes = other.bytes
        isActive = other.isActive
    }

    private static func empty(_ name: String) -> TLSSecret {
        var empty = TLSSecret()
        empty.name = name
        return empty
    }

    /// False: one of them cannot be read.
    private static func readFiles(_ secret: inout TLSSecret) -> Bool {
        var areThere = true
        func inline(_ source: inout DataSource) {
            guard case .filename(let path) = source.specifier else { return }
            guard let bytes = try? FileContents.read(path) else {
                areThere = false
                return
            }
            // One file for a certificate and its key is common: it is shown by its name.
            if !PrivateKeys.areIn(bytes) { source = inlined(bytes) }
        }
        switch secret.type {
        case .tlsCertificate(var certificate):
            if certificate.hasCertificateChain { inline(&certificate.certificateChain) }
            if certificate.hasPrivateKey {
                if case .filename(let path) = certificate.privateKey.specifier, (try? FileContents.read(path)) == nil { areThere = false }
                hide(&certificate.privateKey)
            }
            secret.tlsCertificate = certificate
        case .validationContext(var context):
            if context.hasTrustedCa { inline(&context.trustedCa) }
            if context.hasCrl { inline(&context.crl) }
            secret.validationContext = context
        case .genericSecret(var generic):
            // Not read, as in Envoy: all that is said is redacted.
            if generic.hasSecret { blank(&generic.secret) }
            for (name, var source) in generic.secrets {
                blank(&source)
                generic.secrets[name] = source
            }
            secret.genericSecret = generic
        default: break
        }
        return areThere
    }

    /// Not even kept; how it was given is shown.
    private static func hide(_ source: inout DataSource) {
        switch source.specifier {
        case .inlineString: source.inlineString = "-"
        case .environmentVariable: source.environmentVariable = "-"
        case .filename, .inlineBytes: source = inlined([0])
        case .none: break
        }
    }

    private static func blank(_ source: inout DataSource) {
        if case .filename = source.specifier { source.filename = "-" } else { hide(&source) }
    }

    private static func inlined(_ bytes: [UInt8]) -> DataSource {
        // `inline_bytes` (field 2) as the wire has it: a source made of it needs no other type for bytes.
        var wire: [UInt8] = [0x12]
        var length = bytes.count
        while length > 127 {
            wire.append(UInt8(length & 127) | 128)
            length >>= 7
        }
        wire.append(UInt8(length))
        return (try? DataSource(serializedBytes: wire + bytes)) ?? DataSource()
    }
}
