import TestSupport
import Testing

/// `%TLS_JA3_FINGERPRINT%` and `%TLS_JA4_FINGERPRINT%` of hellos, as Envoy 1.40 logs them.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct HelloFingerprintTests {
    /// A hello with GREASE everywhere; one without a name; one without extensions; SSL 3.0; more than 99 of each; a protocol
    /// whose name ends in no letter; empty lists.
    private static let hellos: [(bytes: String, ja3: String, ja4: String)] = [
        (
            "160301009b010000970303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f080909090909090909000a0a0a1301c02fc02b00ff0100005c1a1a"
                + "00000000000c000a0000076a612e74657374000a000a00082a2a001d00170018000b0003020001000d00080006080404030401002b0007063a3a030403030010000e000c0268"
                + "3208687474702f312e314a4a000100ff01000100",
            "f7e01a063655dad3f3978d7d20e78401", "t13d0407h2_563daf7770ef_9c1f446cbd81"
        ),
        (
            "160301004e0100004a0302000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0809090909090909090002c02f01000017000a000a00082a2a001d"
                + "0017001800100005000302ab12",
            "7142a8c36c22872d963a2533926087d2", "t11i0102a2_f06271c2b022_a8f3e973773c"
        ),
        (
            "1603010037010000330301000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0809090909090909090004002f00350100",
            "dac4920d4335e769327dbf4e1b759e15", "t10i020000_f54dd463d39b_000000000000"
        ),
        (
            "1603010047010000430300000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f08090909090909090900020a0a010000100000000c000a0000076a"
                + "612e74657374",
            "633682cdbaaa3594417b8a6514f56ac7", "t00d000100_000000000000_000000000000"
        ),
        (
            "16030102fb010002f70303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f080909090909090909012a00010002000300040005000600070008"
                + "0009000a000b000c000d000e000f0010001100120013001400150016001700180019001a001b001c001d001e001f0020002100220023002400250026002700280029002a002b"
                + "002c002d002e002f0030003100320033003400350036003700380039003a003b003c003d003e003f0040004100420043004400450046004700480049004a004b004c004d004e"
                + "004f0050005100520053005400550056005700580059005a005b005c005d005e005f0060006100620063006400650066006700680069006a006b006c006d006e006f00700071"
                + "00720073007400750076007700780079007a007b007c007d007e007f0080008100820083008400850086008700880089008a008b008c008d008e008f00900091009200930094"
                + "00950100019c006400000065000000660000006700000068000000690000006a0000006b0000006c0000006d0000006e0000006f000000700000007100000072000000730000"
                + "007400000075000000760000007700000078000000790000007a0000007b0000007c0000007d0000007e0000007f000000800000008100000082000000830000008400000085"
                + "000000860000008700000088000000890000008a0000008b0000008c0000008d0000008e0000008f000000900000009100000092000000930000009400000095000000960000"
                + "009700000098000000990000009a0000009b0000009c0000009d0000009e0000009f000000a0000000a1000000a2000000a3000000a4000000a5000000a6000000a7000000a8"
                + "000000a9000000aa000000ab000000ac000000ad000000ae000000af000000b0000000b1000000b2000000b3000000b4000000b5000000b6000000b7000000b8000000b90000"
                + "00ba000000bb000000bc000000bd000000be000000bf000000c0000000c1000000c2000000c3000000c4000000c5000000c6000000c7000000c800000010000400020178",
            "06db3918cd58231af4473fd16d475b7d", "t12i9999xx_a5b00ba9772b_3022eb0296b8"
        ),
        (
            "160301004d010000490303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0809090909090909090002130101000016000d0008000608040403"
                + "04010010000600040368322d",
            "a56bde9781fcc03f8fdaa3d6a5b808c2", "t12i01026d_0f2cb44170f4_c9c820075e28"
        ),
        (
            "160301004d010000490303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0809090909090909090002130101000016002b0007063a3a030403"
                + "03000a0003000400000d0000",
            "613000029893da5c081fc5ffee5614b8", "t13i010300_0f2cb44170f4_304562746881"
        ),
    ]

    @Test func asEnvoyLogsThem() throws {
        let directory = TemporaryDirectory()
        let served = try Served(Binary.martlet()) { port in
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                stat_prefix: l
                listener_filters: [{name: t, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector, enable_ja3_fingerprinting: true, enable_ja4_fingerprinting: true}}]
                access_log: [{name: a, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: \(directory.path)/log, log_format: {text_format_source: {inline_string: "%TLS_JA3_FINGERPRINT% %TLS_JA4_FINGERPRINT%\\n"}}}}]
                filter_chains: [{filters: [{name: d, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.direct_response.v3.Config, response: {inline_string: x}}}]}]
            """
        }
        for hello in HelloFingerprintTests.hellos {
            let client = RawClient(steps: [.send(String(wire: bytes(hello.bytes))), .awaitText("x"), .close], methods: [])
            _ = try client.run(port: served.listener)
        }
        // Bytes that are no hello have none.
        _ = try RawClient(steps: [.send("GET / HTTP/1.1\r\n"), .awaitText("x"), .close], methods: []).run(port: served.listener)
        var lines: [String] = []
        _ = wait(upToMs: 12_000, everyMs: 20) {
            lines = (Files.text(directory.path + "/log") ?? "").textLines
            return lines.count == HelloFingerprintTests.hellos.count + 1
        }
        #expect(lines == HelloFingerprintTests.hellos.map { "\($0.ja3) \($0.ja4)" } + ["- -"])
    }

    private func bytes(_ hex: String) -> [UInt8] {
        let digits = Array(hex.utf8).map { $0 < 58 ? $0 - 48 : $0 - 87 }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
