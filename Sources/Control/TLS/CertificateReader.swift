// Certificates and keys out of PEM, DER and PKCS#12, each error with the file that it is about.
//
// What is read is kept as DER: every thread makes objects of its own from it.

import COpenSSL
import EnvoyAPI
import Glibc

/// One chain and its key.
struct CertificateMaterial {
    /// Leaf first.
    var chain: [[UInt8]]
    /// PKCS#8 or traditional, not encrypted.
    var key: [UInt8]
    var facts: CertificateFacts
    /// Where it comes from.
    var name: String
    /// DER of an OCSP response; empty: none.
    var staple: [UInt8] = []
    /// Seconds since 1970.
    var stapleFrom: Int64 = 0
    var stapleUntil: Int64 = 0
}

/// What main has to know of a certificate.
struct CertificateFacts {
    /// DNS names, or the common name where there are none: what a client may ask for.
    var names: [String]
    /// `EVP_PKEY_RSA`, `EVP_PKEY_EC`, …
    var keyType: Int32
    var keyBits: Int32
    var expiresAt: Int
    var mustStaple: Bool
}

struct CertificateReader {
    let part: PlanPart
    let diagnostics: Diagnostics

    /// Nil after an error.
    func certificate(_ message: TLSCertificateMessage, _ place: Place) -> CertificateMaterial? {
        refuseUnsupported(message, place)
        if message.hasPkcs12 { return container(message, place) }
        guard message.hasCertificateChain else {
            diagnostics.error(
                place, "Failed to load incomplete certificate from <none>: certificate chain not set",
                expected: "certificate_chain and private_key, or pkcs12")
            return nil
        }
        let at = place.at("certificate_chain")
        guard let bytes = DataSources.read(message.certificateChain, at, part, diagnostics) else { return nil }
        let chain = CertificateReader.chain(bytes)
        guard let leaf = chain.first else {
            diagnostics.error(
                at, "Failed to load certificate chain from \(CertificateReader.name(message.certificateChain))",
                found: bytes.isEmpty ? "no bytes" : OpenSSLErrors.taken(), expected: "certificates in PEM form")
            return nil
        }
        guard message.hasPrivateKey else {
            diagnostics.error(
                place, "Failed to load incomplete private key from \(CertificateReader.name(message.certificateChain))",
                expected: "private_key")
            return nil
        }
        let keyPlace = place.at("private_key")
        guard let keyBytes = DataSources.read(message.privateKey, keyPlace, part, diagnostics) else { return nil }
        var password: [UInt8] = []
        if message.hasPassword {
            guard let bytes = DataSources.read(message.password, place.at("password"), part, diagnostics) else { return nil }
            password = bytes
        }
        guard let key = CertificateReader.key(keyBytes, password: password) else {
            let source = CertificateReader.name(message.privateKey)
            diagnostics.error(
                keyPlace, "Failed to load private key from \(source), Cause: \(OpenSSLErrors.taken())",
                expected: message.hasPassword
                    ? "a private key in PEM form that 'password' opens" : "a private key in PEM form, not encrypted")
            return nil
        }
        return material(chain, leaf, key, message, place)
    }

    private func material(
        _ chain: [[UInt8]], _ leaf: [UInt8], _ key: [UInt8], _ message: TLSCertificateMessage, _ place: Place
    ) -> CertificateMaterial? {
        let chainName = CertificateReader.name(message.hasPkcs12 ? message.pkcs12 : message.certificateChain)
        let keyName = CertificateReader.name(message.hasPkcs12 ? message.pkcs12 : message.privateKey)
        guard matches(leaf, key) else {
            diagnostics.error(
                place,
                "Failed to load private key from \(keyName), Cause: the key does not belong to the certificate of \(chainName)",
                expected: "a certificate and its own key")
            return nil
        }
        guard let facts = CertificateFacts(leaf) else { return nil }
        if facts.keyType == EVP_PKEY_RSA, facts.keyBits < 2048 {
            diagnostics.error(
                place,
                "Failed to load certificate chain from \(chainName), only RSA certificates with 2048-bit or larger keys are supported",
                found: "\(facts.keyBits) bits")
            return nil
        }
        if facts.expiresAt < time(nil) {
            diagnostics.warning(place, "the certificate of \(chainName) has expired: clients will refuse it")
        }
        var material = CertificateMaterial(chain: chain, key: key, facts: facts, name: chainName)
        if message.hasOcspStaple {
            guard let staple = DataSources.read(message.ocspStaple, place.at("ocsp_staple"), part, diagnostics) else { return nil }
            material.staple = staple
            material.stapleUntil = stapleEnd(staple, leaf, message, place.at("ocsp_staple"), from: &material.stapleFrom)
        }
        return material
    }

