// `/certs`: the certificates of every TLS context, without their keys.

import Control
import Primitives

enum CertsCommand {
    static let command = AdminCommand("/certs", "print certs on machine") { context, _ in
        let now = Int(Clock.wallNs() / 1_000_000_000)
        let certificates = context.configurator.certificates
        let steps: [DumpStep] = [
            .once { json in
                json.open("{")
                json.key("certificates")
                json.open("[")
            },
            .each(certificates.count) { json, i in
                json.element { json in
                    list("ca_cert", certificates[i].authorities, now, &json)
                    list("cert_chain", certificates[i].chains, now, &json)
                }
            },
            .once { json in
                json.close("]")
                json.close("}")
                json.end()
            },
        ]
        return AdminResponse(contentType: AdminResponse.json, body: DumpBody(steps))
    }

    private static func list(_ name: String, _ records: [CertificateRecord], _ now: Int, _ json: inout JSONWriter) {
        json.array(name) { json in
            for record in records {
                json.element { json in
                    json.member("path", record.path)
                    json.member("serial_number", record.serial)
                    json.array("subject_alt_names") { json in
                        for name in record.names { json.element { alternative(name, &$0) } }
                    }
                    json.member("days_until_expiration", long: record.daysLeft(now: now))
                    json.member("valid_from", time(record.validFrom))
                    json.member("expiration_time", time(record.validUntil))
                    if let staple = record.staple {
                        json.object("ocsp_details") { json in
                            json.member("valid_from", time(staple.from))
                            if let until = staple.until { json.member("expiration", time(until)) }
                        }
                    }
                }
            }
        }
    }

    private static func alternative(_ name: CertificateRecord.Name, _ json: inout JSONWriter) {
        switch name {
        case .dns(let text): json.member("dns", text)
        case .uri(let text): json.member("uri", text)
        case .address(let text): json.member("ip_address", text)
        }
    }

    private static func time(_ seconds: Int) -> String { TimestampText.render(UInt64(clamping: seconds) &* 1_000_000_000) }
}
