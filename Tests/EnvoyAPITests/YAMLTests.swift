import EnvoyAPI
import Testing

/// YAML's own features, JSON's narrower rules, and the bounds of both.
@Suite struct YAMLTests {
    private typealias Admin = Envoy_Config_Bootstrap_V3_Admin

    private func read<M: Message>(_ type: M.Type, _ yaml: String) throws -> M {
        try ConfigReader.read(type, [ConfigReader.Input(yaml: yaml, name: "")]).message
    }

    @Test func aliases() throws {
        let read = try read(
            Envoy_Config_Route_V3_RouteConfiguration.self,
            "response_headers_to_remove: &h [a, b]\nrequest_headers_to_remove: *h\ninternal_only_headers: &h [c]\n")
        #expect(read.requestHeadersToRemove == ["a", "b"])
        #expect(read.internalOnlyHeaders == ["c"])
    }

    @Test func mergeKeys() throws {
        let text = """
            !ignore defaults: &d {connect_timeout: 1s, alt_stat_name: x}
            static_resources:
              clusters:
              - {name: a, <<: *d, connect_timeout: 2s}
              - name: b
                <<: [{alt_stat_name: z}, *d]
            """
        let clusters = try ConfigReader.read(yaml: text).bootstrap.staticResources.clusters
        #expect(clusters.map(\.connectTimeout.seconds) == [2, 1])
        #expect(clusters.map(\.altStatName) == ["x", "z"])
    }

    @Test func ignoredBlocks() throws {
        let text = "!ignore templates:\n  nonsense: [1, 2]\nflags_path: /f\n"
        #expect(try ConfigReader.read(yaml: text).bootstrap.flagsPath == "/f")
    }

