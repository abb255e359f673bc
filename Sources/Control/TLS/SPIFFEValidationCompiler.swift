// `envoy.tls.cert_validator.spiffe`: trust domains, each with authorities of its own, one by one or in the SPIFFE bundles of a
// file.

import COpenSSL
import EnvoyAPI
import Pipeline
import Primitives

typealias SPIFFEValidatorConfig = Envoy_Extensions_TransportSockets_Tls_V3_SPIFFECertValidatorConfig

struct SPIFFEValidationCompiler {
    let part: PlanPart
    let diagnostics: Diagnostics

    /// `names`: reads the names that a peer may have.
    func compile(_ context: ValidationContext, _ place: Place, names: (ValidationContext, Place, inout PeerCheck) -> Void) -> PeerValidation? {
        let at = place.at("custom_validator_config").at("typed_config")
        let any = context.customValidatorConfig.typedConfig
        guard any.messageName == SPIFFEValidatorConfig.protoMessageName, let message = try? SPIFFEValidatorConfig(serializedBytes: any.value) else {
            diagnostics.error(
                at, "a validator of SPIFFE is configured by another message", found: "'\(any.messageName)'",
                expected: SPIFFEValidatorConfig.protoMessageName)
            return nil
        }
        let before = diagnostics.errors.count
        warn(context, place)
        var check = PeerCheck()
        check.isSPIFFE = true
        check.allowsExpired = context.allowExpiredCertificate
        // Other names than URIs do not count, and may be what another validator would look at.
        var uris = context
        uris.matchTypedSubjectAltNames = context.matchTypedSubjectAltNames.filter { $0.sanType == .uri }
        uris.matchSubjectAltNames = []
        names(uris, place, &check)
        var shownName = ""
        let domains = message.hasTrustBundles ? bundles(message.trustBundles, at.at("trust_bundles")) : self.domains(message, at, &shownName)
        guard let domains, diagnostics.errors.count == before else { return nil }
        if domains.isEmpty {
            diagnostics.warning(at.at("trust_domains"), "there is no trust domain: every certificate is refused", suggestion: "give one, or trust_bundles")
        }
        var validation = unsafe PeerValidation(check: part.arena.store(check))
        validation.requiresCertificate = true
        validation.trustDomains = domains
        validation.authoritiesName = shownName
        return validation
    }

    /// What the validator of Envoy does not look at.
    private func warn(_ context: ValidationContext, _ place: Place) {
        let fields: KeyValuePairs<StaticString, Bool> = [
            "trusted_ca": context.hasTrustedCa, "system_root_certs": context.hasSystemRootCerts, "crl": context.hasCrl,
            "verify_certificate_hash": !context.verifyCertificateHash.isEmpty,
            "verify_certificate_spki": !context.verifyCertificateSpki.isEmpty,
            "match_subject_alt_names": !context.matchSubjectAltNames.isEmpty,
            "trust_chain_verification": context.trustChainVerification == .acceptUntrusted,
            "max_verify_depth": context.hasMaxVerifyDepth,
        ]
        for (field, isSet) in fields where isSet {
            diagnostics.warning(place.at(field), "'\(field)' does not count beside a validator of SPIFFE, as in Envoy")
        }
        for (i, name) in context.matchTypedSubjectAltNames.enumerated() where name.sanType != .uri {
            diagnostics.warning(
                place.at("match_typed_subject_alt_names", i), "names that are no URI do not count beside a validator of SPIFFE, as in Envoy")
        }
    }

    // MARK: One by one

    private func domains(_ message: SPIFFEValidatorConfig, _ at: Place, _ shownName: inout String) -> [TrustDomainMaterial]? {
        var domains: [TrustDomainMaterial] = []
        var seen: Set<String> = []
        for (i, one) in message.trustDomains.enumerated() {
            let place = at.at("trust_domains", i)
            guard seen.insert(one.name).inserted else {
                diagnostics.error(
                    place.at("name"), "Multiple trust bundles are given for one trust domain for \(one.name)", expected: "one for each domain")
                continue
            }
            guard let pem = DataSources.read(one.trustBundle, place.at("trust_bundle"), part, diagnostics) else { continue }
            let authorities = CertificateReader.chain(pem)
            if authorities.isEmpty {
                diagnostics.error(
                    place.at("trust_bundle"), "Failed to load trusted CA certificate for \(one.name)",
                    found: pem.isEmpty ? "no bytes" : nil, expected: "certificates in PEM form")
            }
            // As Envoy shows all of them: by what was read last.
            if case .filename(let path) = one.trustBundle.specifier { shownName = "\(one.name): \(path)" } else { shownName = "\(one.name): " }
            domains.append(TrustDomainMaterial(name: one.name, authorities: authorities, revocations: pem))
        }
        return domains
    }

    // MARK: Bundles

    /// SPIFFE Trust Domain and Bundle §4, by the name of the domain, under `trust_domains`.
    private func bundles(_ source: DataSource, _ place: Place) -> [TrustDomainMaterial]? {
        guard let bytes = DataSources.read(source, place, part, diagnostics) else { return nil }
        if bytes.isEmpty {
            let name = CertificateReader.name(source)
            diagnostics.error(place, "file \(name) is empty", expected: "bundles of SPIFFE in JSON")
            return nil
        }
        do throws(BundleFailure) {
            return try SPIFFEValidationCompiler.read(bytes)
        } catch {
            diagnostics.error(place, error.reason)
            return nil
        }
    }

    struct BundleFailure: Error {
        let reason: String
    }

    /// In the order of the domains' names.
    static func read(_ json: [UInt8]) throws(BundleFailure) -> [TrustDomainMaterial] {
        guard let whole = try? Google_Protobuf_Struct(jsonUTF8Bytes: json) else {
            throw BundleFailure(reason: "Invalid JSON found in SPIFFE bundle")
        }
        let domains = whole.fields["trust_domains"]?.structValue.fields ?? [:]
        if domains.isEmpty { throw BundleFailure(reason: "No trust domains found in SPIFFE bundle") }
        var materials: [TrustDomainMaterial] = []
        for (name, bundle) in domains.sorted(by: { $0.key < $1.key }) {
            let keys = bundle.structValue.fields["keys"]?.listValue.values ?? []
            if keys.isEmpty { throw BundleFailure(reason: "No keys found in SPIFFE bundle for domain '\(name)'") }
            var material = TrustDomainMaterial(name: name)
            for key in keys { try add(key.structValue, to: &material) }
            materials.append(material)
        }
        return materials
    }

    private static func add(_ key: Google_Protobuf_Struct, to material: inout TrustDomainMaterial) throws(BundleFailure) {
        guard key.fields["use"]?.stringValue == "x509-svid" else {
            throw BundleFailure(reason: "missing or invalid 'use' field found in cert for domain '\(material.name)'")
        }
        let certificates = key.fields["x5c"]?.listValue.values ?? []
        if certificates.isEmpty { throw BundleFailure(reason: "missing or empty 'x5c' field found in keys for domain: '\(material.name)'") }
        for certificate in certificates {
            // RFC 7517 §4.7: base64 of DER, of the ordinary alphabet.
            guard let der = Base64.decode(certificate.stringValue), !der.isEmpty else {
                throw BundleFailure(reason: "Failed to create x509 object while loading certs in domain '\(material.name)'")
            }
            guard let read = unsafe CertificateReader.x509(der) else {
                martlet_err_clear()
                throw BundleFailure(reason: "Invalid x509 object in certs for domain '\(material.name)'")
            }
            unsafe X509_free(read)
            material.authorities.append(der)
        }
    }
}