    private func stapleEnd(_ staple: [UInt8], _ leaf: [UInt8], _ message: TLSCertificateMessage, _ place: Place, from: inout Int64) -> Int64 {
        guard let certificate = unsafe CertificateReader.x509(leaf) else { return 0 }
        defer { unsafe X509_free(certificate) }
        let until = unsafe martlet_ocsp_until(staple, staple.count, certificate, &from)
        let source = CertificateReader.name(message.ocspStaple)
        switch until {
        case -1:
            diagnostics.error(
                place, "OCSP response of \(source) cannot be used",
                expected: "a successful response in DER form, about one certificate, which is good")
        case -2: diagnostics.error(place, "OCSP response of \(source) does not match its TLS certificate")
        case ..<Int64(time(nil)): diagnostics.warning(place, "the OCSP response of \(source) has expired")
        default: break
        }
        return until
    }

    private func container(_ message: TLSCertificateMessage, _ place: Place) -> CertificateMaterial? {
        for (field, isSet) in [("certificate_chain", message.hasCertificateChain), ("private_key", message.hasPrivateKey)] where isSet {
            diagnostics.error(place, "Certificate configuration can't have both pkcs12 and \(field)")
            return nil
        }
        let at = place.at("pkcs12")
        guard let bytes = DataSources.read(message.pkcs12, at, part, diagnostics) else { return nil }
        var password: [UInt8] = []
        if message.hasPassword {
            guard let bytes = DataSources.read(message.password, place.at("password"), part, diagnostics) else { return nil }
            password = bytes
        }
        guard let (chain, key) = CertificateReader.open(pkcs12: bytes, password: password), let leaf = chain.first else {
            diagnostics.error(
                at, "Failed to load pkcs12 from \(CertificateReader.name(message.pkcs12)), Cause: \(OpenSSLErrors.taken())",
                expected: "a PKCS#12 container with a certificate and its key, and its password")
            return nil
        }
        return material(chain, leaf, key, message, place)
    }

    private func refuseUnsupported(_ message: TLSCertificateMessage, _ place: Place) {
        if message.hasPrivateKeyProvider {
            diagnostics.error(
                place.at("private_key_provider").at("provider_name"),
                "Failed to load private key provider: \(message.privateKeyProvider.providerName)",
                expected: "private_key: Martlet has no providers")
        }
        if !message.signedCertificateTimestamp.isEmpty {
            diagnostics.warning(
                place.at("signed_certificate_timestamp"), "timestamps are not sent, as in Envoy 1.40", suggestion: "leave them out")
        }
    }

    private func matches(_ leaf: [UInt8], _ key: [UInt8]) -> Bool {
        guard let certificate = unsafe CertificateReader.x509(leaf), let pkey = unsafe CertificateReader.pkey(key) else { return false }
        defer {
            unsafe X509_free(certificate)
            unsafe EVP_PKEY_free(pkey)
            martlet_err_clear()
        }
        return unsafe X509_check_private_key(certificate, pkey) == 1
    }

    // MARK: Forms

    /// Where bytes come from, in words: never the bytes themselves.
    static func name(_ source: DataSource) -> String {
        switch source.specifier {
        case .filename(let path): path
        case .environmentVariable(let name): "<\(name)>"
        case .inlineBytes, .inlineString, .none: "<inline>"
        }
    }

