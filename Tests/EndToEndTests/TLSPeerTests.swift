import TestSupport
import Testing

/// Certificates of clients: who is let in, with which alert others are refused, and what the upstream is told.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"), .enabled(if: Shell.has("openssl") && Shell.has("curl")))
struct TLSPeerTests {
    private let certificates: Certificates

    init() throws {
        certificates = try Certificates()
        try certificates.issue("server", names: "DNS:localhost,URI:spiffe://acme/server")
        try certificates.issue("client", names: "URI:spiffe://acme/client,DNS:client.test")
        try certificates.issue("other", names: "URI:spiffe://acme/other")
        try certificates.run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout self.key -out self.pem -days 3 -subj /CN=self")
    }

    private var trust: String { "trusted_ca: {filename: \(certificates.authority)}" }

    private func asks(_ name: String) -> String { "-cert \(certificates.chain(name)) -key \(certificates.key(name))" }

    @Test func aCertificateIsRequiredAndVerified() throws {
        let tls = try TLSServed(certificates, context: "validation_context: {\(trust)}", more: "require_client_certificate: true")
        #expect(try tls.client(asks("client")).contains("hello"))
        #expect(try tls.client().contains("SSL alert number 116"))
        #expect(try tls.client("-tls1_2").contains("SSL alert number 40"))
        #expect(try tls.client(asks("self")).contains("SSL alert number 48"))
        #expect(try tls.client("-tls1_2 " + asks("self")).contains("SSL alert number 48"))
        #expect(tls.stat("fail_verify_no_cert", becomes: 2) == 2)
        #expect(tls.stat("fail_verify_error", becomes: 2) == 2)
        #expect(tls.stat("connection_error", becomes: 0) == 0)
        #expect(try tls.curl("/validated", TLSServed.pair(certificates, "client")).contains("validated"))
    }

    @Test func namesAreMatched() throws {
        let tls = try TLSServed(
            certificates,
            context: "validation_context: {\(trust), match_typed_subject_alt_names: [{san_type: URI, matcher: {exact: spiffe://acme/client}}, {san_type: DNS, matcher: {suffix: .other.test}}]}",
            more: "require_client_certificate: true")
        #expect(try tls.client(asks("client")).contains("hello"))
        #expect(try tls.client(asks("other")).contains("SSL alert number 46"))
        #expect(tls.stat("fail_verify_san", becomes: 1) == 1)
    }

    @Test func certificatesAndKeysArePinned() throws {
        let hash = try certificates.run("x509 -in client.pem -noout -fingerprint -sha256").split(separator: "=").last ?? ""
        let key = try Shell.run(
            "openssl x509 -in \(certificates.chain("other")) -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | openssl base64"
        ).output
        let tls = try TLSServed(
            certificates,
            context: "validation_context: {verify_certificate_hash: [\"\(hash.trimmingNewline)\"], verify_certificate_spki: [\"\(Substring(key).trimmingNewline)\"]}",
            more: "require_client_certificate: true")
        #expect(try tls.client(asks("client")).contains("hello"))
        #expect(try tls.client(asks("other")).contains("hello"))
        #expect(try tls.client(asks("self")).contains("SSL alert number 46"))
        #expect(tls.stat("fail_verify_cert_hash", becomes: 1) == 1)
    }

    /// A client sends its own certificate alone; its issuer's comes out of the verification.
    @Test func theIssuerIsThatOfTheVerifiedChain() throws {
        let tls = try TLSServed(
            certificates, context: "validation_context: {\(trust)}", more: "require_client_certificate: true",
            manager: "local_reply_config: {body_format: {text_format_source: {inline_string: \"issuer %DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256% %DOWNSTREAM_PEER_ISSUER_SERIAL%\"}}}")
        func fact(_ option: String) throws -> String {
            let text = try certificates.run("x509 -in \(certificates.authority) -noout \(option)").split(separator: "=").last ?? ""
            return text.lowercased().filter(\.isHexDigit)
        }
        let expected = "issuer \(try fact("-fingerprint -sha256")) \(try fact("-serial"))"
        let answer = try tls.client(asks("client"))
        #expect(answer.contains(expected), "\(expected) in \(answer)")
    }

