// `/explain`: which way a request would take through what is served now, and why not another. Ours, not Envoy's; the same
// as `martlet route` says of a file.

import Control
import EnvoyAPI

enum ExplainCommand {
    static let command = AdminCommand(
        "/explain", "which listener, chain, route, cluster and hosts a request would take, and why not the others",
        [
            .init("listener", "name or address; needed where there are several and no port says which", .text),
            .init("port", "the port that the connection goes to", .text),
            .init("method", "GET when left out", .text),
            .init("authority", "the host, with its port where it has one", .text),
            .init("path", "with its query", .text),
            .init("header", "'name: value'; may be given again", .text),
            .init("source", "the address that the connection comes from", .text),
            .init("tls", "by TLS", .flag),
            .init("sni", "server name of the TLS client", .text),
            .init("alpn", "protocol that the TLS client offers; may be given again", .text),
            .init("client_certificate", "the client has shown a certificate that was validated", .flag),
            .init("random", "the request's random value, which fractions and weights go by", .text),
            .init("format", "how the answer is written", .choice(["json", "text"])),
        ]
    ) { context, request in
        let query = request.query
        var described = DescribedRequest()
        described.listener = query["listener"] ?? ""
        if let text = query.nonEmpty("port") {
            guard let port = UInt16(text) else { return bad("port", text, "a port") }
            described.port = UInt32(port)
        }
        if let text = query.nonEmpty("random") {
            guard let random = UInt64(text) else { return bad("random", text, "a number") }
            described.random = random
        }
        described.method = query["method"] ?? ""
        described.authority = query["authority"] ?? ""
        described.path = query["path"] ?? ""
        described.source = query["source"] ?? ""
        described.serverName = query["sni"] ?? ""
        described.tls = isSet(query, "tls")
        described.clientCertificate = isSet(query, "client_certificate")
        for (name, value) in query.all where !value.isEmpty {
            switch name {
            case "alpn": described.applicationProtocols.append(value)
            case "header":
                guard let header = DescribedRequest.header(value) else { return bad("header", value, "'name: value'") }
                described.headers.append(header)
            default: break
            }
        }
        let explained = RouteExplainer(context.configurator).explain(described)
        if query["format"] == "text" { return AdminResponse(explained.lines) }
        return AdminResponse(explained.json + "\n", contentType: AdminResponse.json)
    }

    private static func isSet(_ query: QueryParameters, _ name: String) -> Bool {
        query[name].map { $0 != "false" && $0 != "0" } ?? false
    }

    private static func bad(_ name: String, _ value: String, _ expected: String) -> AdminResponse {
        AdminResponse("\(name)='\(value)' is not \(expected)\n", status: 400)
    }
}
