import TestSupport
import Testing

/// `/stats?format=html` and `active-html` in a real browser, while requests go through.
@Suite(
    .serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"),
    .enabled(if: Browser.program != nil, "no Chromium is installed"))
struct StatsPagesInBrowserTests {
    /// A proxy with one cluster that has answered five requests.
    private func stage() throws -> (Served, LoadUpstream) {
        let upstream = try LoadUpstream("up")
        let served = try Served(Binary.martlet()) { Served.http($0, clusters: [Served.cluster([upstream.port])]) }
        for _ in 0..<5 { #expect(try served.get().status == 200) }
        return (served, upstream)
    }

    private func fits(_ browser: Browser) throws {
        for (width, dark) in [(400, false), (400, true), (1280, true), (1280, false)] {
            try browser.resize(width, 800)
            try browser.prefers(dark: dark)
            let wide = try browser.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth", becomes: { $0 == "0" })
            #expect(wide == "0", "at \(width)")
            let paper = try browser.evaluate("getComputedStyle(document.body).backgroundColor", becomes: { $0 == (dark ? "rgb(16, 22, 27)" : "rgb(246, 247, 245)") })
            #expect(paper == (dark ? "rgb(16, 22, 27)" : "rgb(246, 247, 245)"))
        }
        let nameless = "[...document.querySelectorAll('a, button, input, select')].filter((one) => !one.textContent.trim() && !one.labels?.length).map((one) => one.outerHTML).join()"
        #expect(try browser.evaluate(nameless) == "")
    }

    @Test
    func aChangeOfTheFormAsksAnew() throws {
        let (served, upstream) = try stage()
        defer { upstream.stop() }
        let browser = try Browser()
        let page = "http://127.0.0.1:\(served.admin.port)/stats?format=html"
        try browser.open(page + "&filter=upstream_rq_total")
        // Complete: its script has run.
        let text = "document.readyState === 'complete' ? document.querySelector('main').innerText : ''"
        #expect(try browser.evaluate(text, becomes: { $0.contains("upstream_rq_total: 5") }).contains("upstream_rq_total: 5"))
        _ = try browser.evaluate(
            "(() => { const box = document.getElementById('stats-filter'); box.value = '^server.live$'; box.dispatchEvent(new Event('change', { bubbles: true })); })()")
        let next = try browser.evaluate(text, becomes: { $0.contains("server.live: 1") && !$0.contains("upstream_rq_total") })
        #expect(next.contains("server.live: 1") && !next.contains("upstream_rq_total"), "\(next)")
        #expect(try browser.evaluate("document.getElementById('stats-filter').value") == "^server.live$")
        #expect(try browser.evaluate("document.readyState", becomes: { $0 == "complete" }) == "complete")
        try fits(browser)
        // Whole histograms: a bar for each bucket, and the percentiles in words.
        let drawn = wait(upToMs: 30_000) {
            try? browser.open(page + "&histogram_buckets=detailed&type=Histograms&filter=downstream_rq_time")
            return (try? browser.evaluate("document.readyState === 'complete' && document.querySelectorAll('figure .bar').length > 0 && document.querySelector('main').innerText.includes('p50')", becomes: { $0 == "true" }, upToMs: 2_000)) == "true"
        }
        #expect(drawn)
        try fits(browser)
        #expect(browser.complaints == [])
    }

    /// What changes comes first, and changes are counted; another filter is asked for at once.
    @Test
    func theLivePagePolls() throws {
        let (served, upstream) = try stage()
        defer { upstream.stop() }
        let browser = try Browser()
        try browser.open("http://127.0.0.1:\(served.admin.port)/stats?format=active-html&update-interval=1&max-display-count=3&filter=upstream_rq_(total|2xx|200|completed)")
        let rows = "[...document.querySelectorAll('#statistics tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent).join(' ')).join('; ')"
        #expect(try browser.evaluate("document.readyState", becomes: { $0 == "complete" }) == "complete")
        let first = try browser.evaluate(rows, becomes: { $0.contains("upstream_rq_total 5 0") || $0.contains("upstream_rq_completed 5 0") })
        #expect(first.split(separator: ";").count == 3, "\(first)")
        #expect(try browser.evaluate("document.getElementById('said').textContent").contains("more are not shown"))
        for _ in 0..<3 { #expect(try served.get().status == 200) }
        let moved = try browser.evaluate(rows, becomes: { $0.contains(" 8 1") }, upToMs: 30_000)
        #expect(moved.contains(" 8 1"), "\(moved)")
        try fits(browser)
        _ = try browser.evaluate(
            "(() => { const box = document.getElementById('stats-filter'); box.value = '^server.live$'; document.getElementById('stats').requestSubmit(); })()")
        #expect(try browser.evaluate(rows, becomes: { $0 == "server.live 1 0" }, upToMs: 30_000) == "server.live 1 0")
        #expect(browser.complaints == [])
        // A wrong filter, and an admin that is gone, are said.
        _ = try browser.evaluate(
            "(() => { document.getElementById('stats-filter').value = '*'; document.getElementById('stats').requestSubmit(); })()")
        let said = "document.getElementById('failure').hidden ? '' : document.getElementById('failure').textContent"
        #expect(try browser.evaluate(said, becomes: { $0.contains("Invalid re2 regex") }, upToMs: 30_000).contains("Invalid re2 regex"))
        served.process.kill()
        #expect(try browser.evaluate(said, becomes: { !$0.contains("Invalid") && $0.hasPrefix("No answer") }, upToMs: 30_000).hasPrefix("No answer"))
    }
}
