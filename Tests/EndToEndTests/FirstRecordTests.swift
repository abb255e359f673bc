import TestSupport
import Testing

/// What a TLS server says to a first record that is no hello: alert, end, statistics and log, as Envoy 1.40.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"), .enabled(if: Shell.has("openssl")))
struct FirstRecordTests {
    private static func record(_ type: UInt8, _ body: [UInt8]) -> [UInt8] { [type, 3, 1, 0, UInt8(body.count)] + body }

    /// Each piece on its own.
    private static func talk(_ pieces: [[UInt8]], port: UInt16) throws -> RawClient.Outcome {
        let steps = pieces.flatMap { piece in [RawClient.Step.send(String(String.UnicodeScalarView(piece.map { Unicode.Scalar($0) }))), .pause(ms: 20)] }
        return try RawClient(steps: steps + [.awaitText("never")], methods: []).run(port: port)
    }

    private static let cases: [(bytes: [UInt8], alert: UInt8?, error: String)] = [
        (record(21, [2, 40]), nil, "268436496 SSLV3_ALERT_HANDSHAKE_FAILURE"), (record(21, [1, 0]), nil, "-"),
        (record(21, Array("hello".utf8)), 50, "268435558 BAD_ALERT"), (record(21, [3, 40]), 47, "268435683 UNKNOWN_ALERT_TYPE"),
        (record(23, Array("hello".utf8)), 10, "268435681 UNEXPECTED_RECORD"), (record(20, [1]), 10, "268435681 UNEXPECTED_RECORD"),
        (record(22, [2, 0, 0, 4, 1, 2, 3, 4]), 10, "268435679 UNEXPECTED_MESSAGE"),
        // It says that it is longer than anything that is read.
        (record(22, Array("hello".utf8)), 47, "268435606 EXCESSIVE_MESSAGE_SIZE"), (record(22, [1, 0, 0x40, 1, 3, 3]), 47, "268435606 EXCESSIVE_MESSAGE_SIZE"),
    ]

    @Test(arguments: [false, true]) func eachHasItsAlert(isInspected: Bool) throws {
        let certificates = try Certificates()
        try certificates.issue("server", names: "DNS:localhost")
        let directory = TemporaryDirectory()
        let log = "access_log: [{name: f, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: \(directory.path)/log, log_format: {text_format_source: {inline_string: \"%DOWNSTREAM_TRANSPORT_FAILURE_REASON%\\n\"}}}}]"
        let inspector = isInspected ? "\n    listener_filters: [{name: i, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}}]" : ""
        let served = try Served(try Binary.martlet(), arguments: ["--file-flush-interval-msec", "20"]) { port in
            TLSServed.yaml(certificates, port: port).replacing(text: "    stat_prefix: tls", by: "    stat_prefix: tls\n    \(log)\(inspector)")
        }
        var errors = 0
        for (i, one) in FirstRecordTests.cases.enumerated() {
            let outcome = try FirstRecordTests.talk([one.bytes], port: served.listener)
            #expect(outcome.received.last == one.alert && outcome.received.count == (one.alert == nil ? 0 : 7), "\(one.bytes): \(outcome.received)")
            // Envoy's close_notify behind an inspection is a reset.
            #expect(outcome.end == .closed, "\(one.bytes)")
            let words = one.error.split(separator: " ")
            let wanted = words.count == 2 ? "TLS_error:|\(words[0]):SSL_routines:OPENSSL_internal:\(words[1]):TLS_error_end" : "-"
            var lines: [String] = []
            _ = wait(upToMs: 20_000) {
                lines = (Files.text(directory.path + "/log") ?? "").textLines
                return lines.count > i
            }
            #expect(lines.count == i + 1 && lines.last == wanted, "\(one.bytes): \(lines)")
            if words.count == 2 { errors += 1 }
            #expect(served.stat("listener.tls.ssl.connection_error", becomes: errors) == errors)
        }
        #expect(served.stat("listener.tls.downstream_cx_active", becomes: 0) == 0)
    }

    /// Of whom a certificate is asked may say more than others.
    @Test func aLongHelloIsAwaitedWhereACertificateIsAskedFor() throws {
        let certificates = try Certificates()
        try certificates.issue("server", names: "DNS:localhost")
        let tls = try TLSServed(certificates, context: "validation_context: {trusted_ca: {filename: \(certificates.authority)}}")
        let long = try Sockets.connect(port: tls.port)
        _ = Sockets.send(FirstRecordTests.record(22, [1, 1, 0x90, 0, 3, 3]), from: 0, on: long)
        let pieces = ([[1], [1, 0x90], [1, 3, 3]] as [[UInt8]]).map { FirstRecordTests.record(22, $0) }
        let longer = try FirstRecordTests.talk(pieces, port: tls.port)
        #expect(longer.received == [21, 3, 1, 0, 2, 2, 47] && longer.end == .closed)
        #expect(tls.served.stat("listener.tls.downstream_cx_active", becomes: 1) == 1)
        long.close()
        #expect(tls.stat("connection_error", becomes: 1) == 1)
    }
}
