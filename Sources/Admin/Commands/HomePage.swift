// `/commands`: every command with a link or a form, as on Envoy's own page.

enum HomePage {
    private static let shown = CommandTable.commands + [ExplainCommand.command]

    static let command = AdminCommand("/commands", "every command with a link or a form") { _, _ in
        AdminResponse(
            contentType: AdminResponse.html,
            body: PartsBody(count: shown.count + 1, end: "</main>\n</body>\n</html>\n") { i in
                i == 0 ? head("Martlet admin") + "<p><a href='/'>console</a>, <a href='/profile'>profile</a></p>\n" : row(shown[i - 1])
            })
    }

    /// Everything before the content of `main`.
    static func head(_ title: String) -> String {
        """
        <!DOCTYPE html>
        <html lang='en'>
        <head>
        <meta charset='utf-8'>
        <meta name='viewport' content='width=device-width'>
        <title>\(title)</title>
        <style>
        body { font: 15px/1.5 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em; color: #1b2733; }
        h1 { font-size: 1.3em; letter-spacing: .02em; }
        section { border-top: 1px solid #dde3e8; padding: .7em 0; }
        section > p { margin: .1em 0 .4em; color: #4a5a68; }
        form { margin: 0; }
        a, button.get { color: #0a5c8f; text-decoration: none; font: 600 1em ui-monospace, monospace; }
        button { font: 600 1em ui-monospace, monospace; cursor: pointer; border: 1px solid #c3ccd4; background: #f4f6f8; border-radius: 4px; padding: .1em .6em; }
        button.get { border: 0; background: none; padding: 0; }
        label { display: grid; grid-template-columns: 12em 12em 1fr; gap: .8em; font-size: .87em; padding: .1em 0; }
        label > span { color: #4a5a68; }
        pre { font: 13px/1.45 ui-monospace, monospace; overflow-x: auto; }
        @media (prefers-color-scheme: dark) {
          body { background: #12171c; color: #d7dfe6; } a, button.get { color: #7cc4f2; } section { border-color: #2a343d; }
          button { background: #1d262e; color: inherit; border-color: #35424d; } section > p, label > span { color: #93a3b1; }
        }
        </style>
        </head>
        <body>
        <main>
        <h1>\(title)</h1>

        """
    }

    private static func row(_ command: AdminCommand) -> String {
        if command.path == "/" { return "" }
        let name = String(command.path.dropFirst())
        if !command.mutates && command.parameters.isEmpty {
            return "<section><a href='\(name)'>\(name)</a><p>\(escaped(command.help))</p></section>\n"
        }
        let button = command.mutates ? "<button>\(name)</button>" : "<button class='get'>\(name)</button>"
        var html = "<section><form action='\(name)' method='\(command.mutates ? "post" : "get")'>"
        html += "\(button)<p>\(escaped(command.help))</p>"
        for parameter in command.parameters {
            html += "<label><code>\(parameter.name)</code>\(input(parameter))<span>\(escaped(parameter.help))</span></label>"
        }
        return html + "</form></section>\n"
    }

    private static func input(_ parameter: AdminCommand.Parameter) -> String {
        switch parameter.kind {
        case .text: "<input type='text' name='\(parameter.name)'>"
        case .flag: "<input type='checkbox' name='\(parameter.name)'>"
        case .choice(let values):
            "<select name='\(parameter.name)'>"
                + values.map { "<option value='\($0)'>\($0)</option>" }.joined() + "</select>"
        }
    }

    static func escaped(_ text: String) -> String {
        var out: [UInt8] = []
        for byte in text.utf8 { appendEscaped(byte, &out) }
        return String(decoding: out, as: UTF8.self)
    }

    static func appendEscaped(_ byte: UInt8, _ out: inout [UInt8]) {
        switch byte {
        case UInt8(ascii: "<"): out += "&lt;".utf8
        case UInt8(ascii: ">"): out += "&gt;".utf8
        case UInt8(ascii: "&"): out += "&amp;".utf8
        case UInt8(ascii: "'"): out += "&#39;".utf8
        case UInt8(ascii: "\""): out += "&quot;".utf8
        default: out.append(byte)
        }
    }
}
