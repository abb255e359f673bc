// The page of `/profile`: a flame graph that is zoomed and searched in the browser. Page, script and style are files of
// Sources/CConsole/web; the page forbids everything else (Content-Security-Policy).

enum FlamePage {
    private static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    static func response(_ request: AdminRequest) -> AdminResponse { ConsoleFiles.answer("flame.html", request, policy: policy) }

    static let script = AdminCommand("/profile/flame.js", "script of /profile") { _, request in ConsoleFiles.answer("flame.js", request) }

    static let style = AdminCommand("/profile/flame.css", "style of /profile") { _, request in ConsoleFiles.answer("flame.css", request) }

    /// They are answered here, not under `/console/`.
    static func owns(_ file: String) -> Bool { file.hasPrefix("flame.") }
}