    /// Every certificate of a PEM text, as DER.
    static func chain(_ bytes: [UInt8]) -> [[UInt8]] {
        var chain: [[UInt8]] = []
        martlet_err_clear()
        unsafe withBIO(bytes) { bio in
            while let certificate = unsafe martlet_pem_x509(bio) {
                chain.append(unsafe der(certificate))
                unsafe X509_free(certificate)
            }
        }
        if !chain.isEmpty { martlet_err_clear() }
        return chain
    }

    static func key(_ bytes: [UInt8], password: [UInt8]) -> [UInt8]? {
        var result: [UInt8]?
        martlet_err_clear()
        unsafe withBIO(bytes) { bio in
            let key = unsafe password.withUnsafeBufferPointer { unsafe martlet_pem_key(bio, $0.baseAddress, $0.count) }
            guard let key = unsafe key else { return }
            result = unsafe der(key: key)
            unsafe EVP_PKEY_free(key)
        }
        return result
    }

    static func open(pkcs12 bytes: [UInt8], password: [UInt8]) -> (chain: [[UInt8]], key: [UInt8])? {
        var result: (chain: [[UInt8]], key: [UInt8])?
        martlet_err_clear()
        unsafe withBIO(bytes) { bio in
            guard let container = unsafe d2i_PKCS12_bio(bio, nil) else { return }
            defer { unsafe PKCS12_free(container) }
            var key: OpaquePointer?
            var leaf: OpaquePointer?
            var others: OpaquePointer?
            let text = String(decoding: password, as: UTF8.self)
            guard unsafe PKCS12_parse(container, text, &key, &leaf, &others) == 1 else { return }
            defer {
                unsafe EVP_PKEY_free(key)
                unsafe X509_free(leaf)
                unsafe martlet_sk_x509_free(others)
            }
            guard let key = unsafe key, let leaf = unsafe leaf else { return }
            var chain = [unsafe der(leaf)]
            if let others = unsafe others {
                for i in unsafe 0..<martlet_sk_x509_count(others) {
                    if let other = unsafe martlet_sk_x509(others, i) { chain.append(unsafe der(other)) }
                }
            }
            result = (chain, unsafe der(key: key))
        }
        return result
    }

    private static func withBIO(_ bytes: [UInt8], _ body: (OpaquePointer) -> Void) {
        unsafe bytes.withUnsafeBufferPointer { buffer in
            guard let bio = unsafe BIO_new_mem_buf(buffer.baseAddress, Int32(clamping: buffer.count)) else { return }
            unsafe body(bio)
            unsafe BIO_free(bio)
        }
    }

    static func der(_ certificate: OpaquePointer) -> [UInt8] {
        var bytes: UnsafeMutablePointer<UInt8>?
        let count = unsafe i2d_X509(certificate, &bytes)
        guard count > 0, let base = unsafe bytes else { return [] }
        defer { unsafe martlet_openssl_free(base) }
        return unsafe Array(UnsafeBufferPointer(start: base, count: Int(count)))
    }

    private static func der(key: OpaquePointer) -> [UInt8] {
        var bytes: UnsafeMutablePointer<UInt8>?
        let count = unsafe i2d_PrivateKey(key, &bytes)
        guard count > 0, let base = unsafe bytes else { return [] }
        defer { unsafe martlet_openssl_free(base) }
        return unsafe Array(UnsafeBufferPointer(start: base, count: Int(count)))
    }

    static func x509(_ der: [UInt8]) -> OpaquePointer? {
        unsafe der.withUnsafeBufferPointer { buffer in
            var base = buffer.baseAddress
            return unsafe d2i_X509(nil, &base, buffer.count)
        }
    }

    static func pkey(_ der: [UInt8]) -> OpaquePointer? {
        unsafe der.withUnsafeBufferPointer { buffer in
            var base = buffer.baseAddress
            return unsafe d2i_AutoPrivateKey(nil, &base, buffer.count)
        }
    }
}
