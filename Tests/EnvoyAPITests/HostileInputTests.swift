import EnvoyAPI
import Testing

/// Whatever the bytes, the answer is a message or a list of errors.
@Suite struct HostileInputTests {
    private func read(_ bytes: [UInt8], _ format: ConfigReader.Format) {
        do {
            let document = try ConfigReader.read([ConfigReader.Input(bytes, name: "f", format: format)])
            _ = MessageJSON().text(document.bootstrap)
        } catch {
            #expect(!error.errors.isEmpty)
            _ = error.json
        }
    }

    @Test func cutShortAtEachByte() throws {
        let text = """
            node: &n {metadata: {a: [1, "\\u00e9", 'x', ~]}}
            static_resources:
              clusters:
                - name: >-
                    up
                  connect_timeout: 0.25s  # why
                  filters:
                  - name: t
                    typed_config:
                      "@type": type.googleapis.com/xds.type.v3.TypedStruct
                      type_url: a/envoy.extensions.filters.network.echo.v3.Echo
                      value: {}
            """
        let bytes = Array(text.utf8)
        for count in bytes.indices { read(Array(bytes[..<count]), .yaml) }
        let bootstrap = try ConfigReader.read(yaml: text).bootstrap
        let json = Array(MessageJSON().text(bootstrap).utf8)
        for count in json.indices { read(Array(json[..<count]), .json) }
        let binary: [UInt8] = try bootstrap.serializedBytes()
        for count in binary.indices { read(Array(binary[..<count]), .binary) }
    }

    /// Many mistakes take no longer than many right lines.
    @Test func manyMistakes() {
        let unknown = (0..<30_000).map { "unknown_field_\($0): 1\n" }.joined()
        #expect(lines(unknown).count == 1000)
        let types = (0..<3000).map { "- {name: a, typed_config: {\"@type\": a/envoy.unknown.v3.Type\($0)}}\n" }.joined()
        #expect(lines("bootstrap_extensions:\n" + types).count == 1000)
    }

    /// A message in many pieces is joined once.
    @Test func manyPieces() throws {
        let piece: [UInt8] = [10, 3, 10, 1, 97]  // node { id: "a" }
        let bytes = Array(repeatElement(piece, count: 100_000).joined())
        let input = ConfigReader.Input(bytes, name: "", format: .binary)
        #expect(try ConfigReader.read([input]).bootstrap.node.id == "a")
    }

    /// Seeded, so that a failure can be repeated; bounded by time, so that it stays a test.
    @Test(arguments: [ConfigReader.Format.yaml, .json, .binary])
    func mutated(format: ConfigReader.Format) throws {
        let bootstrap = try ConfigReader.read(yaml: Examples.simple).bootstrap
        let original: [UInt8] =
            switch format {
            case .yaml, .text: Array(Examples.simple.utf8)
            case .json: Array(MessageJSON().text(bootstrap).utf8)
            case .binary: try bootstrap.serializedBytes()
            }
        var random = Random(state: 0x9e37_79b9_7f4a_7c15)
        let end = ContinuousClock.now + .milliseconds(700)
        while ContinuousClock.now < end {
            var bytes = original
            for _ in 0..<(1 + random.below(6)) { mutate(&bytes, &random) }
            read(bytes, format)
        }
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout Random) {
        let marks = Array("{}[]:,-&*!|>'\"%@`#?\n\t \0~<".utf8)
        guard !bytes.isEmpty else { return }
        let index = random.below(bytes.count)
        switch random.below(6) {
        case 0: bytes[index] = UInt8(random.below(256))
        case 1: bytes[index] = marks[random.below(marks.count)]
        case 2: bytes.insert(marks[random.below(marks.count)], at: index)
        case 3: bytes.remove(at: index)
        case 4:
            let end = min(bytes.count, index + random.below(40))
            bytes.insert(contentsOf: Array(bytes[index..<end]), at: random.below(bytes.count))
        default:
            let end = min(bytes.count, index + random.below(40))
            bytes.removeSubrange(index..<end)
        }
    }

    private struct Random {
        var state: UInt64

        mutating func below(_ limit: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(limit))
        }
    }
}
