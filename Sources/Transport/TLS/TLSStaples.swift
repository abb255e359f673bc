// OCSP stapling (RFC 6066 §8): a client that asks for the state of our certificate gets the answer that was configured.

import COpenSSL
import Primitives

package enum StaplePolicy: UInt8, BitwiseCopyable { case lenient, strict, must }

@safe
package struct TLSStaple: BitwiseCopyable {
    /// Of the certificate's key.
    package var keyType: Int32
    /// DER.
    package var response: Bytes
    /// Seconds since 1970.
    package var validUntil: Int64
    package init(keyType: Int32, response: Bytes, validUntil: Int64) {
        self.keyType = keyType
        self.response = response
        self.validUntil = validUntil
    }
}

/// What became of a client's question.
package enum StapleOutcome: UInt8, BitwiseCopyable { case notAsked, sent, omitted, failed }

@safe
package struct TLSStaples: BitwiseCopyable {
    package var staples = FrozenArray<TLSStaple>()
    package var policy = StaplePolicy.lenient
    package init() {}

    /// Called when a client asks. `argument`: the context's `TLSStaples`.
    package static let answer: @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?) -> Int32 = { ssl, argument in
        guard let ssl = unsafe ssl, let argument = unsafe argument, let raw = unsafe SSL_get_ex_data(ssl, 0) else {
            return SSL_TLSEXT_ERR_NOACK
        }
        let outcome = unsafe argument.assumingMemoryBound(to: TLSStaples.self).pointee.answer(ssl)
        unsafe raw.assumingMemoryBound(to: TLSConnection.self).pointee.staple = outcome
        switch outcome {
        case .sent: return SSL_TLSEXT_ERR_OK
        case .failed: return SSL_TLSEXT_ERR_ALERT_FATAL
        case .omitted, .notAsked: return SSL_TLSEXT_ERR_NOACK
        }
    }

    private func answer(_ ssl: OpaquePointer) -> StapleOutcome {
        guard let certificate = unsafe SSL_get_certificate(ssl), let key = unsafe X509_get0_pubkey(certificate) else { return .omitted }
        let type = unsafe EVP_PKEY_get_base_id(key)
        for i in 0..<staples.count where staples[i].keyType == type {
            if staples[i].validUntil > Int64(Clock.wallNs() / 1_000_000_000) {
                return unsafe martlet_staple(ssl, staples[i].response.base, staples[i].response.count) == 1 ? .sent : .omitted
            }
            return policy == .lenient ? .omitted : .failed
        }
        return policy == .must ? .failed : .omitted
    }
}