    @Test func theUntrustedMayBeAccepted() throws {
        let tls = try TLSServed(
            certificates, context: "validation_context: {\(trust), trust_chain_verification: ACCEPT_UNTRUSTED}")
        #expect(try tls.client(asks("self")).contains("hello"))
        #expect(try tls.client().contains("hello"))
        #expect(try tls.curl("/validated", TLSServed.pair(certificates, "self")).contains("hello"))
        #expect(try tls.curl("/validated", TLSServed.pair(certificates, "client")).contains("validated"))
        // Counted all the same.
        #expect(tls.stat("fail_verify_error", becomes: 2) == 2)
    }

    /// By a list of its own, or by one among the authorities.
    @Test(arguments: [true, false]) func whatIsRevokedIsRefused(hasListOfItsOwn: Bool) throws {
        try certificates.revoke("other")
        let list = "\(certificates.directory.path)/crl.pem"
        Files.write((Files.read(certificates.authority) ?? []) + (Files.read(list) ?? []), to: certificates.chain("both"))
        let tls = try TLSServed(
            certificates,
            context: "validation_context: {\(hasListOfItsOwn ? trust + ", crl: {filename: \(list)}" : "trusted_ca: {filename: \(certificates.chain("both"))}")}",
            more: "require_client_certificate: true")
        #expect(try tls.client(asks("client")).contains("hello"))
        #expect(try tls.client(asks("other")).contains("SSL alert number 44"))
        #expect(tls.stat("fail_verify_error", becomes: 1) == 1)
    }

    @Test(arguments: ["SANITIZE", "FORWARD_ONLY", "APPEND_FORWARD", "SANITIZE_SET", "ALWAYS_FORWARD_ONLY"])
    func theUpstreamIsToldWhoAsks(mode: String) throws {
        let tls = try TLSServed(
            certificates, context: "validation_context: {\(trust)}",
            manager: "forward_client_cert_details: \(mode)\n          set_current_client_cert_details: {subject: true, uri: true, dns: true}")
        func told(_ options: String) throws -> String {
            let answer = try tls.curl("/xfcc", "-H 'x-forwarded-client-cert: By=old' " + options)
            let line = answer.split(whereSeparator: \.isNewline).first { $0.hasPrefix("xfcc: ") } ?? "xfcc: -"
            return String(line.dropFirst(6))
        }
        let hash = try certificates.run("x509 -in client.pem -noout -fingerprint -sha256").split(separator: "=").last ?? ""
        let digits = String(hash.trimmingNewline.filter { $0 != ":" }).lowercased()
        let own =
            "By=spiffe://acme/server;Hash=\(digits);Subject=\"CN=client,O=Acme\";URI=spiffe://acme/client;DNS=client.test"
        let with = try told(TLSServed.pair(certificates, "client"))
        let without = try told("")
        switch mode {
        case "SANITIZE": #expect(with == "-" && without == "-")
        case "FORWARD_ONLY": #expect(with == "By=old" && without == "-")
        case "APPEND_FORWARD": #expect(with == "By=old,\(own)" && without == "-")
        case "SANITIZE_SET": #expect(with == own && without == "-")
        default: #expect(with == "By=old" && without == "By=old")
        }
    }
}

