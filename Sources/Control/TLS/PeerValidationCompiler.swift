// `validation_context`: authorities, revocations, names and pins.

import COpenSSL
import EnvoyAPI
import Matching
import Pipeline
import Primitives
import Routing

struct PeerValidationCompiler {
    let part: PlanPart
    let diagnostics: Diagnostics
    /// Upstream: the name that was asked for has to be in the certificate.
    let matchesServerName: Bool
    var isServer = false

    func compile(_ message: ValidationContext, _ place: Place) -> PeerValidation? {
        let before = diagnostics.errors.count
        var rules = ContentHash()
        rules.add(message)
        diagnostics.unsupported(
            place, "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext",
            [
                "ca_certificate_provider_instance": message.hasCaCertificateProviderInstance
            ])
        if message.requireSignedCertificateTimestamp.value {
            diagnostics.warning(
                place.at("require_signed_certificate_timestamp"), "no timestamp is asked for, as in Envoy 1.40", suggestion: "leave it out")
        }
        if message.hasCustomValidatorConfig {
            let at = place.at("custom_validator_config")
            switch message.customValidatorConfig.name {
            case "envoy.tls.cert_validator.default": break
            case "envoy.tls.cert_validator.spiffe":
                var validation = SPIFFEValidationCompiler(part: part, diagnostics: diagnostics).compile(message, place, names: names)
                validation?.rules = rules.bytes
                validation?.announcesAuthorities = !message.suppressClientCaList
                return validation
            case let name:
                diagnostics.error(
                    at.at("name"), "Failed to get certificate validator factory for \(name)", found: "'\(name)'",
                    expected: "envoy.tls.cert_validator.spiffe")
                return nil
            }
        }
        var check = PeerCheck()
        check.matchesServerName = matchesServerName
        var authorities: [UInt8] = []
        if message.hasTrustedCa {
            authorities = pem(message.trustedCa, place.at("trusted_ca"), "trusted CA certificates", isRevocations: false)
        }
        check.verifiesChain = !authorities.isEmpty || message.hasSystemRootCerts
        check.acceptsUntrusted = message.trustChainVerification == .acceptUntrusted
        check.allowsExpired = message.allowExpiredCertificate
        if message.hasMaxVerifyDepth, isServer { check.depthMax = Int32(clamping: message.maxVerifyDepth.value) }
        var revocations: [UInt8] = []
        if message.hasCrl { revocations = pem(message.crl, place.at("crl"), "CRL", isRevocations: true) }
        names(message, place, &check)
        check.hashes = part.arena.array(
            message.verifyCertificateHash.enumerated().compactMap { i, text in
                hash(text, place.at("verify_certificate_hash", i))
            })
        check.keyHashes = part.arena.array(
            message.verifyCertificateSpki.enumerated().compactMap { i, text in
                pin(text, place.at("verify_certificate_spki", i))
            })
        if !check.names.isEmpty, !check.verifiesChain, !check.acceptsUntrusted {
            diagnostics.error(
                place, "SAN-based verification of peer certificates without trusted CA is insecure and not allowed",
                expected: "trusted_ca")
        }
        if message.allowExpiredCertificate, !check.verifiesChain {
            diagnostics.error(
                place.at("allow_expired_certificate"),
                "Certificate validity period is always ignored without trusted CA", expected: "trusted_ca")
        }
        if !revocations.isEmpty, !check.verifiesChain {
            diagnostics.error(place.at("crl"), "a CRL without trusted_ca is never looked at", expected: "trusted_ca")
        }
        guard diagnostics.errors.count == before else { return nil }
        var validation = unsafe PeerValidation(check: part.arena.store(check))
        validation.authorities = authorities
        validation.authoritiesName = CertificateReader.name(message.trustedCa)
        validation.usesSystemRoots = message.hasSystemRootCerts && !message.hasTrustedCa
        validation.revocations = revocations
        validation.revocationsOfLeafOnly = message.onlyVerifyLeafCertCrl
        if message.hasMaxVerifyDepth { validation.depthMax = Int32(clamping: message.maxVerifyDepth.value) }
        validation.rules = rules.bytes
        validation.announcesAuthorities = !message.suppressClientCaList
        return validation
    }

