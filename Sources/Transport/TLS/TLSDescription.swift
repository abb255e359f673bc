// What is to be known of a connection's TLS, as text: for `x-forwarded-client-cert` and logs.
//
// Made when first asked for, once per connection; counted by whoever may outlive the connection. One worker's.

import COpenSSL
import Primitives

@safe
package struct TLSDescription: BitwiseCopyable {
    private let facts: UnsafeMutablePointer<martlet_facts>

    fileprivate init(_ facts: UnsafeMutablePointer<martlet_facts>) { unsafe self.facts = unsafe facts }

    /// `martlet_fact_…`
    package subscript(_ fact: Int) -> Bytes {
        guard fact >= 0, fact < Int(martlet_fact_count), let text = unsafe facts.pointee.text else { return .empty }
        return unsafe withUnsafeBytes(of: facts.pointee.start) { start in
            unsafe withUnsafeBytes(of: facts.pointee.end) { end in
                let from = unsafe Int(start.load(fromByteOffset: fact &* 4, as: UInt32.self))
                let to = unsafe Int(end.load(fromByteOffset: fact &* 4, as: UInt32.self))
                return unsafe Bytes(text + from, to &- from)
            }
        }
    }

    /// RFC 8446 §B.4; 0: none.
    package var cipherSuite: UInt32 { unsafe facts.pointee.cipher_suite }
    package var hasPeerCertificate: Bool { unsafe facts.pointee.has_peer_certificate != 0 }
    /// Nothing was found against it; what was looked at is the context's business.
    package var peerIsVerified: Bool { unsafe facts.pointee.peer_is_verified != 0 }
    /// Seconds since 1970.
    package var validFrom: Int64 { unsafe facts.pointee.valid_from }
    package var validUntil: Int64 { unsafe facts.pointee.valid_until }

    package func retained() -> TLSDescription {
        unsafe facts.pointee.references &+= 1
        return self
    }

    package func release() {
        unsafe facts.pointee.references &-= 1
        if unsafe facts.pointee.references == 0 { unsafe martlet_facts_free(facts) }
    }
}

extension Connections {
    /// Nil: no TLS, no handshake yet, or no memory.
    package func description(of connection: UnsafeMutablePointer<Connection>) -> TLSDescription? {
        guard let tls = unsafe connection.pointee.tls, unsafe !tls.pointee.isHandshaking else { return nil }
        return unsafe description(tls)
    }

    /// For the last line about a connection: also of a handshake that was not completed, as far as it came.
    package func lastDescription(of connection: UnsafeMutablePointer<Connection>) -> TLSDescription? {
        guard let tls = unsafe connection.pointee.tls else { return nil }
        return unsafe description(tls)
    }

    private func description(_ tls: UnsafeMutablePointer<TLSConnection>) -> TLSDescription? {
        if let made = unsafe tls.pointee.description { return made }
        guard let ssl = unsafe tls.pointee.ssl, let facts = unsafe martlet_facts_new(ssl, tls.pointee.refused) else { return nil }
        let description = unsafe TLSDescription(facts)
        unsafe tls.pointee.description = description
        return description
    }
}