extension TLSPeerTests {
    /// `forward_client_cert_matcher`: what it comes to takes the place of the mode and of what is told. Read off Envoy 1.40.
    @Test func whatTheUpstreamIsToldDependsOnTheRequest() throws {
        let type = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ForwardClientCertConfig"
        func action(_ mode: String, _ details: String = "") -> String {
            "{action: {name: a, typed_config: {\"@type\": \(type), forward_client_cert_details: \(mode)\(details.isEmpty ? "" : ", set_current_client_cert_details: {\(details)}")}}}"
        }
        func input(_ name: String, _ fields: String = "") -> String { "{name: i, typed_config: {\"@type\": type.googleapis.com/\(name)\(fields)}}" }
        func holds(_ input: String, _ value: String) -> String { "{single_predicate: {input: \(input), value_match: {\(value)}}}" }
        let field = input("envoy.type.matcher.v3.HttpRequestHeaderMatchInput", ", header_name: X-A")
        let parameter = input("envoy.type.matcher.v3.HttpRequestQueryParamMatchInput", ", query_param: q")
        let uri = input("envoy.extensions.matching.common_inputs.ssl.v3.UriSanInput")
        let address = input("envoy.extensions.matching.common_inputs.network.v3.SourceIPInput")
        let rules: [(String, String)] = [
            (holds(field, "exact: set"), action("SANITIZE_SET", "uri: true, subject: true")), (holds(field, "exact: append"), action("APPEND_FORWARD")),
            (holds(field, "prefix: always"), action("ALWAYS_FORWARD_ONLY")), (holds(field, "exact: \"two,two\""), action("FORWARD_ONLY")),
            (holds(parameter, "safe_regex: {google_re2: {}, regex: \"[0-9]+\"}"), action("FORWARD_ONLY")),
            ("{and_matcher: {predicate: [\(holds(field, "contains: host")), \(holds(address, "exact: 127.0.0.1"))]}}", action("SANITIZE_SET", "dns: true")),
            ("{and_matcher: {predicate: [\(holds(field, "exact: own")), {not_matcher: \(holds(uri, "suffix: /nobody"))}]}}", "{matcher: {matcher_tree: {input: \(uri), exact_match_map: {map: {\"spiffe://acme/client\": \(action("SANITIZE_SET", "uri: true"))}}}}}"),
            (holds(field, "exact: own"), action("SANITIZE")),
        ]
        let list = rules.map { "{predicate: \($0), on_match: \($1)}" }.joined(separator: ", ")
        let otherwise = "{matcher: {matcher_tree: {input: \(field), prefix_match_map: {map: {p: \(action("FORWARD_ONLY")), pre: \(action("SANITIZE_SET"))}}}}}"
        let tls = try TLSServed(
            certificates, context: "validation_context: {\(trust)}",
            manager: "forward_client_cert_details: APPEND_FORWARD\n          set_current_client_cert_details: {subject: true}\n          forward_client_cert_matcher: {matcher_list: {matchers: [\(list)]}, on_no_match: \(otherwise)}")
        let digits = String((try certificates.run("x509 -in client.pem -noout -fingerprint -sha256").split(separator: "=").last ?? "").filter(\.isHexDigit)).lowercased()
        let own = "By=spiffe://acme/server;Hash=\(digits)"
        func told(_ fields: [String], path: String = "/xfcc", by name: String? = "client") throws -> String {
            let more = fields.map { "-H 'x-a: \($0)' " }.joined() + (name.map { TLSServed.pair(certificates, $0) } ?? "")
            let answer = try tls.curl(path, "-H 'x-forwarded-client-cert: By=old' " + more)
            let line = answer.split(whereSeparator: \.isNewline).first { $0.hasPrefix("xfcc: ") } ?? "xfcc: -"
            return String(line.dropFirst(6))
        }
        #expect(try told(["set"]) == own + ";Subject=\"CN=client,O=Acme\";URI=spiffe://acme/client")
        #expect(try told(["append"]) == "By=old," + own)
        #expect(try told(["always"]) == "By=old" && told(["always"], by: nil) == "By=old")
        #expect(try told(["two", "two"]) == "By=old")
        #expect(try told([], path: "/xfcc?q=12") == "By=old" && told(["set"], by: nil) == "-")
        #expect(try told(["a host"]) == own + ";DNS=client.test")
        #expect(try told(["own"]) == own + ";URI=spiffe://acme/client" && told(["own"], by: nil) == "-")
        #expect(try told(["px"]) == "By=old" && told(["prefix"]) == own)
        // Nothing comes to an action: what is configured beside it counts.
        #expect(try told([]) == "By=old," + own + ";Subject=\"CN=client,O=Acme\"")
    }

