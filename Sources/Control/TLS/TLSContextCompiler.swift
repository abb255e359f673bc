// A downstream or upstream TLS context: from its message to a plan part of its own.
//
// The part is apart from its listener's or cluster's, so that a new certificate is a new part and nothing else changes.

import COpenSSL
import EnvoyAPI
import Pipeline
import Primitives
import Stats
import Transport

/// What a context is made from, kept so that it can be made again when a file changes.
struct TLSSource {
    enum Context {
        case downstream(KeptMessage<DownstreamTLSContext>)
        case upstream(KeptMessage<UpstreamTLSContext>)
    }
    /// Static secrets are in it.
    let context: Context
    let place: Place
    /// `listener.<address>.` or `cluster.<name>.`
    let statPrefix: String
    let slot: UInt32
    /// Whose part it belongs to.
    let owner: PlanPart
    /// Of the filter chain (`SessionTicketCount`).
    var ticketCount: Int?
    /// Of secrets.
    private(set) var certificateNames: [String]
    private(set) var authorityName: String

    mutating func name(_ certificates: [String], _ authority: String) {
        certificateNames = certificates
        authorityName = authority
    }
}

extension ResolvedContext {
    fileprivate init(message: Message, _ source: TLSSource) {
        self.init(message: message, certificateNames: source.certificateNames, authorityName: source.authorityName)
    }
}

/// A context that is compiled but has no number yet.
struct TLSDraft {
    let source: TLSSource
    let part: PlanPart
    let config: TLSContextConfig
    let records: TLSRecords
    /// Out of files and of management servers, as they are now.
    let secrets: [DynamicSecret]
    let discovered: [DiscoveredSecret]
    /// Every secret is there.
    let isReady: Bool
    /// Statistics that it shares with what it takes the place of: they are what serves.
    var showExpirations: () -> Void = {}
}

struct TLSContextCompiler {
    let environment: CompileEnvironment
    let diagnostics: Diagnostics
    let makePart: (TLSSource) -> PlanPart

    /// Nil after an error. `waits`: a secret of a file that is not there yet leaves a context that refuses every connection
    /// until the file has it; one of a management server always does. `isTrial`: whatever is wrong is looked for, behind the first
    /// mistake too, and what comes of it is not served. `countsFiles`: files of secrets are looked at because they may be others.
    func compile(_ source: TLSSource, waits: Bool = true, isTrial: Bool = false, countsFiles: Bool = true) -> TLSDraft? {
        let part = makePart(source)
        let before = diagnostics.errors.count
        var config = TLSContextConfig()
        let settings: TLSSettings?
        let others = ContextSecrets(environment, part, diagnostics, waits: waits, counts: countsFiles && !isTrial)
        var shown = source
        switch source.context {
        case .downstream(let kept):
            var message = kept.message
            if ContextSecrets.areIn(message) {
                let resolved = others.substitution.resolve(ResolvedContext(message: message, source), source.place)
                message = resolved.message
                shown.name(resolved.certificateNames, resolved.authorityName)
            }
            settings = isTrial || diagnostics.errors.count == before ? downstream(message, source, part, isWhole: others.isReady) : nil
        case .upstream(let kept):
            config.isServer = false
            var message = kept.message
            config.checksServerName = message.autoSniSanValidation
            if ContextSecrets.areIn(message.commonTlsContext) {
                let resolved = others.substitution.resolve(ResolvedContext(message: message, source), source.place)
                message = resolved.message
                shown.name(resolved.certificateNames, resolved.authorityName)
            }
            settings = isTrial || diagnostics.errors.count == before ? upstream(message, source.place, part) : nil
        }
        let statistics = TLSStatistics(environment: environment, part: part, prefix: source.statPrefix + "ssl.")
        if !others.isReady, diagnostics.errors.count == before {
            statistics.fill(&config)
            config.factoryStats = statistics.factory(source).base
            return TLSDraft(
                source: source, part: part, config: config, records: TLSRecords(), secrets: others.secrets, discovered: others.discovered, isReady: false)
        }
        guard let settings, isTrial || diagnostics.errors.count == before else { return nil }
        do throws(TLSContextFactory.Failure) {
            config.contexts = try TLSContextFactory(settings, part).make(threads: environment.workers + 1)
        } catch {
            diagnostics.error(source.place, "Failed to make a TLS context: \(error.reason)")
            return nil
        }
        // Its statistics would be those of the one that serves.
        if isTrial { return nil }
        config.hasProtocols = !settings.protocols.isEmpty
        if let keyLog = settings.keyLog { unsafe config.keyLog = unsafe UnsafeRawPointer(part.arena.store(keyLog)) }
        if let check = unsafe settings.validation?.check { config.validates = unsafe check.pointee.checksSomething }
        statistics.fill(&config)
        let records = records(settings)
        let factory = statistics.factory(source)
        config.factoryStats = factory.base
        return TLSDraft(
            source: source, part: part, config: config, records: records, secrets: others.secrets, discovered: others.discovered, isReady: true,
            showExpirations: { [shown] in statistics.expirations(records, shown) })
    }

