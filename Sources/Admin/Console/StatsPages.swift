// `/stats?format=html` and `format=active-html`: Envoy's two pages of statistics as pages of our own. The first shows what was
// asked for as it is now, the second asks again and again in the browser (`active.js`). Style and scripts are files of
// Sources/CConsole/web; nothing is inline, so the console's policy holds here too.

import Stats

enum StatsPages {
    /// `sections` are made only when it is their turn: each holds a renderer.
    static func snapshot(_ request: AdminRequest, _ sections: [StatsPageBody.Section]) -> AdminResponse {
        page(StatsPageBody(start: head("stats.js") + form(request, "html") + "<main>\n", sections))
    }

    static func active(_ request: AdminRequest) -> AdminResponse {
        page(
            TextBody(
                head("active.js") + form(request, "active-html", more: activeRows(request)) + """
                    <main>
                    <p id="failure" class="failure" role="alert" hidden></p>
                    <p id="said" role="status"></p>
                    <table id="statistics" hidden><thead><tr><th scope="col">Statistic</th><th scope="col">Value</th><th scope="col">Changes</th></tr></thead><tbody></tbody></table>
                    <div id="histograms"></div>
                    <noscript><p>This page needs JavaScript; <a href="stats?format=html">the other one</a> does not.</p></noscript>

                    """ + end))
    }

    static let end = "</main>\n</body>\n</html>\n"

    private static func page(_ body: BodySource) -> AdminResponse {
        var response = AdminResponse(contentType: AdminResponse.html, body: body)
        response.headers = [("content-security-policy", ConsoleFiles.policy), ("referrer-policy", "no-referrer")]
        return response
    }

    private static func head(_ script: String) -> String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>Statistics · Martlet</title>
        <link rel="icon" href="console/martlet.svg" type="image/svg+xml">
        <link rel="stylesheet" href="console/stats.css">
        <script type="module" src="console/\(script)"></script>
        </head>
        <body>
        <header><h1>Statistics</h1> <a href="./">console</a> <a href="commands">commands</a></header>

        """
    }

    // MARK: The form

    /// The parameters of `/stats`, as they were given.
    private static func form(_ request: AdminRequest, _ format: String, more: String = "") -> String {
        var html = "<form action=\"stats\" method=\"get\" id=\"stats\">\n"
        for parameter in StatsCommand.command.parameters {
            // The live page asks for whole histograms, always, and at first for what was written.
            if format == "active-html", parameter.name == "histogram_buckets" { continue }
            html += row(parameter, request.query, isOn: format == "active-html" && parameter.name == "usedonly")
        }
        return html + more + "<button>Show</button>\n</form>\n"
    }

    private static func row(_ parameter: AdminCommand.Parameter, _ query: QueryParameters, isOn: Bool) -> String {
        let id = "id=\"stats-\(parameter.name)\" name=\"\(parameter.name)\""
        let control =
            switch parameter.kind {
            case .text: "<input type=\"text\" \(id) value=\"\(HomePage.escaped(query[parameter.name] ?? ""))\" spellcheck=\"false\" autocomplete=\"off\">"
            case .flag: "<input type=\"checkbox\" \(id)\(isOn || query.has(parameter.name) ? " checked" : "")>"
            case .choice(let values): select(id, values, query.nonEmpty(parameter.name) ?? fallback(parameter.name, values))
            }
        return "<label><code>\(parameter.name)</code>\(control)<span>\(HomePage.escaped(parameter.help))</span></label>\n"
    }

    /// What a parameter that is not given means.
    private static func fallback(_ name: String, _ values: [String]) -> String {
        name == "histogram_buckets" ? "summary" : values.first ?? ""
    }

    private static func select(_ id: String, _ values: [String], _ chosen: String) -> String {
        let options = values.map { "<option\($0 == chosen ? " selected" : "")>\($0)</option>" }.joined()
        return "<select \(id)>\(options)</select>"
    }

    private static func activeRows(_ request: AdminRequest) -> String {
        [
            ("max-display-count", "50", "Maximum number of stats to display"),
            ("update-interval", "5", "Number of seconds between each update"),
        ].map { name, usual, help in
            let value = HomePage.escaped(request.query.nonEmpty(name) ?? usual)
            return "<label><code>\(name)</code><input type=\"number\" min=\"1\" id=\"stats-\(name)\" name=\"\(name)\" value=\"\(value)\"><span>\(help)</span></label>\n"
        }.joined()
    }
}

/// A section after the other: a heading, and the renderer's text or, of whole histograms, its JSON as data for `stats.js`.
final class StatsPageBody: BodySource {
    struct Section {
        let title: String
        /// The body is JSON.
        let isData: Bool
        let body: () -> BodySource
    }

    private let start: String
    private let sections: [Section]
    private var at = -1
    private var body = BodySource()
    private var hasText = false

    init(start: String, _ sections: [Section]) {
        self.start = start
        self.sections = sections
    }

    override var isWaiting: Bool { body.isWaiting }

    override func next(_ out: inout [UInt8]) -> Bool {
        if at < 0 {
            out += start.utf8
            return opened(0, &out)
        }
        if body.isWaiting { return true }
        var piece: [UInt8] = []
        let more = body.next(&piece)
        hasText = hasText || !piece.isEmpty
        for byte in piece {
            if !sections[at].isData {
                HomePage.appendEscaped(byte, &out)
            } else if byte == UInt8(ascii: "<") {
                // In JSON it stands in strings only: there it could end the element.
                out += #"\u003c"#.utf8
            } else {
                out.append(byte)
            }
        }
        if more { return true }
        out += (sections[at].isData ? "</script>\n<div id=\"histograms\"></div>\n" : "</pre>\n").utf8
        if !hasText { out += "<p class=\"quiet\">none</p>\n".utf8 }
        return opened(at + 1, &out)
    }

    /// The next section begins, or the page ends.
    private func opened(_ next: Int, _ out: inout [UInt8]) -> Bool {
        at = next
        guard at < sections.count else {
            out += StatsPages.end.utf8
            return false
        }
        hasText = false
        body = sections[at].body()
        out += "<h2>\(sections[at].title)</h2>\n".utf8
        out += (sections[at].isData ? "<script type=\"application/json\" id=\"data\">" : "<pre>").utf8
        return true
    }
}