    /// `format: JSON` and `issuer`: what Envoy 1.40 writes.
    @Test func theUpstreamIsToldInJSON() throws {
        try certificates.issue("bare", names: "IP:10.1.2.3")
        let all = "{subject: true, uri: true, dns: true, issuer: true"
        let issuer = try certificates.run("x509 -in \(certificates.authority) -noout -subject -nameopt RFC2253").split(separator: "=", maxSplits: 1).last?.trimmingNewline ?? ""
        func hash(_ name: String) throws -> String {
            String((try certificates.run("x509 -in \(name).pem -noout -fingerprint -sha256").split(separator: "=").last ?? "").filter(\.isHexDigit)).lowercased()
        }
        func told(_ tls: TLSServed, _ name: String, _ before: String = "") throws -> String {
            let answer = try tls.curl("/xfcc", (before.isEmpty ? "" : "-H 'x-forwarded-client-cert: \(before)' ") + TLSServed.pair(certificates, name))
            let line = answer.split(whereSeparator: \.isNewline).first { $0.hasPrefix("xfcc: ") } ?? "xfcc: -"
            return String(line.dropFirst(6))
        }
        func served(_ mode: String, _ details: String) throws -> TLSServed {
            try TLSServed(
                certificates, context: "validation_context: {\(trust)}",
                manager: "forward_client_cert_details: \(mode)\n          set_current_client_cert_details: \(details)")
        }
        let client = try hash("client")
        let object = "{\"by\":[\"spiffe://acme/server\"],\"hash\":\"\(client)\",\"subject\":\"CN=client,O=Acme\",\"uri\":[\"spiffe://acme/client\"],\"dns\":[\"client.test\"],\"issuer\":\"\(issuer)\"}"
        let text = "By=spiffe://acme/server;Hash=\(client);Subject=\"CN=client,O=Acme\";URI=spiffe://acme/client;DNS=client.test;Issuer=\"\(issuer)\""
        #expect(try told(served("SANITIZE_SET", all + "}"), "client") == text)
        let set = try served("SANITIZE_SET", all + ", format: JSON}")
        #expect(try told(set, "client", "By=old") == "[\(object)]")
        // What is not there has no member.
        #expect(try told(set, "bare") == "[{\"by\":[\"spiffe://acme/server\"],\"hash\":\"\(hash("bare"))\",\"subject\":\"CN=bare,O=Acme\",\"issuer\":\"\(issuer)\"}]")
        let appended = try served("APPEND_FORWARD", all + ", format: JSON}")
        #expect(try told(appended, "client") == "[\(object)]")
        #expect(try told(appended, "client", "[{\"hash\":\"1\"}]") == "[{\"hash\":\"1\"},\(object)]")
        #expect(try told(appended, "client", "[]") == "[\(object)]")
        // Others have told it as text: so it goes on.
        for before in ["By=old", "[foo", "{\"hash\":\"1\"}"] { #expect(try told(appended, "client", before) == "\(before),\(text)") }
        // Certificates as PEM, one string for each of a chain.
        Files.write((Files.read(certificates.chain("client")) ?? []) + (Files.read(certificates.authority) ?? []), to: certificates.chain("two"))
        Files.write(Files.read(certificates.key("client")) ?? [], to: certificates.key("two"))
        let whole = try told(served("SANITIZE_SET", "{cert: true, chain: true, format: JSON}"), "two")
        let parsed = try JSON(parsing: whole)
        let pems = ["client", "two"].map { String(decoding: Files.read(certificates.chain($0)) ?? [], as: UTF8.self) }
        let first = parsed.array?.first
        #expect(first?["cert"]?.string.map { pems[0].contains($0) && $0.hasSuffix("-----END CERTIFICATE-----\n") } == true, "\(whole)")
        let chain = first?["chain"]?.array?.compactMap(\.string) ?? []
        #expect(chain.count == 2 && chain.first == first?["cert"]?.string && chain.allSatisfy { $0.hasPrefix("-----BEGIN CERTIFICATE-----\n") && pems[1].contains($0) }, "\(chain)")
    }
}

extension Substring {
    fileprivate var trimmingNewline: Substring { self.last?.isNewline == true ? self.dropLast() : self }
}
