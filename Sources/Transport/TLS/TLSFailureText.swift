// An error of OpenSSL as Envoy shows its own library's: `TLS_error:|268435581:SSL_routines:OPENSSL_internal:…`. People and
// their tools look for these names, so they are the same where both libraries have the error.
//
// One text per worker: it is made while a handshake fails and read right behind it.

import COpenSSL
import Glibc
import Primitives

@safe
package struct TLSFailureText {
    private static let bytesMax = 512
    private let base: UnsafeMutablePointer<UInt8>
    private var count = 0
    /// What a check of ours had against the certificate; behind it in the same memory.
    private var remark: Range<Int> = 0..<0

    init() { unsafe base = .allocate(capacity: TLSFailureText.bytesMax * 2) }
    func destroy() { unsafe base.deallocate() }

    package mutating func clear() {
        count = 0
        remark = 0..<0
    }

    package var bytes: Bytes { unsafe Bytes(UnsafeRawPointer(base), count) }

    // MARK: Remarks

    package mutating func beginRemark() {
        count = TLSFailureText.bytesMax
    }

    package mutating func endRemark() {
        remark = TLSFailureText.bytesMax..<count
        count = 0
    }

    // MARK: The whole

    package mutating func write(_ failure: TLSFailure) {
        count = 0
        guard failure.count > 0 else { return }
        add("TLS_error:")
        for i in 0..<failure.count {
            let error = failure[i]
            add("|")
            add(decimal: TLSFailureText.number(error))
            add(":SSL_routines:OPENSSL_internal:")
            if let name = TLSFailureText.name(error) {
                add(name)
            } else if let reason = unsafe ERR_reason_error_string(error) {
                add(upper: unsafe Bytes(UnsafeRawPointer(reason), min(strlen(reason), 64)))
            }
            let reason = martlet_err_reason(error)
            if reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE { add(":peer_did_not_provide_required_client_certificate") }
            if !remark.isEmpty, reason == SSL_R_CERTIFICATE_VERIFY_FAILED {
                add(":")
                add(unsafe Bytes(UnsafeRawPointer(base) + remark.lowerBound, remark.count))
            }
        }
        add(":TLS_error_end")
    }

    /// An error of the socket: Envoy's library counts those of the system from 2 << 24.
    package mutating func write(brokenBy error: Int32) {
        clear()
        add("TLS_error:|")
        add(decimal: 2 << 24 | UInt32(truncatingIfNeeded: error))
        add(":system_library:OPENSSL_internal:")
        if let text = unsafe strerror(error) { add(unsafe Bytes(UnsafeRawPointer(text), min(strlen(text), 64))) }
        add(":TLS_error_end")
    }

    /// Where Envoy's library has another name for the same.
    private static func name(_ error: UInt) -> StaticString? {
        switch martlet_err_reason(error) {
        case SSL_R_NO_SUITABLE_KEY_SHARE: "NO_SHARED_GROUP"
        case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM: "NO_COMMON_SIGNATURE_ALGORITHMS"
        case SSL_R_INVALID_ALERT: "BAD_ALERT"
        case SSL_R_PACKET_LENGTH_TOO_LONG: "ENCRYPTED_LENGTH_TOO_LONG"
        // A staple that has to be there is not.
        case SSL_R_CLIENTHELLO_TLSEXT: "CONNECTION_REJECTED"
        default: nil
        }
    }

    /// Envoy's library counts its SSL errors from 16 << 24; alerts have the same numbers in both.
    private static func number(_ error: UInt) -> UInt32 {
        let reason = martlet_err_reason(error)
        let theirs: Int32 =
            switch reason {
            case SSL_R_INVALID_ALERT: 102
            case SSL_R_CERTIFICATE_VERIFY_FAILED: 125
            case SSL_R_CLIENTHELLO_TLSEXT: 133
            case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC: 139
            case SSL_R_PACKET_LENGTH_TOO_LONG, SSL_R_ENCRYPTED_LENGTH_TOO_LONG: 146
            case SSL_R_EXCESSIVE_MESSAGE_SIZE: 150
            case SSL_R_HTTP_REQUEST: 156
            case SSL_R_NO_RENEGOTIATION: 182
            case SSL_R_NO_SHARED_CIPHER: 184
            case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: 192
            case SSL_R_UNEXPECTED_MESSAGE: 223
            case SSL_R_UNEXPECTED_RECORD: 225
            case SSL_R_UNKNOWN_ALERT_TYPE: 227
            case SSL_R_UNSUPPORTED_PROTOCOL: 240
            case SSL_R_WRONG_VERSION_NUMBER: 247
            case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM: 253
            case SSL_R_NO_SUITABLE_KEY_SHARE: 266
            default: reason
            }
        return 16 << 24 | UInt32(truncatingIfNeeded: theirs)
    }

    // MARK: Pieces

    private mutating func add(_ byte: UInt8) {
        let end = count < TLSFailureText.bytesMax ? TLSFailureText.bytesMax : TLSFailureText.bytesMax * 2
        guard count < end &- 1 else { return }
        // One word for a log line.
        unsafe base[count] = byte == UInt8(ascii: " ") ? UInt8(ascii: "_") : byte
        count &+= 1
    }

    package mutating func add(_ literal: StaticString) { add(Bytes(literal)) }

    package mutating func add(_ bytes: Bytes) {
        for i in 0..<bytes.count { add(bytes[i]) }
    }

    private mutating func add(upper bytes: Bytes) {
        for i in 0..<bytes.count { add(bytes[i] &- 97 < 26 ? bytes[i] & 0xdf : bytes[i]) }
    }

    package mutating func add(decimal number: UInt32) {
        var divisor: UInt32 = 1_000_000_000
        while divisor > 1, number / divisor == 0 { divisor /= 10 }
        while divisor > 0 {
            add(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number / divisor % 10))
            divisor /= 10
        }
    }
}