    /// Read and tried.
    private func pem(_ source: DataSource, _ place: Place, _ what: String, isRevocations: Bool) -> [UInt8] {
        guard let bytes = DataSources.read(source, place, part, diagnostics) else { return [] }
        guard let probe = unsafe SSL_CTX_new(TLS_client_method()) else { return [] }
        defer { unsafe SSL_CTX_free(probe) }
        martlet_err_clear()
        let count = unsafe isRevocations
            ? martlet_ctx_revocations(probe, bytes, bytes.count, 0) : martlet_ctx_trust(probe, bytes, bytes.count, 0)
        guard count > 0 else {
            diagnostics.error(
                place, "Failed to load \(what) from \(CertificateReader.name(source))",
                found: bytes.isEmpty ? "no bytes" : OpenSSLErrors.taken(), expected: "PEM")
            return []
        }
        return bytes
    }

    // MARK: Names

    private func names(_ message: ValidationContext, _ place: Place, _ check: inout PeerCheck) {
        var matchers: [PeerNameMatcher] = []
        for (i, typed) in message.matchTypedSubjectAltNames.enumerated() {
            let at = place.at("match_typed_subject_alt_names", i)
            let types: [Int32]
            switch typed.sanType {
            case .email: types = [GEN_EMAIL]
            case .dns: types = [GEN_DNS]
            case .uri: types = [GEN_URI]
            case .ipAddress: types = [GEN_IPADD]
            case .otherName: types = [GEN_OTHERNAME]
            default:
                // Dropped, it would let everybody in.
                types = []
                diagnostics.error(at.at("san_type"), "Failed to create SAN matcher: no type that is known", expected: "EMAIL, DNS, URI, IP_ADDRESS or OTHER_NAME")
            }
            if typed.sanType == .otherName, typed.oid.isEmpty {
                diagnostics.error(at.at("oid"), "Failed to create SAN matcher: an OTHER_NAME needs an OID")
            }
            matchers += types.compactMap { matcher(typed.matcher, $0, oid: typed.oid, at.at("matcher")) }
        }
        // The deprecated list: any of these types.
        for (i, untyped) in message.matchSubjectAltNames.enumerated() {
            let at = place.at("match_subject_alt_names", i)
            matchers += [GEN_DNS, GEN_URI, GEN_EMAIL, GEN_IPADD].compactMap { matcher(untyped, $0, oid: "", at) }
        }
        check.names = part.arena.array(matchers)
    }

    private func matcher(_ message: StringMatcher, _ type: Int32, oid: String, _ place: Place) -> PeerNameMatcher? {
        let before = diagnostics.errors.count
        guard let spec = MatcherCompiler.string(message, DiagnosedPlace(place, diagnostics)) else {
            if diagnostics.errors.count == before { diagnostics.error(place, "Failed to create SAN matcher: no pattern") }
            return nil
        }
        do throws(RegexProgram.Invalid) {
            let text = try TextMatcher(spec, in: part.arena)
            part.onDestroy { text.destroy() }
            var matcher = PeerNameMatcher(type: type, matcher: text)
            if !oid.isEmpty { matcher.oid = part.arena.text(Array(oid.utf8) + [0]) }
            if type == GEN_DNS, case .exact(let name) = message.matchPattern { matcher.exact = part.arena.text(name) }
            return matcher
        } catch {
            diagnostics.error(place.at("safe_regex").at("regex"), error.message)
            return nil
        }
    }

    // MARK: Pins

    /// 64 hexadecimal digits, or 32 pairs with colons.
    private func hash(_ text: String, _ place: Place) -> Bytes? {
        let digits = text.utf8.filter { $0 != UInt8(ascii: ":") }.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
        let wellFormed = digits.count == 64 && (text.utf8.count == 64 || text.utf8.count == 95)
        guard wellFormed else {
            diagnostics.error(
                place, "Invalid hex-encoded SHA-256 \(text)", expected: "64 hexadecimal digits, with colons or without")
            return nil
        }
        return part.arena.text(stride(from: 0, to: 64, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) })
    }

    private func pin(_ text: String, _ place: Place) -> Bytes? {
        guard let bytes = Base64.decode(text), bytes.count == 32 else {
            diagnostics.error(place, "Invalid base64-encoded SHA-256 \(text)", expected: "the 32 bytes in base64")
            return nil
        }
        return part.arena.text(bytes)
    }
}
