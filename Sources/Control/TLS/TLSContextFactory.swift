// Contexts of OpenSSL from settings: a set for each thread, so that no worker touches what another counts by.

import COpenSSL
import Pipeline
import Primitives
import Transport

@safe
struct TLSContextFactory {
    let settings: TLSSettings
    let part: PlanPart

    /// Indices into `settings.certificates` that go together: one of each key type. The first set is for hellos without a name.
    private let sets: [[Int]]
    /// Empty where there is one set only.
    private let names: [(name: String, set: Int)]
    /// The set for names that no certificate has.
    private let otherSet: Int

    /// The same for every thread.
    private let ticketKeys: UnsafeMutablePointer<martlet_ticket_keys>

    struct Failure: Error {
        let reason: String
    }

    init(_ settings: TLSSettings, _ part: PlanPart) {
        self.settings = settings
        unsafe ticketKeys = unsafe SessionResumption.keys(settings.ticketKeys, part)
        self.part = part
        (sets, names, otherSet) = TLSContextFactory.sets(settings.certificates, scansAll: settings.scansCertificates || !settings.isServer)
    }

    /// As Envoy chooses: for every name the first certificate of each key type that has it; without a name the first of each
    /// type; for a name that none has the first of all, or, `scansAll`, the same as without one.
    private static func sets(
        _ certificates: [CertificateMaterial], scansAll: Bool
    ) -> (sets: [[Int]], names: [(String, Int)], other: Int) {
        var byName: [String: [Int]] = [:]
        func add(_ index: Int, to list: inout [Int]) {
            let type = certificates[index].facts.keyType
            if !list.contains(where: { certificates[$0].facts.keyType == type }) { list.append(index) }
        }
        var first: [Int] = []
        for (i, certificate) in certificates.enumerated() {
            add(i, to: &first)
            for name in certificate.facts.names {
                var folded = name.lowercased()
                if folded.hasPrefix("*.") { folded.removeFirst() }
                add(i, to: &byName[folded, default: []])
            }
        }
        var sets = [first]
        func place(_ list: [Int]) -> Int {
            if let set = sets.firstIndex(of: list) { return set }
            sets.append(list)
            return sets.count - 1
        }
        let names = byName.map { ($0.key, place($0.value)) }
        let other = scansAll ? 0 : place(Array(first.prefix(1)))
        return (sets, sets.count > 1 ? names : [], other)
    }

    /// The first context of each thread.
    func make(threads: Int) throws(Failure) -> FrozenArray<UInt> {
        let arena = part.arena
        let table = arena.array(
            names.sorted { Array($0.name.utf8).lexicographicallyPrecedes(Array($1.name.utf8)) }
                .map { TLSServerName(name: arena.text($0.name), set: UInt32($0.set)) })
        let protocols = unsafe arena.store(TLSProtocols(list: arena.text(settings.protocols)))
        var firsts: [UInt] = []
        for _ in 0..<threads {
            var contexts: [UInt] = []
            for set in sets {
                let context = try unsafe context(set)
                part.onDestroy { unsafe SSL_CTX_free(context) }
                contexts.append(UInt(bitPattern: context))
                if settings.isServer, !settings.protocols.isEmpty {
                    unsafe SSL_CTX_set_alpn_select_cb(
                        context, TLSProtocols.choose, UnsafeMutableRawPointer(mutating: protocols))
                }
            }
            if settings.isServer, let first = unsafe OpaquePointer(bitPattern: contexts[0]) {
                var serverNames = TLSServerNames()
                serverNames.names = table
                serverNames.contexts = arena.array(contexts)
                serverNames.otherSet = otherSet
                serverNames.requiresName = settings.requiresName
                let stored = unsafe arena.store(serverNames)
                unsafe martlet_ctx_server_name_callback(
                    first, TLSServerNames.choose, UnsafeMutableRawPointer(mutating: stored))
            }
            firsts.append(contexts[0])
        }
        return arena.array(firsts)
    }

    private func context(_ set: [Int]) throws(Failure) -> OpaquePointer {
        martlet_err_clear()
        guard let context = unsafe SSL_CTX_new(settings.isServer ? TLS_server_method() : TLS_client_method()) else {
            throw Failure(reason: OpenSSLErrors.taken())
        }
        do {
            try unsafe fill(context, set)
            return unsafe context
        } catch {
            unsafe SSL_CTX_free(context)
            throw error
        }
    }