    private func records(_ settings: TLSSettings) -> TLSRecords {
        var records = TLSRecords()
        records.chains = settings.certificates.compactMap { material in
            var record = CertificateRecord(material.chain[0], path: material.name)
            if !material.staple.isEmpty {
                record?.staple = (Int(material.stapleFrom), material.stapleUntil == .max ? nil : Int(material.stapleUntil))
            }
            return record
        }
        guard let validation = settings.validation, validation.isConfigured else { return records }
        let isSPIFFE = unsafe validation.check.pointee.isSPIFFE
        let authorities = isSPIFFE ? validation.trustDomains.flatMap(\.authorities) : CertificateReader.chain(validation.authorities)
        records.authorities = authorities.compactMap { CertificateRecord($0, path: validation.authoritiesName) }
        records.trust = isSPIFFE ? .each : records.authorities.isEmpty ? .nobody : .all
        return records
    }

    /// `isWhole`: no secret is missing. What is there is looked at in any case.
    private func downstream(_ message: DownstreamTLSContext, _ source: TLSSource, _ part: PlanPart, isWhole: Bool) -> TLSSettings? {
        let place = source.place
        let before = diagnostics.errors.count
        guard var settings = common(message.commonTlsContext, isServer: true, place.at("common_tls_context"), part) else { return nil }
        settings.requiresName = message.requireSni.value
        settings.scansCertificates = message.fullScanCertsOnSniMismatch.value
        staples(message, place, &settings)
        settings.prefersClientCiphers = message.preferClientCiphers
        settings.requiresCertificate = message.requireClientCertificate.value || settings.validation?.requiresCertificate == true
        if settings.requiresCertificate, settings.validation == nil {
            settings.validation = unsafe PeerValidation(isConfigured: false, check: part.arena.store(PeerCheck()))
        }
        // As Envoy: who names the certificates that are let in wants one.
        if let check = unsafe settings.validation?.check.pointee, !check.acceptsUntrusted,
            !check.names.isEmpty || !check.hashes.isEmpty || !check.keyHashes.isEmpty
        {
            settings.requiresCertificate = true
        }
        if case .validationContext = message.commonTlsContext.validationContextType, !message.hasRequireClientCertificate,
            !settings.requiresCertificate
        {
            diagnostics.warning(
                place.at("require_client_certificate"),
                "a client certificate is verified where one comes, and none is required: the default that a validation context has here",
                suggestion: "say require_client_certificate: true or false")
        }
        resumption(message, place, part, &settings)
        if let count = source.ticketCount {
            settings.ticketCount = count
            // Of TLS 1.2, which has one ticket or none.
            if count == 0 { settings.usesTickets = false }
        }
        if isWhole, message.commonTlsContext.tlsCertificates.isEmpty, diagnostics.errors.count == before {
            diagnostics.error(
                place.at("common_tls_context"), "No TLS certificates found for server context",
                expected: "tls_certificates, or tls_certificate_sds_secret_configs that name static secrets")
        }
        return settings
    }

