// `listener.<address>.ssl.` and `cluster.<name>.ssl.`: how handshakes ended.

import Primitives
import Stats
import Transport

extension Worker {
    @inline(__always)
    private func count(_ tls: UnsafeMutablePointer<TLSConnection>, _ leaf: TLSStat) {
        unsafe cells.increment(tls.pointee.config.pointee.stats &+ leaf.rawValue)
    }

    func countEstablished(_ tls: UnsafeMutablePointer<TLSConnection>) {
        let config = unsafe tls.pointee.config
        unsafe count(tls, .handshake)
        let facts = unsafe tls.pointee.facts
        unsafe countVerdict(tls)
        if facts.isResumed { unsafe count(tls, .sessionReused) }
        if unsafe config.pointee.isServer, !facts.hasPeerCertificate { unsafe count(tls, .noCertificate) }
        unsafe count(config.pointee.versions, facts.version)
        unsafe count(config.pointee.ciphers, facts.cipher)
        unsafe count(config.pointee.curves, facts.curve)
        unsafe count(config.pointee.signatures, facts.signature)
    }

    private func count(_ stats: FrozenArray<NegotiatedStat>, _ number: UInt32) {
        for i in 0..<stats.count where stats[i].number == number { return cells.increment(stats[i].stat) }
    }

    func countFailed(_ tls: UnsafeMutablePointer<TLSConnection>) {
        let failure = unsafe tls.pointee.failure
        if failure.isMissingCertificate { unsafe count(tls, .failVerifyNoCert) }
        if failure.isConnectionError { unsafe count(tls, .connectionError) }
        unsafe countVerdict(tls)
    }

    /// A chain that was not good counts where it is accepted, too.
    private func countVerdict(_ tls: UnsafeMutablePointer<TLSConnection>) {
        switch unsafe tls.pointee.staple {
        case .notAsked: break
        case .sent: unsafe count(tls, .ocspStapleResponses)
        case .omitted: unsafe count(tls, .ocspStapleOmitted)
        case .failed: unsafe count(tls, .ocspStapleFailed)
        }
        if unsafe tls.pointee.staple != .notAsked { unsafe count(tls, .ocspStapleRequests) }
        switch unsafe tls.pointee.verdict.failure {
        case .none: break
        case .chain: unsafe count(tls, .failVerifyError)
        case .noCertificate: unsafe count(tls, .failVerifyNoCert)
        case .name: unsafe count(tls, .failVerifySan)
        case .hash: unsafe count(tls, .failVerifyCertHash)
        }
    }
}
