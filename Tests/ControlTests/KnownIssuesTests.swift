@testable import ConfigTree
import EnvoyAPI
import TestSupport
import Testing

/// docs/known-issues.md names every field of Envoy's API that is refused, and every one that nothing looks at.
@Suite struct KnownIssuesTests {
    @Test func refusedFieldsAreNamed() throws {
        let page = try Page()
        var count = 0
        for text in KnownIssuesTests.sources(skipping: ["EnvoyProtos"]).values {
            for (message, field) in KnownIssuesTests.unsupported(text) {
                count += 1
                #expect(page.names(field, of: message), "\(field) of \(message) is refused")
            }
        }
        #expect(count > 50)
        for message in Schema.shared.messages where KnownIssuesTests.isConfiguration(message.name) {
            for field in message.notYet.keys.sorted() {
                #expect(page.names(field, of: message.name), "\(field) of \(message.name) is not_yet")
            }
        }
    }

    /// Fields whose names occur nowhere in the sources. One that is read for another message hides behind it.
    @Test func fieldsThatNothingReadsAreNamed() throws {
        let page = try Page()
        var words: Set<String> = []
        for text in KnownIssuesTests.sources(skipping: ["EnvoyProtos", "EnvoyAPI"]).values {
            for word in text.split(whereSeparator: { !$0.isLetter && !$0.isNumber && $0 != "_" }) {
                words.insert(word.lowercased().filter { $0 != "_" })
            }
        }
        for message in Schema.shared.messages
        where message.form == .plain && KnownIssuesTests.isConfiguration(message.name) && !page.isRefusedWhole(message.name) {
            for field in message.fields {
                let name = field.name.filter { $0 != "_" }
                if words.contains(name) || words.contains("has" + name) { continue }
                #expect(page.names(field.name, of: message.name), "nothing reads \(field.name) of \(message.name)")
            }
        }
    }

    @Test func missingExtensionsAreNamed() throws {
        let page = try Page()
        let served = Set(Schema.shared.messages.map { KnownIssuesTests.package($0.name) })
        let missing = Set(EnvoyTypes.ordered.filter { $0.hasPrefix("envoy.extensions.") }.map { KnownIssuesTests.package($0) })
            .subtracting(served)
        #expect(missing.count > 100)
        for package in missing.sorted() {
            let name = package.dropFirst("envoy.extensions.".count).dropLast(".v3".count)
            #expect(page.namesExtension(String(name)), "\(package) is not named")
        }
        for package in served where package.hasPrefix("envoy.extensions.") && package.hasSuffix(".v3") {
            let name = package.dropFirst("envoy.extensions.".count).dropLast(".v3".count)
            #expect(!page.namesExtension(String(name)), "\(package) is served")
        }
    }

    // MARK: The page

    private struct Page {
        private var rows: [String: Set<String>] = [:]
        private var wholes: Set<String> = []
        private var extensions: [String: Set<String>] = [:]

        init() throws {
            let text = try #require(Files.text(KnownIssuesTests.root + "/docs/known-issues.md"))
            for line in text.textLines {
                let quoted = line.split(separator: "`", omittingEmptySubsequences: false).enumerated()
                    .filter { !$0.offset.isMultiple(of: 2) }.map { String($0.element) }
                if line.hasPrefix("| `"), let message = quoted.first {
                    if message.hasPrefix("envoy.") {
                        rows[message, default: []].formUnion(quoted.dropFirst())
                        if line.contains("| all |") { wholes.insert(message) }
                    } else {
                        extensions[message] = Set(quoted.dropFirst())
                    }
                } else {
                    wholes.formUnion(quoted.filter { $0.hasPrefix("envoy.") })
                }
            }
        }

        func names(_ field: String, of message: String) -> Bool { rows[message]?.contains(field) == true || wholes.contains(message) }
        func isRefusedWhole(_ message: String) -> Bool { wholes.contains(message) }

        /// `filters.http.cors` stands in the row of `filters.http`.
        func namesExtension(_ name: String) -> Bool {
            extensions.contains { kind, names in
                (name.hasPrefix(kind + ".") && names.contains(String(name.dropFirst(kind.count + 1))))
                    || (name == kind && names.contains(String(name.split(separator: ".").last ?? "")))
            }
        }
    }

    // MARK: The sources

    private static let root: String = {
        let file = #filePath
        return String(file[..<(file.firstRange(of: "/Tests/")?.lowerBound ?? file.startIndex)])
    }()

    private static func package(_ message: String) -> String {
        message.split(separator: ".").dropLast().joined(separator: ".")
    }

    private static func isConfiguration(_ message: String) -> Bool {
        message.hasPrefix("envoy.") && !["envoy.service.", "envoy.data."].contains { message.hasPrefix($0) }
    }

    /// Every Swift file below Sources.
    private static func sources(skipping: Set<String>) -> [String: String] {
        var found: [String: String] = [:]
        func look(_ folder: String, depth: Int) {
            for name in Files.names(in: folder) where !skipping.contains(name) && !name.hasPrefix(".") {
                let path = folder + "/" + name
                if name.hasSuffix(".swift") {
                    found[path] = Files.text(path)
                } else if depth < 6, !name.contains(".") {
                    look(path, depth: depth + 1)
                }
            }
        }
        look(root + "/Sources", depth: 0)
        return found
    }

    /// `diagnostics.unsupported(place, "envoy…Message", ["field": …])`.
    private static func unsupported(_ text: String) -> [(message: String, field: String)] {
        var fields: [(String, String)] = []
        for call in text.split(separator: ".unsupported(").dropFirst() {
            guard let start = call.firstRange(of: "\"envoy.") else { continue }
            let rest = call[call.index(after: start.lowerBound)...]
            let message = String(rest.prefix { $0 != "\"" })
            guard let open = rest.firstIndex(of: "["), let close = rest.firstRange(of: "])") else { continue }
            let list = rest[open..<close.lowerBound]
            let parts = list.split(separator: "\"", omittingEmptySubsequences: false)
            for (i, part) in parts.enumerated() where !i.isMultiple(of: 2) && i + 1 < parts.count && parts[i + 1].hasPrefix(":") {
                fields.append((message, String(part)))
            }
        }
        return fields
    }
}