    private func staples(_ message: DownstreamTLSContext, _ place: Place, _ settings: inout TLSSettings) {
        settings.staplePolicy =
            switch message.ocspStaplePolicy {
            case .strictStapling: .strict
            case .mustStaple: .must
            case .lenientStapling, .UNRECOGNIZED: .lenient
            }
        for (i, certificate) in settings.certificates.enumerated() where certificate.staple.isEmpty {
            let at = place.at("common_tls_context").at("tls_certificates", i)
            if certificate.facts.mustStaple {
                diagnostics.error(at, "OCSP response is required for must-staple certificate", expected: "ocsp_staple")
            } else if settings.staplePolicy == .must {
                diagnostics.error(at, "Required OCSP response is missing from TLS context", expected: "ocsp_staple")
            }
        }
    }

    private func upstream(_ message: UpstreamTLSContext, _ place: Place, _ part: PlanPart) -> TLSSettings? {
        guard
            var settings = common(
                message.commonTlsContext, isServer: false, matchesServerName: message.autoSniSanValidation,
                place.at("common_tls_context"), part)
        else { return nil }
        settings.allowsRenegotiation = message.allowRenegotiation
        if message.hasMaxSessionKeys { settings.clientSessionsMax = Int(message.maxSessionKeys.value) }
        if message.autoSniSanValidation, message.commonTlsContext.validationContextType == nil {
            diagnostics.error(
                place.at("auto_sni_san_validation"),
                "'auto_sni_san_validation' was configured without a validation context", expected: "trusted_ca")
        }
        if settings.certificates.count > 1 {
            diagnostics.error(
                place.at("common_tls_context").at("tls_certificates"),
                "Multiple TLS certificates are not supported for client contexts")
        }
        return settings
    }

    private func common(
        _ message: CommonTLSContext, isServer: Bool, matchesServerName: Bool = false, _ place: Place, _ part: PlanPart
    ) -> TLSSettings? {
        diagnostics.unsupported(
            place, "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext",
            [
                "tls_certificate_provider_instance": message.hasTlsCertificateProviderInstance
            ])
        if message.hasCustomHandshaker { unknown(message.customHandshaker, place.at("custom_handshaker")) }
        if message.hasCustomTlsCertificateSelector { unknown(message.customTlsCertificateSelector, place.at("custom_tls_certificate_selector")) }
        let parameters = TLSParameters(message.tlsParams, isServer: isServer, place.at("tls_params"), diagnostics)
        let reader = CertificateReader(part: part, diagnostics: diagnostics)
        let certificates = message.tlsCertificates.enumerated().compactMap { i, certificate in
            reader.certificate(certificate, place.at("tls_certificates", i))
        }
        guard let parameters else { return nil }
        var settings = TLSSettings(
            isServer: isServer, versions: parameters.versions, ciphers: parameters.ciphers, groups: parameters.groups)
        settings.signatures = parameters.signatures
        settings.suites = parameters.suites
        settings.certificates = certificates
        settings.protocols = protocols(message.alpnProtocols, place)
        if message.hasKeyLog { settings.keyLog = keyLog(message.keyLog, place.at("key_log"), part) }
        if case .validationContext(let context) = message.validationContextType {
            let compiler = PeerValidationCompiler(
                part: part, diagnostics: diagnostics, matchesServerName: matchesServerName, isServer: isServer)
            settings.validation = compiler.compile(context, place.at("validation_context"))
        }
        return settings
    }

    /// Martlet has none, whatever it is called.
    private func unknown(_ message: Envoy_Config_Core_V3_TypedExtensionConfig, _ place: Place) {
        diagnostics.error(
            place, "Didn't find a registered implementation for '\(message.name)' with type URL: '\(message.typedConfig.messageName)'",
            suggestion: "leave it out")
    }