    private func fill(_ context: OpaquePointer, _ set: [Int]) throws(Failure) {
        // What the system's openssl.cnf says of protocols is not what this configuration says. The strength of keys and
        // signatures is bounded as in Envoy's library: not at all below TLS 1.2, where SHA-1 is part of the protocol.
        unsafe SSL_CTX_set_security_level(context, settings.versions.low < TLS1_2_VERSION ? 0 : 1)
        var isGood = unsafe martlet_ctx_versions(context, settings.versions.low, settings.versions.high) == 1
        isGood = unsafe SSL_CTX_set_cipher_list(context, settings.ciphers) == 1 && isGood
        if !settings.suites.isEmpty { isGood = unsafe SSL_CTX_set_ciphersuites(context, settings.suites) == 1 && isGood }
        isGood = unsafe martlet_ctx_groups(context, settings.groups) == 1 && isGood
        isGood = unsafe sign(context) && isGood
        unsafe martlet_ctx_mode(context)
        unsafe SSL_CTX_clear_options(context, ~UInt64(0))
        var options = settings.isServer ? martlet_op_server() : martlet_op_client()
        if settings.prefersClientCiphers { options &= ~martlet_op_prefer_server() }
        if settings.isServer { unsafe staple(context, set) }
        if settings.allowsRenegotiation { options &= ~martlet_op_no_renegotiation() }
        unsafe SSL_CTX_set_options(context, options)
        if !settings.isServer, !settings.protocols.isEmpty {
            isGood = unsafe SSL_CTX_set_alpn_protos(context, settings.protocols, UInt32(settings.protocols.count)) == 0 && isGood
        }
        for index in set { isGood = unsafe use(settings.certificates[index], context) && isGood }
        if let validation = settings.validation { isGood = unsafe verify(validation, context) && isGood }
        if settings.keyLog != nil { unsafe SSL_CTX_set_keylog_callback(context, TLSKeyLog.callback) }
        isGood = unsafe resume(context) && isGood
        guard isGood else { throw Failure(reason: OpenSSLErrors.taken()) }
    }

    /// Signatures that are asked of the peer, and those that are made. Said by the configuration they are the same.
    private func sign(_ context: OpaquePointer) -> Bool {
        if !settings.signatures.isEmpty { return unsafe martlet_ctx_sigalgs(context, settings.signatures) == 1 }
        if settings.isServer {
            guard settings.validation != nil else { return true }
            return unsafe martlet_ctx_client_sigalgs(context, TLSParameters.peerSignatures) == 1
        }
        // OpenSSL takes a client's first list for both, unless there is a second one.
        return unsafe martlet_ctx_sigalgs(context, TLSParameters.peerSignatures) == 1
            && martlet_ctx_client_sigalgs(context, TLSParameters.ownSignatures) == 1
    }

    private func staple(_ context: OpaquePointer, _ set: [Int]) {
        var staples = TLSStaples()
        staples.policy = settings.staplePolicy
        staples.staples = part.arena.array(
            set.map { settings.certificates[$0] }.filter { !$0.staple.isEmpty }.map {
                TLSStaple(keyType: $0.facts.keyType, response: part.arena.text($0.staple), validUntil: $0.stapleUntil)
            })
        // A certificate that says so is good with a staple alone (RFC 7633).
        if set.contains(where: { settings.certificates[$0].facts.mustStaple }) { staples.policy = .must }
        let stored = unsafe part.arena.store(staples)
        unsafe martlet_ctx_staple_callback(context, TLSStaples.answer, UnsafeMutableRawPointer(mutating: stored))
    }

    /// With authorities of SPIFFE, which are objects of this context alone.
    private func verify(domains: [TrustDomainMaterial], _ validation: PeerValidation, _ context: OpaquePointer) -> Bool {
        var isGood = true
        var check = unsafe validation.check.pointee
        var trustDomains: [TrustDomain] = []
        for domain in domains {
            guard let trust = unsafe martlet_trust_new() else { return false }
            part.onDestroy { unsafe martlet_trust_free(trust) }
            for authority in domain.authorities {
                isGood = unsafe martlet_trust_add(trust, authority, authority.count) == 1 && isGood
                if settings.isServer, validation.announcesAuthorities { isGood = unsafe martlet_ctx_announce(context, authority, authority.count) == 1 && isGood }
            }
            isGood = unsafe martlet_trust_add_revocations(trust, domain.revocations, domain.revocations.count) >= 0 && isGood
            trustDomains.append(unsafe TrustDomain(name: part.arena.text(domain.name), trust: trust))
        }
        check.trustDomains = part.arena.array(trustDomains)
        let stored = unsafe part.arena.store(check)
        unsafe martlet_ctx_verify(context, 1, 1, PeerCheck.verify, UnsafeMutableRawPointer(mutating: stored))
        return isGood
    }

