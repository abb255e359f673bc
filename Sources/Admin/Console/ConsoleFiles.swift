// `/` and `/console/<file>`: the files of Sources/CConsole/web, which are in the binary.

import CConsole
import Primitives

package struct ConsoleFile: Sendable {
    package let name: String
    package let etag: String
    private let index: Int

    package static let all: [ConsoleFile] = (0..<martlet_console_files_count).map(ConsoleFile.init)

    private init(_ index: Int) {
        self.index = index
        name = unsafe String(cString: ConsoleFile.start[index].name)
        etag = "\"\(String(XXHash64.hash(ConsoleFile.bytes(index)), radix: 16))\""
    }

    package var bytes: Bytes { ConsoleFile.bytes(index) }

    private static func bytes(_ index: Int) -> Bytes {
        let file = unsafe start[index]
        return unsafe Bytes(file.bytes, file.count)
    }

    /// The table as C has it: an array whose length Swift does not know.
    private static var start: UnsafePointer<martlet_console_file> {
        unsafe martlet_console_table()
    }

    package var contentType: String {
        switch name.split(separator: ".").last {
        case "html": AdminResponse.html
        case "css": "text/css; charset=UTF-8"
        case "js": "text/javascript; charset=UTF-8"
        case "svg": "image/svg+xml"
        default: AdminResponse.text
        }
    }
}

enum ConsoleFiles {
    /// Nothing from elsewhere, nothing inline, in nobody's frame.
    static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

    static let home = AdminCommand("/", "Admin home page") { _, request in answer("console.html", request) }

    static let files = ConsoleFile.all.filter { !FlamePage.owns($0.name) }.map { file in
        AdminCommand("/console/" + file.name, "a file of the console") { _, request in answer(file.name, request) }
    }

    private static let byName = Dictionary(uniqueKeysWithValues: ConsoleFile.all.map { ($0.name, $0) })

    /// A browser asks again each time, and learns in a few bytes that it has the file: a new binary is never mixed with old
    /// scripts.
    static func answer(_ name: String, _ request: AdminRequest, policy: String = policy) -> AdminResponse {
        guard let file = byName[name] else { return AdminResponse("no such file", status: 404) }
        let isKnown = request.ifNoneMatch.split(separator: ",").contains { candidate in
            let tag = candidate.drop { $0 == " " }
            // RFC 9110 §13.1.2: compared weakly.
            return (tag.hasPrefix("W/") ? tag.dropFirst(2) : tag) == file.etag
        }
        var response = AdminResponse(
            status: isKnown ? 304 : 200, contentType: file.contentType, body: isKnown ? BodySource() : FileBody(file))
        response.cacheControl = "no-cache"
        response.headers = [
            ("etag", file.etag), ("content-security-policy", policy), ("referrer-policy", "no-referrer"),
        ]
        return response
    }
}

/// A file piece by piece, out of the binary.
private final class FileBody: BodySource {
    private let file: ConsoleFile
    private var at = 0

    init(_ file: ConsoleFile) { self.file = file }

    override func next(_ out: inout [UInt8]) -> Bool {
        let end = min(file.bytes.count, at + BodySource.pieceBytes)
        out += [UInt8](file.bytes.part(at, end))
        at = end
        return at < file.bytes.count
    }
}
