import TestSupport
import Testing

/// A Martlet with a TLS listener, its certificates and its clients.
final class TLSServed: Sendable {
    let certificates: Certificates
    let served: Served
    var port: UInt16 { served.listener }

    /// `context` continues `common_tls_context`, `more` the downstream context; `manager` the connection manager.
    init(
        _ certificates: Certificates, context: String = "", more: String = "", manager: String = "", chain: String = "",
        workers: Int = 1, pair: String = "server", codec: String = "HTTP1", clusters: [String] = []
    ) throws {
        self.certificates = certificates
        served = try Served(try Binary.martlet(), workers: workers) { port in
            TLSServed.yaml(
                certificates, port: port, context: context, more: more, manager: manager, chain: chain, pair: pair,
                codec: codec, clusters: clusters)
        }
    }

    static func yaml(
        _ certificates: Certificates, port: UInt16, context: String = "", more: String = "", manager: String = "",
        chain: String = "", pair: String = "server", codec: String = "HTTP1", clusters: [String] = []
    ) -> String {
        let pairs = pair.split(separator: " ").map {
            "{certificate_chain: {filename: \(certificates.chain(String($0)))}, private_key: {filename: \(certificates.key(String($0)))}}"
        }
        let route = clusters.isEmpty ? "direct_response: {status: 200, body: {inline_string: hello}}" : "route: {cluster: c}"
        return """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                stat_prefix: tls
                filter_chains:
                - \(chain)
                  filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      codec_type: \(codec)
                      \(manager)
                      route_config:
                        virtual_hosts:
                        - name: v
                          domains: ["*"]
                          routes:
                          - match: {prefix: /xfcc}
                            direct_response: {status: 200, body: {inline_string: ""}}
                            response_headers_to_add:
                            - header: {key: xfcc, value: "%REQ(x-forwarded-client-cert)%"}
                            - header: {key: proto, value: "%REQ(x-forwarded-proto)% %REQ(:scheme)%"}
                            - header: {key: tls, value: "%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_PEER_URI_SAN%"}
                          - match: {prefix: /validated, tls_context: {presented: true, validated: true}}
                            direct_response: {status: 200, body: {inline_string: validated}}
                          - match: {prefix: "/"}
                            \(route)
                      http_filters:
                      - name: envoy.filters.http.router
                  transport_socket:
                    name: envoy.transport_sockets.tls
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
                      \(more)
                      common_tls_context: {tls_certificates: [\(pairs.joined(separator: ", "))]\(context.isEmpty ? "" : ", " + context)}
              clusters:
            \(clusters.isEmpty ? "  - {name: c}" : clusters.joined(separator: "\n"))
            """
    }

    /// `curl`; its output with the headers, or its error's number.
    func curl(_ path: String, _ options: String = "") throws -> String {
        let finished = try Shell.run(
            "curl -sS -i -m 10 --cacert \(certificates.authority) \(options) https://localhost:\(port)\(path)")
        return finished.status == 0 ? finished.output : "curl: \(finished.status ?? -1)"
    }

    /// `openssl s_client` with one request.
    func client(_ options: String = "") throws -> String {
        try Shell.run(
            "(printf 'GET / HTTP/1.1\\r\\nhost: a\\r\\nconnection: close\\r\\n\\r\\n'; sleep 0.3) | openssl s_client "
                + "-connect 127.0.0.1:\(port) -CAfile \(certificates.authority) -ign_eof \(options) 2>&1").output
    }

    func stat(_ name: String, becomes wanted: Int) -> Int? { served.stat("listener.tls.ssl." + name, becomes: wanted) }

    static func pair(_ certificates: Certificates, _ name: String) -> String {
        "--cert \(certificates.chain(name)) --key \(certificates.key(name))"
    }
}
