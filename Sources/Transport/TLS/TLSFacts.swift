// What a handshake has agreed on, by OpenSSL's numbers; and the protocol, for whoever has to choose a codec.

import COpenSSL
import Glibc
import Primitives

package struct TLSFacts: BitwiseCopyable {
    package var version: UInt32 = 0
    /// Of the registry (`0xc02b`).
    package var cipher: UInt32 = 0
    /// OpenSSL's number of the group; 0: none was agreed on.
    package var curve: UInt32 = 0
    /// Of the registry (`0x0403`): what the peer signed with.
    package var signature: UInt32 = 0
    package var isResumed = false
    package var hasPeerCertificate = false
}

extension TLSConnection {
    /// The version's name while the handshake is not complete: as in Envoy's library TLSv1.2 until one has been agreed on.
    package var attemptedVersion: Bytes {
        guard let ssl = unsafe ssl, unsafe hasHello(ssl), !failure.isOfVersion else {
            return Bytes("TLSv1.2" as StaticString)
        }
        switch unsafe SSL_version(ssl) {
        case TLS1_VERSION: return Bytes("TLSv1" as StaticString)
        case TLS1_1_VERSION: return Bytes("TLSv1.1" as StaticString)
        case TLS1_3_VERSION: return Bytes("TLSv1.3" as StaticString)
        default: return Bytes("TLSv1.2" as StaticString)
        }
    }

    /// After the handshake, and while the connection is open.
    package var facts: TLSFacts {
        var facts = TLSFacts()
        guard let ssl = unsafe ssl else { return facts }
        facts.version = unsafe UInt32(truncatingIfNeeded: SSL_version(ssl))
        if let cipher = unsafe SSL_get_current_cipher(ssl) { facts.cipher = unsafe UInt32(SSL_CIPHER_get_protocol_id(cipher)) }
        facts.curve = unsafe UInt32(truncatingIfNeeded: martlet_group_nid(ssl))
        facts.isResumed = unsafe SSL_session_reused(ssl) == 1
        facts.hasPeerCertificate = unsafe SSL_get0_peer_certificate(ssl) != nil
        facts.signature = unsafe martlet_peer_signature(ssl)
        return facts
    }

    /// A client's hello has been read: its random bytes are there.
    private func hasHello(_ ssl: OpaquePointer) -> Bool {
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { random in
            guard unsafe SSL_get_client_random(ssl, random.baseAddress, 32) == 32 else { return false }
            for i in 0..<32 where unsafe random[i] != 0 { return true }
            return false
        }
    }

    /// The protocol that ALPN has chosen; empty: none.
    package var applicationProtocol: Bytes {
        guard let ssl = unsafe ssl else { return .empty }
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        unsafe SSL_get0_alpn_selected(ssl, &name, &count)
        return unsafe name.map { unsafe Bytes($0, Int(count)) } ?? .empty
    }

    /// What the client asked for, or what we ask for; empty: nothing.
    package var serverName: Bytes {
        guard let ssl = unsafe ssl, let name = unsafe SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) else { return .empty }
        return unsafe Bytes(UnsafeRawPointer(name), strlen(name))
    }
}
