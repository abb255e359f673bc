// The page of `/profile`: a flame graph that is zoomed and searched in the browser. Script and style are answers of their
// own, so that the page can forbid everything else (Content-Security-Policy).

enum FlamePage {
    static var response: AdminResponse {
        var response = AdminResponse(page, contentType: AdminResponse.html)
        response.headers = [
            (
                "content-security-policy",
                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            )
        ]
        return response
    }

    static let script = AdminCommand("/profile/flame.js", "script of /profile") { _, _ in
        AdminResponse(FlameScript.text, contentType: "text/javascript; charset=UTF-8")
    }

    static let style = AdminCommand("/profile/flame.css", "style of /profile") { _, _ in
        AdminResponse(FlameStyle.text, contentType: "text/css; charset=UTF-8")
    }

    private static let page = """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Martlet profile</title>
        <link rel="stylesheet" href="profile/flame.css">
        <script src="profile/flame.js" defer></script>
        </head>
        <body>
        <header>
          <h1>Profile</h1>
          <label>of <select id="kind">
            <option value="cpu">CPU time</option>
            <option value="alloc">allocations</option>
            <option value="heap">live heap</option>
            <option value="peak">peak heap</option>
          </select></label>
          <label>thread <select id="thread"></select></label>
          <label><input id="invert" type="checkbox"> callers below</label>
          <label class="search">find <input id="search" type="search" placeholder="name, or /regular expression/" spellcheck="false"></label>
          <span class="buttons">
            <button id="take" type="button">Profile for 5 s</button>
            <button id="start" type="button">Start</button>
            <button id="stop" type="button">Stop</button>
            <button id="reload" type="button">Reload</button>
          </span>
        </header>
        <p id="summary" role="status">Loading…</p>
        <nav id="path" aria-label="where the graph is zoomed to"></nav>
        <main id="graph" tabindex="0" aria-label="flame graph"></main>
        <p id="detail" aria-live="polite"></p>
        <table id="top"><caption>Most expensive functions</caption>
        <thead><tr><th>function</th><th class="n">self</th><th class="n">with callees</th></tr></thead><tbody></tbody></table>
        <footer>The same as <a href="profile?format=pprof">pprof</a>, <a href="profile?format=folded">folded stacks</a>,
        <a href="profile?format=json">JSON</a>, <a href="profile?format=gperftools">gperftools</a>.
        Click a frame to zoom in, the bar above to zoom out; Escape shows all.</footer>
        </body>
        </html>

        """
}
