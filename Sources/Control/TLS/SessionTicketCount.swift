// How many session tickets a server issues. Envoy's API has no field for it, and refuses a context with a field that it does
// not know; the metadata of a filter chain is where a configuration may say what is Martlet's alone, and stays Envoy's:
//
//     filter_chains:
//     - metadata: {filter_metadata: {martlet: {session_tickets: 1}}}

import EnvoyAPI

enum SessionTicketCount {
    static let namespace = "martlet"
    static let field = "session_tickets"
    /// `docs/limits.md`. Each costs its client and this side about 250 bytes of a handshake, and an encryption here.
    static let max = 16

    /// Nil: nothing is said of it, or an error. `resumes`: the context lets it issue tickets.
    static func read(
        _ metadata: Envoy_Config_Core_V3_Metadata, _ place: Place, resumes: Bool, _ diagnostics: Diagnostics
    ) -> Int? {
        guard let own = metadata.filterMetadata[namespace] else { return nil }
        let at = place.at("filter_metadata", key: namespace)
        for name in own.fields.keys.sorted() where name != field {
            diagnostics.error(at.at(name: name), "the metadata '\(namespace)' of a filter chain has no '\(name)'", expected: field)
        }
        guard let value = own.fields[field] else { return nil }
        guard case .numberValue(let number) = value.kind, let count = Int(exactly: number), (0...max).contains(count) else {
            diagnostics.error(
                at.at(name: field), "'\(field)' is no number of tickets", expected: "a whole number from 0 to \(max)")
            return nil
        }
        if count > 0, !resumes {
            diagnostics.error(
                at.at(name: field), "'\(field)' beside 'disable_stateless_session_resumption: true'", found: "\(count)",
                expected: "0, or no disable_stateless_session_resumption")
            return nil
        }
        return count
    }

    static func refuseWithoutTLS(_ metadata: Envoy_Config_Core_V3_Metadata, _ place: Place, _ diagnostics: Diagnostics) {
        guard metadata.filterMetadata[namespace]?.fields[field] != nil else { return }
        diagnostics.error(
            place.at("filter_metadata", key: namespace).at(name: field), "'\(field)' of a filter chain without TLS",
            expected: "a transport_socket of TLS")
    }
}