    private func verify(_ validation: PeerValidation, _ context: OpaquePointer) -> Bool {
        if unsafe validation.check.pointee.isSPIFFE { return unsafe verify(domains: validation.trustDomains, validation, context) }
        var isGood = true
        if !validation.authorities.isEmpty {
            isGood = unsafe martlet_ctx_trust(
                context, validation.authorities, validation.authorities.count,
                settings.isServer && validation.announcesAuthorities ? 1 : 0) > 0
            // As in Envoy lists may be among the authorities. A bundle of a whole system, which has none, is not read twice.
            if unsafe martlet_pem_has_lists(validation.authorities, validation.authorities.count) == 1 {
                let lists = unsafe revoke(validation.authorities, validation, context)
                isGood = lists >= 0 && isGood
                if lists == 0, isGood { martlet_err_clear() }
            }
        }
        if validation.usesSystemRoots { isGood = unsafe martlet_ctx_system_roots(context) == 1 && isGood }
        if !validation.revocations.isEmpty {
            isGood = unsafe revoke(validation.revocations, validation, context) > 0 && isGood
        }
        // An intermediate authority may be all that is trusted.
        unsafe martlet_ctx_partial_chains(context)
        if let depth = validation.depthMax { unsafe SSL_CTX_set_verify_depth(context, depth) }
        unsafe martlet_ctx_verify(
            context, 1, settings.requiresCertificate ? 1 : 0, PeerCheck.verify,
            UnsafeMutableRawPointer(mutating: validation.check))
        return isGood
    }

    private func revoke(_ pem: [UInt8], _ validation: PeerValidation, _ context: OpaquePointer) -> Int32 {
        unsafe martlet_ctx_revocations(context, pem, pem.count, validation.revocationsOfLeafOnly ? 1 : 0)
    }

    private func resume(_ context: OpaquePointer) -> Bool {
        if !settings.isServer {
            guard settings.clientSessionsMax > 0, let sessions = unsafe martlet_client_sessions_new(settings.clientSessionsMax)
            else { return unsafe martlet_ctx_cache_mode(context, Int(SSL_SESS_CACHE_OFF)) >= 0 }
            part.onDestroy { unsafe martlet_client_sessions_free(sessions) }
            return unsafe martlet_ctx_client_sessions(context, sessions) == 1
        }
        if let timeout = settings.sessionTimeoutS { unsafe SSL_CTX_set_timeout(context, timeout) }
        var isGood = unsafe SSL_CTX_set_session_id_context(
            context, settings.sessionContext, UInt32(settings.sessionContext.count)) == 1
        if settings.usesTickets {
            isGood = unsafe martlet_ctx_ticket_keys(context, ticketKeys) == 1 && isGood
        } else {
            unsafe SSL_CTX_set_options(context, martlet_op_no_ticket())
        }
        if let count = settings.ticketCount { unsafe SSL_CTX_set_num_tickets(context, count) }
        if settings.keepsSessions, let store = unsafe SessionResumption.store {
            isGood = unsafe martlet_ctx_session_store(context, store) == 1 && isGood
        } else {
            unsafe martlet_ctx_cache_mode(context, Int(SSL_SESS_CACHE_OFF))
            if !settings.usesTickets { unsafe SSL_CTX_set_num_tickets(context, 0) }
        }
        return isGood
    }

    private func use(_ certificate: CertificateMaterial, _ context: OpaquePointer) -> Bool {
        guard let leaf = unsafe CertificateReader.x509(certificate.chain[0]), let key = unsafe CertificateReader.pkey(certificate.key)
        else { return false }
        defer {
            unsafe X509_free(leaf)
            unsafe EVP_PKEY_free(key)
        }
        guard unsafe SSL_CTX_use_certificate(context, leaf) == 1, unsafe SSL_CTX_use_PrivateKey(context, key) == 1 else { return false }
        for der in certificate.chain.dropFirst() {
            guard let other = unsafe CertificateReader.x509(der) else { return false }
            defer { unsafe X509_free(other) }
            guard unsafe martlet_ctx_add1_chain(context, other) == 1 else { return false }
        }
        return true
    }
}
