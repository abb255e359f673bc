// Why TLS failed, as OpenSSL's queue of errors tells it; the text names each error as Envoy's library does.

import COpenSSL
import Primitives

package struct TLSFailure: BitwiseCopyable {
    /// Errors that are kept: what follows is the same failure told again further up.
    private static let keptMax = 3
    private var first: UInt = 0
    private var second: UInt = 0
    private var third: UInt = 0
    package private(set) var count = 0
    /// One of them is an error of its own, and not another's verdict on a certificate.
    package private(set) var isConnectionError = false
    package private(set) var isMissingCertificate = false
    /// There was none that both sides know.
    package private(set) var isOfVersion = false
    /// What came first is no record of TLS, and no HTTP either.
    package private(set) var isNoTLS = false

    init() {}

    /// One of OpenSSL's errors that it did not come to say: `SSL_R_…`.
    init(reason: Int32) {
        first = martlet_err_ssl(reason)
        count = 1
        isConnectionError = true
    }

    /// Takes everything off this thread's queue.
    static func taken() -> TLSFailure {
        var failure = TLSFailure()
        var sawCounted = false
        while case let code = ERR_get_error(), code != 0 {
            if martlet_err_lib(code) == ERR_LIB_SSL {
                switch martlet_err_reason(code) {
                case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
                    failure.isMissingCertificate = true
                    sawCounted = true
                case SSL_R_CERTIFICATE_VERIFY_FAILED: sawCounted = true
                case SSL_R_UNSUPPORTED_PROTOCOL: failure.isOfVersion = true
                case SSL_R_WRONG_VERSION_NUMBER: failure.isNoTLS = true
                default: break
                }
            }
            switch failure.count {
            case 0: failure.first = code
            case 1: failure.second = code
            case 2: failure.third = code
            default: continue
            }
            failure.count += 1
        }
        failure.isConnectionError = failure.count > 0 && !sawCounted
        return failure
    }

    package subscript(_ index: Int) -> UInt {
        switch index {
        case 0: first
        case 1: second
        default: third
        }
    }
}
