// `http_inspector`: which HTTP a connection without TLS speaks, for `application_protocols` of a filter chain's match.

import Primitives
import Stats
import Wire

extension Worker {
    func inspectHTTP(_ inspection: UnsafeMutablePointer<Inspection>, _ stats: UInt32) -> InspectionStep {
        // As in Envoy: where `tls_inspector` has found TLS there is nothing to be seen.
        guard unsafe inspection.pointee.facts.transportProtocol.equals(Bytes("raw_buffer" as StaticString)) else { return .next }
        let bytes = unsafe pendingBytes(inspection, HTTPSniffer.lineMax)
        switch HTTPSniffer.read(bytes) {
        case .needMore: return .needMore(bytes.count &+ 1)
        case .http10: unsafe found(inspection, stats, .http10Found, "\u{8}http/1.0")
        case .http11: unsafe found(inspection, stats, .http11Found, "\u{8}http/1.1")
        case .http2: unsafe found(inspection, stats, .http2Found, "\u{3}h2c")
        case .other: cells.increment(stats &+ HTTPInspectorStat.httpNotFound.rawValue)
        }
        return .next
    }

    private func found(
        _ inspection: UnsafeMutablePointer<Inspection>, _ stats: UInt32, _ leaf: HTTPInspectorStat, _ protocols: StaticString
    ) {
        cells.increment(stats &+ leaf.rawValue)
        unsafe inspection.pointee.facts.protocols = Bytes(protocols)
    }
}
