// Contexts of OpenSSL from settings: a set for each thread, so that no worker touches what another counts by.

import COpenSSL
import Primitives
import Transport

struct TLSContextFactory {
    let settings: TLSSettings
    let part: PlanPart

    /// Indices into `settings.certificates` that go together: one of each key type. The first set is the default.
    private let sets: [[Int]]
    private let names: [(name: String, set: Int)]

    struct Failure: Error {
        let reason: String
    }

    init(_ settings: TLSSettings, _ part: PlanPart) {
        self.settings = settings
        self.part = part
        (sets, names) = TLSContextFactory.sets(settings.certificates)
    }

    /// For every name the first certificate of each key type that has it, as Envoy chooses.
    private static func sets(_ certificates: [CertificateMaterial]) -> (sets: [[Int]], names: [(String, Int)]) {
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
        var names: [(String, Int)] = []
        for (name, list) in byName {
            let set = sets.firstIndex(of: list) ?? sets.count
            if set == sets.count { sets.append(list) }
            if set > 0 { names.append((name, set)) }
        }
        // A name of the default set hides a wildcard of another one.
        if !names.isEmpty { for (name, list) in byName where list == first { names.append((name, 0)) } }
        return (sets, names)
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
        isGood = unsafe martlet_ctx_groups(context, settings.groups) == 1 && isGood
        if !settings.signatures.isEmpty {
            isGood = unsafe martlet_ctx_sigalgs(context, settings.signatures) == 1 && isGood
        }
        unsafe martlet_ctx_mode(context)
        unsafe SSL_CTX_clear_options(context, ~UInt64(0))
        var options = settings.isServer ? martlet_op_server() : martlet_op_client()
        if settings.prefersClientCiphers { options &= ~martlet_op_prefer_server() }
        if settings.allowsRenegotiation { options &= ~martlet_op_no_renegotiation() }
        unsafe SSL_CTX_set_options(context, options)
        if !settings.isServer, !settings.protocols.isEmpty {
            isGood = unsafe SSL_CTX_set_alpn_protos(context, settings.protocols, UInt32(settings.protocols.count)) == 0 && isGood
        }
        for index in set { isGood = unsafe use(settings.certificates[index], context) && isGood }
        unsafe martlet_ctx_cache_mode(context, Int(SSL_SESS_CACHE_OFF))
        guard isGood else { throw Failure(reason: OpenSSLErrors.taken()) }
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