    @Test func badAliases() {
        #expect(lines("a: *b") == ["c.yaml:1:4: error: this alias refers to no anchor above it; put what begins with * in quotes if it is none"])
        #expect(lines("a: &x [*x]") == ["c.yaml:1:8: error: this alias stands inside the block that it names"])
        #expect(lines("<<: 5") == ["c.yaml:1:5: error: a merge key '<<' takes a map, or a list of maps"])
        #expect(
            lines("? [a]\n: b") == [
                "c.yaml:1:3: error: a key must be a plain word or a quoted string; write the name of a field, a colon and a "
                    + "space"
            ])
    }

    @Test func aliasBomb() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...20 {
            let alias = "*a\(level - 1)"
            text += "a\(level): &a\(level) [\(Array(repeating: alias, count: 10).joined(separator: ", "))]\n"
        }
        #expect(lines(text).last?.contains("aliases and merge keys add more than 1000000 nodes") == true)
    }

    @Test func mergeBomb() {
        let keys = (0..<2000).map { "k\($0): 1" }.joined(separator: ", ")
        let text = "a: &a {\(keys)}\nb: [" + Array(repeating: "{<<: *a}", count: 600).joined(separator: ", ") + "]\n"
        #expect(lines(text).last?.contains("aliases and merge keys add more than 1000000 nodes") == true)
    }

    @Test(arguments: [99, 100, 101, 100_000])
    func depth(levels: Int) {
        let text = "node: {metadata: " + String(repeating: "[", count: levels - 2)
            + String(repeating: "]", count: levels - 2) + "}"
        let said = lines(text)
        #expect(said.count == 1)
        #expect(said.first?.contains("more than 100 blocks inside each other") == (levels > 100))
    }

    /// The deepest accepted document goes through every stage: tree, check, wire format, SwiftProtobuf, printer.
    @Test func depthThroughAllStages() throws {
        let text = "node: {metadata: {a: " + String(repeating: "{a: ", count: 97) + "1"
            + String(repeating: "}", count: 97) + "}}"
        let document = try ConfigReader.read(yaml: text)
        #expect(document.bootstrap.node.hasMetadata)
        #expect(MessageJSON().text(document.bootstrap).contains("\"a\": 1"))
    }

    @Test func depthThroughAliases() {
        let deep = String(repeating: "[", count: 60) + String(repeating: "]", count: 60)
        let text = "a: &a \(deep)\nb: " + String(repeating: "[", count: 60) + "*a" + String(repeating: "]", count: 60)
        #expect(lines(text).last?.contains("more than 100 blocks inside each other") == true)
    }

    @Test func fileSize() {
        let input = ConfigReader.Input([UInt8](repeating: 32, count: 64 << 20 | 1), name: "c", format: .yaml)
        do {
            _ = try ConfigReader.read([input])
            Issue.record("accepted")
        } catch {
            #expect(error.errors.first?.message == "the file is larger than 64 MiB")
        }
    }

    @Test func secondDocument() {
        #expect(
            lines("flags_path: a\n---\nfoo: bar\n") == [
                "c.yaml:2:1: warning: only the first document of the file is read; what follows '---' is ignored"
            ])
    }

    @Test func manyProblemsEnd() {
        #expect(lines(String(repeating: "a: 1\n", count: 1000)).count == 100)
    }

    @Test func columnsCountCharacters() {
        #expect(lines("{flags_path: \"äöü\", foo: 1}").first?.hasPrefix("c.yaml:1:21: error: foo:") == true)
        #expect(lines("\u{feff}foo: 1\n").first?.hasPrefix("c.yaml:1:1: error: foo:") == true)
        #expect(lines("flags_path: a\r\nfoo: 1\r\n").first?.hasPrefix("c.yaml:2:1: error: foo:") == true)
    }

    @Test func json() {
        #expect(lines("{\"flags_path\":\"a\",\"node\":{\"metadata\":{\"n\":1.5e3}}}", format: .json) == [])
        #expect(lines("{\"flags_path\":\t\"a\\/b\"\n}", format: .json) == [])
        for text in [
            "flags_path: a", "{flags_path: \"a\"}", "{\"flags_path\": a}", "{\"flags_path\": 'a'}", "{\"a\": &x 1}",
            "{\"enable_dispatcher_stats\": yes}", "{\"a\": 0x10}", "{\"a\": !!str 1}",
        ] {
            #expect(lines(text, format: .json).first?.contains("not JSON:") == true, "\(text)")
        }
        #expect(
            lines("{\"flags_path\": 7}", format: .json).first?.hasPrefix(
                "c.yaml:1:16: error: flags_path: unexpected character: '7'; expected '\"'") == true)
    }

    @Test func jsonEscapes() throws {
        for (text, value) in [
            ("\\ud83d\\uDE00!", "\u{1f600}!"), ("\\\\ud83d", "\\ud83d"), ("\\u00e9\\n\\/", "é\n/"), ("a\\ud83d\\ude00", "a\u{1f600}"),
        ] {
            let input = ConfigReader.Input(Array("{\"flags_path\":\"\(text)\"}".utf8), name: "", format: .json)
            #expect(try ConfigReader.read([input]).bootstrap.flagsPath == value)
        }
        for text in ["\\ud83d", "\\ud83dx", "\\ude00\\ud83d", "\\ud83d\\u", "\\"] {
            #expect(lines("{\"flags_path\":\"\(text)\"}", format: .json).count == 1)
        }
    }

    @Test func formatByExtension() {
        #expect(ConfigReader.Format(path: "/a/b.json") == .json)
        #expect(ConfigReader.Format(path: "b.pb") == .binary)
        #expect(ConfigReader.Format(path: "b.yml") == .yaml)
        #expect(ConfigReader.Format(path: "b.txt") == .yaml)
        #expect(ConfigReader.Format(path: "b.pb_text") == .text)
        #expect(
            lines("flags_path: \"a\"", format: .text) == [
                "c.yaml: error: protobuf's text format is not supported by Martlet yet; write the configuration in YAML or JSON"
            ])
    }

    /// RFC 8259 §7: no line ends inside of JSON's strings.
    @Test func lineEndsOfYAMLInJSON() throws {
        let text = "{\"node\": {\"id\": \"a\u{85}b\u{2028}c\u{2029}d\u{1f600}\"}}"
        let document = try ConfigReader.read([ConfigReader.Input(Array(text.utf8), name: "", format: .json)])
        #expect(document.bootstrap.node.id == "a\u{85}b\u{2028}c\u{2029}d\u{1f600}")
    }

    /// YAML 1.2 §5.4: nor does a line of YAML end there, be it a comment's.
    @Test func lineEndsOfYAML11AreCharacters() throws {
        let text = "# a\u{85}bogus: 1\n# b\u{2028}bogus: 1\nnode:\n  id: \"a\u{85}b\u{2028}c\u{2029} d\"\n  cluster: x\u{85}y\n"
        let document = try ConfigReader.read([ConfigReader.Input(yaml: text, name: "")])
        #expect(document.bootstrap.node.id == "a\u{85}b\u{2028}c\u{2029} d")
        #expect(document.bootstrap.node.cluster == "x\u{85}y")
        #expect(lines("\u{2028}x: 1\n") == ["c.yaml:1:1: error: \u{2028}x: no such field: '\u{2028}x' in envoy.config.bootstrap.v3.Bootstrap"])
    }

    /// What stands in for them while libyaml reads may stand in the file as well, as it is or escaped.
    @Test func privateCharactersStay() throws {
        let text = "node: {id: \"\u{85}\u{f0000}\u{f0002}\\U000f0001\\U000F0003\u{2028}\"}"
        let document = try ConfigReader.read([ConfigReader.Input(yaml: text, name: "")])
        #expect(document.bootstrap.node.id == "\u{85}\u{f0000}\u{f0002}\u{f0001}\u{f0003}\u{2028}")
        let json = "{\"node\": {\"id\": \"\u{85}\\udb80\\udc00\"}}"
        let read = try ConfigReader.read([ConfigReader.Input(Array(json.utf8), name: "", format: .json)])
        #expect(read.bootstrap.node.id == "\u{85}\u{f0000}")
    }

    /// As an editor counts: U+0085 and the like end no line and are one character, an escape is as long as it is written.
    @Test func columnsBehindUnusualCharacters() {
        let field = "error: foo: no such field: 'foo' in envoy.config.bootstrap.v3.Bootstrap"
        for (value, column) in [
            ("\u{85}", 21), ("\u{2028}\u{2029}", 22), ("\u{1f600}", 21), ("\\ud83d\\ude00", 32), ("\\ud83d\\ude00\u{85}\\ud83d\\ude00", 45),
            ("\\u0085", 26), ("\\\\ud83d", 27),
        ] {
            let text = "{\"flags_path\": \"\(value)\", \"foo\": 1}"
            #expect(lines(text, format: .json) == ["c.yaml:1:\(column): \(field)"], "\(value)")
        }
        // The columns of a line are those of no other.
        let text = "{\"flags_path\":\r\n\"\\ud83d\\ude00\",\r\"foo\": 1}"
        #expect(lines(text, format: .json) == ["c.yaml:3:1: \(field)"])
        for value in ["\u{85}", "\u{2028}", "\u{1f600}"] {
            #expect(lines("{flags_path: \"\(value)\", foo: 1}") == ["c.yaml:1:19: \(field)"], "\(value)")
            #expect(lines("# \(value)\nfoo: 1") == ["c.yaml:2:1: \(field)"])
        }
    }

    /// libyaml refuses them; Envoy takes them, and JSON has them in strings (RFC 8259 §7) but for those below U+0020.
    @Test func controlCharactersAreCharacters() throws {
        let odd = "\u{1}\u{1f}\u{7f}\u{80}\u{82}\u{9f}\u{fffe}\u{ffff}"
        for (text, format) in [
            ("# \(odd)\nnode: {id: \"\(odd)\", cluster: p\(odd)q}", .yaml), ("{\"node\": {\"id\": \"\(odd)\", \"cluster\": \"p\(odd)q\"}}", .json),
        ] as [(String, ConfigReader.Format)] {
            let read = try ConfigReader.read([ConfigReader.Input(Array(text.utf8), name: "", format: format)])
            #expect(read.bootstrap.node.id == odd && read.bootstrap.node.cluster == "p\(odd)q")
        }
        #expect(lines("{flags_path: \"\u{82}\u{1}\", foo: 1}").first?.hasPrefix("c.yaml:1:20: error: foo:") == true)
    }

    @Test func bytesThatAreNoText() {
        for (bytes, place) in [([0xff], "1:1"), ([0x61, 0xc3, 0xa4, 0x0a, 0x20, 0x00], "2:2"), ([0xef, 0xbb, 0xbf, 0x61, 0x80], "1:2")] as [([UInt8], String)] {
            let input = ConfigReader.Input(bytes, name: "c.yaml", format: .yaml)
            let errors: [String]
            do throws(ConfigErrors) {
                _ = try ConfigReader.read([input])
                errors = []
            } catch {
                errors = error.errors.map(\.description)
            }
            #expect(errors.count == 1 && errors[0].hasPrefix("c.yaml:\(place): error: "), "\(errors)")
        }
    }
}
