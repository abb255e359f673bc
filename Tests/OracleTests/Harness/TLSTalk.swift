import TestSupport

/// A client of TLS: `openssl s_client` with options, and one request of HTTP/1 where the handshake succeeds. `{{certs}}` in
/// the options is the directory of the certificates.
struct TLSTalk: Sendable, CustomStringConvertible {
    var options: String
    var request = "GET / HTTP/1.1\r\nhost: h.test\r\nconnection: close\r\n\r\n"

    var description: String { "\(options) \(request)" }

    init(_ options: String) { self.options = options }

    /// Words of `s_client` that say what was agreed, in the order in which it prints them.
    private static let told = [
        "subject=", "Acceptable client certificate CA names", "No client certificate CA names sent", "Server Temp Key: ", "Peer signature type: ", "No ALPN negotiated",
        "ALPN protocol: ", "New, ", "Reused, ", "Verification", "Verify return code", "OCSP Response Status", "OCSP response: no",
    ]

    func outcome(port: UInt16, _ normaliser: Normaliser) throws -> Outcome {
        let quoted = request.replacing(text: "\r\n", by: "\\r\\n")
        let certs = OracleCertificates.shared.directory
        let finished = try Shell.run(
            "(printf '\(quoted)'; sleep 0.4) | timeout 10 openssl s_client -connect 127.0.0.1:\(port) -CAfile \(certs)/ca.pem "
                + "-ign_eof \(options.replacing(text: "{{certs}}", by: certs)) 2>&1")
        var result: Outcome = [.status: [], .headers: [], .body: [], .end: []]
        let lines = finished.output.split(whereSeparator: \.isNewline).map(String.init)
        for line in lines {
            if let place = line.range(ofLast: "SSL alert number ") {
                result[.end] = ["alert \(line[place.upperBound...])"]
            } else if TLSTalk.told.contains(where: { line.hasPrefix($0) }) {
                result[.status]!.append(normaliser.line(line))
            }
        }
        if let start = lines.firstIndex(where: { $0.hasPrefix("HTTP/1.1 ") }) {
            // What came behind the answer's last byte is of `s_client` again.
            let answer = lines[start...].prefix { !$0.hasPrefix("---") && !$0.hasPrefix("Post-Handshake") }
                .map { $0.hasSuffix("---") ? String($0.dropLast(3)) : $0 }
            result[.body] = answer.filter { !$0.hasPrefix("date:") && !$0.hasPrefix("closed") }.map { normaliser.longLine($0) }
        }
        return result
    }
}

/// What every case's proxies and clients show: an authority, servers for several names and key types, clients good and bad.
/// Made once for a run.
final class OracleCertificates: Sendable {
    static let shared = OracleCertificates()

    private let certificates: Certificates?
    let directory: String
    let problem: String?

    private init() {
        do {
            let certificates = try Certificates()
            try certificates.issue("server", names: "DNS:server.test,URI:spiffe://acme/server")
            try certificates.issue("rsa", names: "DNS:server.test", rsa: true)
            try certificates.issue("other", names: "DNS:other.test,DNS:*.wild.test")
            try certificates.issue("client", names: "URI:spiffe://acme/client,DNS:client.test")
            try certificates.issue("stranger", names: "URI:spiffe://acme/stranger")
            try certificates.issue("addressed", names: "IP:10.1.2.3,IP:2001:db8::7,email:a@b.test")
            try certificates.issue("othername", names: "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:me@a.test")
            try certificates.issue("revoked", names: "DNS:revoked.test")
            for (name, key) in [("p384", "ec -pkeyopt ec_paramgen_curve:P-384"), ("p521", "ec -pkeyopt ec_paramgen_curve:P-521"), ("ed25519", "ed25519")] {
                try certificates.issue(name, names: "DNS:\(name).test", key: key)
            }
            try certificates.run(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout self.key -out self.pem -days 3 -subj /CN=self")
            try certificates.expire("expired")
            try certificates.revoke("revoked")
            try certificates.staple("server")
            try certificates.expireStaple("server")
            self.certificates = certificates
            directory = certificates.directory.path
            problem = nil
        } catch {
            certificates = nil
            directory = "/nowhere"
            problem = "\(error)"
        }
    }
}
