// What must always hold of the configuration reader and the compilers, checked by the fuzzer and, over its corpus, by
// ControlTests:
// - a configuration or errors, never both and never neither; each error has words and a place inside the file,
// - what is accepted encodes, and reads back equal: from its bytes, and from its own JSON,
// - the compilers without sockets say no other sort of thing, and leave nothing behind.

import Control
import EnvoyAPI
import Extensions
import SwiftProtobuf

enum ConfigInvariants {
    /// Traps when one is broken. The first byte: bits 0 and 1 the format, bit 2 whether unknown fields are errors.
    static func check(_ input: [UInt8]) {
        guard let flags = input.first else { return }
        let bytes = Array(input.dropFirst())
        let unknown: ConfigError.Severity = flags & 4 == 0 ? .error : .warning
        let inputs: [ConfigReader.Input] =
            switch flags & 3 {
            case 0: [ConfigReader.Input(bytes, name: "f.yaml", format: .yaml, unknownFields: unknown)]
            case 1: [ConfigReader.Input(bytes, name: "f.json", format: .json, unknownFields: unknown)]
            case 2: [ConfigReader.Input(bytes, name: "f.pb", format: .binary, unknownFields: unknown)]
            default: merged(bytes, unknown)
            }
        do throws(ConfigErrors) {
            let document = try ConfigReader.read(inputs)
            checkPlaces(document.warnings, inputs)
            checkAgain(document.bootstrap)
            compile(document, inputs)
        } catch {
            if error.errors.isEmpty { fatalError("neither a configuration nor an error") }
            checkPlaces(error.errors, inputs)
            if error.json.isEmpty { fatalError("no JSON") }
        }
    }

    /// `--config-yaml` over a file: a NUL between them.
    private static func merged(_ bytes: [UInt8], _ unknown: ConfigError.Severity) -> [ConfigReader.Input] {
        let cut = bytes.firstIndex(of: 0) ?? bytes.count
        return [
            ConfigReader.Input(Array(bytes[..<cut]), name: "f.yaml", format: .yaml, unknownFields: unknown),
            ConfigReader.Input(
                Array(bytes[cut...].dropFirst()), name: "--config-yaml", format: .yaml, unknownFields: unknown),
        ]
    }

    private static func checkPlaces(_ problems: [ConfigError], _ inputs: [ConfigReader.Input]) {
        if problems.count > 1000 { fatalError("errors without an end") }
        for problem in problems {
            if problem.message.isEmpty { fatalError("an error without words") }
            guard problem.line > 0 else {
                // Only bytes without lines have no places.
                if inputs.contains(where: { $0.format != .binary }), problem.file != "f.pb" {
                    fatalError("no place: \(problem)")
                }
                continue
            }
            guard let input = inputs.first(where: { $0.name == problem.file }) else { fatalError("no such file: \(problem)") }
            let (lines, longest) = measure(input.bytes)
            if problem.line > lines || problem.column < 1 || problem.column > longest + 1 {
                fatalError("a place outside of the file: \(problem)")
            }
        }
    }

    /// Lines as an editor counts them, one more for the end; the longest in characters. UTF-16 is measured in bytes.
    private static func measure(_ bytes: [UInt8]) -> (lines: Int, longest: Int) {
        let isUTF16 = bytes.starts(with: [0xff, 0xfe]) || bytes.starts(with: [0xfe, 0xff])
        var lines = 2
        var longest = 0
        var length = 0
        for byte in bytes {
            if isUTF16 || byte & 0xc0 != 0x80 { length += 1 }
            longest = max(longest, length)
            if byte == 0x0d || byte == 0x0a {
                length = 0
                lines += 1
            }
            // Of U+0085, U+2028 and U+2029 in UTF-16.
            if isUTF16, byte == 0x85 || byte == 0x28 || byte == 0x29 { lines += 1 }
        }
        return (lines, longest)
    }

    private static func checkAgain(_ bootstrap: Bootstrap) {
        let wire = bytes(bootstrap)
        do throws(ConfigErrors) {
            let binary = try ConfigReader.read([ConfigReader.Input(wire, name: "again.pb", format: .binary)])
            if bytes(binary.bootstrap) != wire { fatalError("another configuration from its own bytes") }
            let json = MessageJSON(redacts: false).text(bootstrap)
            let text = try ConfigReader.read([ConfigReader.Input(Array(json.utf8), name: "again.json", format: .json)])
            if bytes(text.bootstrap) != wire { fatalError("another configuration from its own JSON: \(json)") }
        } catch {
            fatalError("our own text is refused: \(error)")
        }
    }

    /// The same for equal messages: maps are in order.
    private static func bytes(_ bootstrap: Bootstrap) -> [UInt8] {
        var options = BinaryEncodingOptions()
        options.useDeterministicOrdering = true
        do {
            return try bootstrap.serializedBytes(options: options)
        } catch {
            fatalError("an accepted configuration does not encode: \(error)")
        }
    }

    /// A new one each time: what it leaves behind shows as a leak.
    private static func compile(_ document: ConfigDocument, _ inputs: [ConfigReader.Input]) {
        let validator = Server.validator(filters: FilterRegistry(HTTPFilters.all))
        do throws(ConfigErrors) {
            try validator.validate(document)
        } catch {
            if error.errors.isEmpty { fatalError("refused without an error") }
            checkPlaces(error.errors, inputs)
        }
        checkPlaces(validator.warnings, inputs)
    }
}
