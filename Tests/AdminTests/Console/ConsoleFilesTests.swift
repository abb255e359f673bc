import Admin
import Primitives
import TestSupport
import Testing

/// The files of the console are in the binary as they lie in the sources.
struct ConsoleFilesTests {
    static let folder = SourceTree.root + "/Sources/CConsole/web"

    @Test
    func everyFileIsInTheBinary() throws {
        let names = SourceTree.files(in: ConsoleFilesTests.folder)
        #expect(names.count > 15)
        #expect(ConsoleFile.all.map(\.name).sorted() == names.sorted())
        for file in ConsoleFile.all {
            let text = try #require(Files.text(ConsoleFilesTests.folder + "/" + file.name))
            #expect(String(decoding: [UInt8](file.bytes), as: UTF8.self) == text, "\(file.name): build again")
        }
    }

    @Test
    func typesAndTags() {
        let types = Dictionary(uniqueKeysWithValues: ConsoleFile.all.map { ($0.name, $0.contentType) })
        #expect(types["console.html"] == "text/html; charset=UTF-8")
        #expect(types["console.css"] == "text/css; charset=UTF-8")
        #expect(types["app.js"] == "text/javascript; charset=UTF-8")
        #expect(types["martlet.svg"] == "image/svg+xml")
        #expect(types["statistics.txt"] == "text/plain; charset=UTF-8")
        #expect(Set(ConsoleFile.all.map(\.etag)).count == ConsoleFile.all.count)
        #expect(ConsoleFile.all.allSatisfy { $0.etag.hasPrefix("\"") && $0.etag.hasSuffix("\"") && $0.etag.count > 4 })
    }

    /// The policy forbids what stands in the page itself, and other hosts: nothing may need them.
    @Test
    func nothingIsInlineOrFromElsewhere() throws {
        for name in ["console.html", "flame.html"] {
            let page = try #require(Files.text(ConsoleFilesTests.folder + "/" + name))
            for word in ["<style", " style=", " onclick", " onload", "http://", "https://", "javascript:"] {
                #expect(!page.contains(word), "\(name): \(word)")
            }
        }
        for name in SourceTree.files(in: ConsoleFilesTests.folder) where name.hasSuffix(".js") {
            let text = try #require(Files.text(ConsoleFilesTests.folder + "/" + name))
            for word in ["innerHTML", "insertAdjacentHTML", "eval(", "new Function", "document.write", "https://", "localStorage"] {
                #expect(!text.contains(word), "\(name): \(word)")
            }
            #expect(text.split(separator: "\n").count <= 250, "\(name) is two ideas")
        }
    }

    /// `rules.js`, `problems.js`, `model.js` and the other pure modules, tested in their own language.
    @Test(.enabled(if: Shell.has("node"), "node is not installed: the console's scripts are tested by EndToEndTests alone"))
    func scripts() throws {
        let run = try Shell.run("node --test \(SourceTree.root)/Tests/AdminTests/Console/scripts/ 2>&1", limitMs: 60_000)
        #expect(run.status == 0, "\(run.output.suffix(4000))")
        #expect(run.output.contains("# fail 0") && !run.output.contains("# pass 0"))
    }
}
