// The verdict on a peer's certificate: its chain by OpenSSL, then names, hashes and pins, in Envoy's order.
//
// OpenSSL calls `verify` in the middle of a handshake. What is wrong is written down in the connection's `PeerVerdict`, for
// the statistics, and as OpenSSL's error, from which the alert follows.

import COpenSSL
import Primitives
import Routing
import Transport

@safe
package struct PeerNameMatcher: BitwiseCopyable {
    /// `GEN_DNS`, `GEN_URI`, …
    package var type: Int32
    /// Of an other name: its OID with a zero byte behind it.
    package var oid = Bytes.empty
    package var matcher: TextMatcher
    /// An exact DNS name: one that a wildcard of the certificate stands for matches too. Empty: none.
    package var exact = Bytes.empty
    package init(type: Int32, matcher: TextMatcher) {
        self.type = type
        self.matcher = matcher
    }
}

@safe
package struct PeerCheck: BitwiseCopyable {
    /// There are authorities to trust.
    package var verifiesChain = false
    /// A chain that cannot be verified is accepted, and said to be not validated.
    package var acceptsUntrusted = false
    package var allowsExpired = false
    /// Certificates of a client's chain behind its own, the authority that is trusted among them. OpenSSL's own limit leaves
    /// that one out, and is one laxer.
    package var depthMax = Int32.max
    package var names = FrozenArray<PeerNameMatcher>()
    /// SHA-256 of certificates, and of public keys.
    package var hashes = FrozenArray<Bytes>()
    package var keyHashes = FrozenArray<Bytes>()
    /// Upstream: the certificate must be for the server name that was asked for.
    package var matchesServerName = false
    /// SPIFFE: the certificate says by itself whose authorities it is verified with. Nothing else of the above counts, but
    /// `allowsExpired` and `names`.
    package var isSPIFFE = false
    package var trustDomains = FrozenArray<TrustDomain>()
    package init() {}

    package var checksSomething: Bool {
        isSPIFFE || verifiesChain || matchesServerName || !names.isEmpty || !hashes.isEmpty || !keyHashes.isEmpty
    }

    /// `argument`: a `PeerCheck`.
    package static let verify: @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?) -> Int32 = { store, argument in
        guard let store = unsafe store, let argument = unsafe argument, let ssl = unsafe martlet_store_ssl(store),
            let raw = unsafe SSL_get_ex_data(ssl, 0)
        else { return 0 }
        let tls = unsafe raw.assumingMemoryBound(to: TLSConnection.self)
        let check = unsafe argument.assumingMemoryBound(to: PeerCheck.self).pointee
        if let leaf = unsafe X509_STORE_CTX_get0_cert(store) { unsafe martlet_take_key(ssl, leaf) }
        if unsafe check.verdict(store, ssl, tls) { return 1 }
        if unsafe tls.pointee.refused == nil { unsafe tls.pointee.refused = unsafe martlet_store_shown(store) }
        return 0
    }

    private func verdict(_ store: OpaquePointer, _ ssl: OpaquePointer, _ tls: UnsafeMutablePointer<TLSConnection>) -> Bool {
        guard let leaf = unsafe X509_STORE_CTX_get0_cert(store) else { return false }
        if isSPIFFE { return unsafe spiffeVerdict(store, leaf, tls) }
        guard unsafe chainHolds(store) else {
            unsafe PeerRemarks.chain(store, tls.pointee.text)
            return unsafe failed(.chain, store, tls)
        }
        // The errors below are ours: OpenSSL has none for them, and says `certificate_unknown`, as Envoy does.
        unsafe X509_STORE_CTX_set_error(store, X509_V_OK)
        let checked = unsafe tls.pointee.checkedName
        if matchesServerName || !names.isEmpty || !checked.isEmpty, unsafe !hasName(leaf, tls, checked) {
            unsafe PeerRemarks.names(leaf, tls.pointee.text)
            return unsafe failed(.name, store, tls)
        }
        if !hashes.isEmpty || !keyHashes.isEmpty, unsafe !isPinned(leaf) {
            unsafe PeerRemarks.say("verify_cert_failed:_cert_hash_and_spki", tls.pointee.text)
            return unsafe failed(.hash, store, tls)
        }
        unsafe tls.pointee.verdict.isValidated = checksSomething || !checked.isEmpty
        return true
    }

    private func chainHolds(_ store: OpaquePointer) -> Bool {
        guard verifiesChain else { return true }
        if allowsExpired { unsafe martlet_store_ignore_time(store) }
        guard unsafe X509_verify_cert(store) == 1 else { return false }
        if unsafe martlet_store_depth(store) > depthMax {
            unsafe X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_CHAIN_TOO_LONG)
            return false
        }
        return true
    }

    /// What is found first counts, and nothing is looked at behind it, as in Envoy. Where the untrusted are accepted the peer is
    /// let in all the same, as one that is not validated.
    private func failed(_ failure: PeerVerdict.Failure, _ store: OpaquePointer, _ tls: UnsafeMutablePointer<TLSConnection>) -> Bool {
        unsafe tls.pointee.verdict.failure = failure
        guard acceptsUntrusted else { return false }
        if unsafe X509_STORE_CTX_get_error(store) == X509_V_OK {
            unsafe X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION)
        }
        return true
    }

    private func isPinned(_ leaf: OpaquePointer) -> Bool {
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { buffer in
            guard let base = buffer.baseAddress else { return false }
            let digest = unsafe Bytes(UnsafeRawPointer(base), 32)
            if !hashes.isEmpty, unsafe martlet_x509_digest(leaf, base) == 1 {
                for i in 0..<hashes.count where hashes[i].equals(digest) { return true }
            }
            if !keyHashes.isEmpty, unsafe martlet_x509_key_digest(leaf, base) == 1 {
                for i in 0..<keyHashes.count where keyHashes[i].equals(digest) { return true }
            }
            return false
        }
    }

    /// One of the certificate's names is one of `wanted`, or what is asked for.
    func hasName(_ leaf: OpaquePointer, _ tls: UnsafeMutablePointer<TLSConnection>, _ checked: Bytes) -> Bool {
        let list = unsafe X509_get_ext_d2i(leaf, NID_subject_alt_name, nil, nil)
        guard let list = unsafe list.map({ OpaquePointer($0) }) else { return false }
        defer { unsafe martlet_names_free(list) }
        let wanted = unsafe !checked.isEmpty ? checked : matchesServerName ? tls.pointee.serverName : .empty
        let address = checked.isEmpty ? nil : SocketAddress(numeric: checked)
        for i in unsafe 0..<martlet_sk_name_count(list) {
            guard let name = unsafe martlet_sk_name(list, i) else { continue }
            var count = 0
            guard let base = unsafe martlet_name_bytes(name, &count) else { continue }
            let bytes = unsafe Bytes(base, count)
            let type = unsafe name.pointee.type
            if !wanted.isEmpty {
                if type == GEN_DNS, PeerCheck.dnsName(bytes, covers: wanted) { return true }
                if type == GEN_IPADD, let address, PeerCheck.address(bytes) == address { return true }
                if type == GEN_URI, !checked.isEmpty, bytes.equals(checked) { return true }
                continue
            }
            for j in 0..<names.count where names[j].type == type {
                if unsafe matches(names[j], bytes, name) { return true }
            }
        }
        return false
    }

    private func matches(_ matcher: PeerNameMatcher, _ bytes: Bytes, _ name: UnsafePointer<GENERAL_NAME>) -> Bool {
        switch matcher.type {
        case GEN_IPADD:
            guard let address = PeerCheck.address(bytes) else { return false }
            return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 48) { buffer in
                guard let text = buffer.baseAddress else { return false }
                let count = unsafe address.writeIP(text)
                return matcher.matcher.matches(unsafe Bytes(UnsafeRawPointer(text), count))
            }
        case GEN_OTHERNAME:
            guard unsafe martlet_name_has_oid(name, UnsafeRawPointer(matcher.oid.base).assumingMemoryBound(to: CChar.self)) == 1
            else { return false }
        case GEN_DNS where !matcher.exact.isEmpty: return PeerCheck.dnsName(bytes, covers: matcher.exact)
        default: break
        }
        return matcher.matcher.matches(bytes)
    }

    /// Of four or sixteen bytes.
    package static func address(_ bytes: Bytes) -> SocketAddress? {
        var address = SocketAddress()
        switch bytes.count {
        case 4:
            address.family = .ipv4
            address.high = unsafe UInt64(UnsafeRawPointer(bytes.base).loadUnaligned(as: UInt32.self))
        case 16:
            address.family = .ipv6
            address.high = unsafe UnsafeRawPointer(bytes.base).loadUnaligned(as: UInt64.self)
            address.low = unsafe UnsafeRawPointer(bytes.base).loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        default: return nil
        }
        return address
    }

    /// RFC 6125 §6.4.3: a star stands for the whole of the first label.
    package static func dnsName(_ pattern: Bytes, covers name: Bytes) -> Bool {
        if pattern.equalsIgnoringCase(name) { return true }
        guard pattern.count > 2, pattern[0] == UInt8(ascii: "*"), pattern[1] == UInt8(ascii: ".") else { return false }
        var dot = 0
        while dot < name.count, name[dot] != UInt8(ascii: ".") { dot &+= 1 }
        return dot > 0 && dot < name.count && name.from(dot).equalsIgnoringCase(pattern.from(1))
    }
}