    private func keyLog(
        _ message: Envoy_Extensions_TransportSockets_Tls_V3_TlsKeyLog, _ place: Place, _ part: PlanPart
    ) -> TLSKeyLog? {
        func ranges(_ messages: [Envoy_Config_Core_V3_CidrRange], _ field: StaticString) -> FrozenArray<AddressRange> {
            part.arena.array(
                messages.enumerated().compactMap { i, message in
                    AddressCompiler.range(message, place.at(field, i), diagnostics).map { AddressRange(address: $0.0, prefixBits: $0.1) }
                })
        }
        do throws(LogSinks.OpenFailure) {
            let lease = try environment.logSinks.lease(.file(message.path))
            part.own(lease)
            return TLSKeyLog(
                queue: lease.queue, locals: ranges(message.localAddressRange, "local_address_range"),
                remotes: ranges(message.remoteAddressRange, "remote_address_range"))
        } catch {
            diagnostics.error(place.at("path"), error.message)
            return nil
        }
    }

    private func resumption(
        _ message: DownstreamTLSContext, _ place: Place, _ part: PlanPart, _ settings: inout TLSSettings
    ) {
        settings.usesTickets = !message.disableStatelessSessionResumption
        settings.keepsSessions = !message.disableStatefulSessionResumption
        if message.hasSessionTimeout { settings.sessionTimeoutS = Int(clamping: message.sessionTimeout.seconds) }
        settings.ticketKeys = TLSContextCompiler.ticketKeys(message.sessionTicketKeys, place.at("session_ticket_keys"), part, diagnostics)
        var hash = ContentHash()
        hash.add("\(settings.requiresCertificate) \(settings.usesTickets) \(settings.keepsSessions)")
        for certificate in settings.certificates { for name in certificate.facts.names { hash.add(name) } }
        for name in message.commonTlsContext.alpnProtocols { hash.add(name) }
        // A resumed session is verified by nobody: what decides on a certificate, and whether there has to be one, is part of
        // it, files by what they hold.
        if let validation = settings.validation {
            hash.add(validation.rules)
            hash.add(validation.authorities)
            hash.add(validation.revocations)
            for domain in validation.trustDomains {
                hash.add(domain.name)
                for authority in domain.authorities { hash.add(authority) }
                hash.add(domain.revocations)
            }
        }
        settings.sessionContext = hash.bytes
    }

    static func ticketKeys(
        _ message: Envoy_Extensions_TransportSockets_Tls_V3_TlsSessionTicketKeys, _ place: Place, _ part: PlanPart, _ diagnostics: Diagnostics
    ) -> [[UInt8]] {
        var keys: [[UInt8]] = []
        for (i, source) in message.keys.enumerated() {
            let at = place.at("keys", i)
            guard let key = DataSources.read(source, at, part, diagnostics) else { continue }
            if key.count == MemoryLayout<martlet_ticket_key>.size {
                keys.append(key)
            } else {
                diagnostics.error(
                    at, "Incorrect TLS session ticket key length. Length \(key.count), expected length 80.",
                    expected: "80 random bytes, as `openssl rand 80` makes them")
            }
        }
        if keys.count > martlet_ticket_slots { diagnostics.error(place, "more than \(martlet_ticket_slots) session ticket keys") }
        return keys
    }

    /// RFC 7301 §3.1: each name has from 1 to 255 bytes.
    private func protocols(_ names: [String], _ place: Place) -> [UInt8] {
        var wire: [UInt8] = []
        for (i, name) in names.enumerated() {
            // As in Envoy, one entry may be a list.
            for part in name.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
                guard (1...255).contains(part.count), wire.count + part.count < 65535 else {
                    diagnostics.error(place.at("alpn_protocols", i), "Invalid ALPN protocol string", found: "'\(name)'")
                    return []
                }
                wire.append(UInt8(part.count))
                wire += part
            }
        }
        return wire
    }
}
