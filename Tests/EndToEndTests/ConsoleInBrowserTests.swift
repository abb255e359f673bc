import TestSupport
import Testing

/// The console in a real browser, under load: every page loads without a complaint, plots move, requests are explained.
@Suite(
    .serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"),
    .enabled(if: Browser.program != nil, "no Chromium is installed"))
struct ConsoleInBrowserTests {
    /// Two clusters, one of which has a host that is not there, and clients that ask both.
    private final class Stage: Sendable {
        let served: Served
        let upstream: LoadUpstream
        private let stopped = Flag()
        private let client: Locked<BackgroundThread?>

        /// Names without a `'`.
        init(good: String = "good", broken: String = "broken") throws {
            let upstream = try LoadUpstream("good")
            self.upstream = upstream
            let nobody = Ports.free()
            let served = try Served(Binary.martlet()) { port in
                Bootstrap(
                    listeners: [
                        Bootstrap.http(
                            "edge", at: Bootstrap.address(port), prefix: "ingress",
                            routes: ["{match: {prefix: /bad}, route: {cluster: '\(broken)'}}", "{match: {prefix: /}, route: {cluster: '\(good)'}}"])
                    ],
                    clusters: [
                        Bootstrap.cluster("'\(good)'", ports: [upstream.port]), Bootstrap.cluster("'\(broken)'", ports: [nobody]),
                    ]
                ).yaml
            }
            self.served = served
            let stopped = stopped
            client = Locked(
                BackgroundThread {
                    var turn = 0
                    while !stopped.isRaised {
                        turn += 1
                        if let socket = try? Sockets.connect(port: served.listener, within: 1_000) {
                            _ = Exchange.get(turn % 3 == 0 ? "/bad" : "/good", on: socket, limitMs: 5_000)
                        }
                        sleep(ms: 20)
                    }
                })
        }

        func stop() {
            stopped.raise()
            client.withLock { $0 }?.join()
            upstream.stop()
        }
    }

    private static let pages = ["overview", "map", "wrong", "changes", "statistics", "try", "commands"]

    private func show(_ browser: Browser, _ page: String) throws {
        _ = try browser.evaluate("location.hash = '#\(page)'")
        let title = try browser.evaluate(
            "document.querySelector('nav a[aria-current]')?.hash ?? ''", becomes: { $0 == "#\(page)" })
        #expect(title == "#\(page)")
    }

    @Test
    func everyPageWorksUnderLoad() throws {
        let stage = try Stage()
        defer { stage.stop() }
        let browser = try Browser()
        try browser.open("http://127.0.0.1:\(stage.served.admin.port)/")
        let state = try browser.evaluate("document.getElementById('state')?.textContent ?? ''", becomes: { $0 == "LIVE" })
        #expect(state == "LIVE")
        try plotsMove(browser)
        try theMapIsThere(browser)
        try whatIsWrongIsSaid(browser)
        try show(browser, "changes")
        #expect(try browser.evaluate("document.body.innerText", becomes: { $0.contains("Version 1:") }).contains("2 clusters added: good, broken"))
        try statisticsAreFound(browser)
        try aRequestIsExplained(browser)
        try aCommandIsConfirmed(browser, stage.served)
        try everyPageFits(browser)
        #expect(browser.complaints == [])
    }

    private func plotsMove(_ browser: Browser) throws {
        let line = "[...document.querySelectorAll('.plot .area, .plot .line')].map((path) => path.getAttribute('d')).join('|')"
        let first = try browser.evaluate(line, becomes: { $0.contains("L") })
        #expect(first.contains("L"))
        let second = try browser.evaluate(line, becomes: { $0 != first })
        #expect(second != first)
        let rate = "Number(document.querySelector('.tile dd')?.textContent.replace('/s', '') ?? 0) > 1"
        #expect(try browser.evaluate(rate, becomes: { $0 == "true" }) == "true")
        let latency = "[...document.querySelectorAll('.tile')].find((tile) => tile.textContent.includes('p99'))?.textContent ?? ''"
        #expect(try browser.evaluate(latency, becomes: { $0.hasSuffix("ms") }, upToMs: 30_000).hasSuffix("ms"))
        // One cluster, by keyboard: its button is a button.
        _ = try browser.evaluate("document.querySelector('[data-key=\"cluster:broken\"]').focus()")
        _ = try browser.evaluate("document.activeElement.click()")
        #expect(try browser.evaluate("document.getElementById('scope').value") == "cluster:broken")
        let hosts = try browser.evaluate("[...document.querySelectorAll('h2')].map((one) => one.textContent).join()", becomes: { $0.contains("Hosts of broken") })
        #expect(hosts.contains("Hosts of broken"))
    }

    private func theMapIsThere(_ browser: Browser) throws {
        try show(browser, "map")
        let nodes = "[...document.querySelectorAll('.node b')].map((one) => one.textContent.trim()).join()"
        let names = try browser.evaluate(nodes, becomes: { $0.contains("good") })
        #expect(names.contains("edge,/bad…,/…,● broken,● good"), "\(names)")
        #expect(try browser.evaluate("document.querySelectorAll('.map .links path').length") == "6")
    }

    private func whatIsWrongIsSaid(_ browser: Browser) throws {
        try show(browser, "wrong")
        let said = try browser.evaluate(
            "document.querySelector('.cards')?.innerText ?? ''", becomes: { $0.contains("503 rate") && $0.contains("connections to hosts fail") }, upToMs: 30_000)
        #expect(said.contains("cluster broken: "), "\(said)")
        #expect(said.contains("503 rate 100\u{a0}%") && said.contains("; was there when this page was opened at "), "\(said)")
        #expect(!said.contains("cluster good"))
        #expect(try browser.evaluate("document.getElementById('wrong-count').textContent") == "1")
    }

    private func statisticsAreFound(_ browser: Browser) throws {
        try show(browser, "statistics")
        // Nothing that this process has is without an explanation.
        let unexplained = """
            (async () => {
              const { load, explain } = await import(new URL("console/explanations.js", location.href));
              const entries = await load();
              const { stats } = await (await fetch("stats?format=json")).json();
              const names = stats.flatMap((one) => one.histograms ? one.histograms.computed_quantiles.map((h) => h.name) : [one.name]);
              return names.length + " " + names.filter((name) => !explain(entries, name)).join(" ");
            })()
            """
        let answer = try browser.evaluate(unexplained).split(separator: " ")
        #expect((Int(answer.first ?? "") ?? 0) > 400 && answer.count == 1, "\(answer)")
        _ = try browser.evaluate(
            "(() => { const box = document.querySelector('main input[type=search]'); box.value = 'broken 503'; box.dispatchEvent(new Event('input')); })()")
        let found = try browser.evaluate("document.querySelector('.results').innerText", becomes: { $0.contains("cluster.broken.upstream_rq_503") })
        #expect(found.contains("cluster.broken.upstream_rq_503") && found.contains("Responses of the cluster by status"))
        #expect(!found.contains("cluster.good"))
    }

    private func aRequestIsExplained(_ browser: Browser) throws {
        try show(browser, "try")
        _ = try browser.evaluate(
            "(() => { document.getElementById('try-path').value = '/bad/one'; document.querySelector('form.form').requestSubmit(); })()")
        let answer = try browser.evaluate("document.querySelector('#page [aria-live]').innerText", becomes: { $0.contains("Forward") })
        #expect(answer.contains("Forward: a host of cluster 'broken' is chosen"), "\(answer)")
        _ = try browser.evaluate("(() => { document.getElementById('try-path').value = '/x'; document.querySelector('form.form').requestSubmit(); })()")
        let other = try browser.evaluate("document.querySelector('#page [aria-live]').innerText", becomes: { $0.contains("'good'") })
        #expect(other.contains("path '/x' does not begin with '/bad'"), "\(other)")
    }

    private func aCommandIsConfirmed(_ browser: Browser, _ served: Served) throws {
        try show(browser, "commands")
        let fail = "[...document.querySelectorAll('main button')].find((one) => one.textContent === 'Fail').click()"
        _ = try browser.evaluate(fail)
        #expect(try browser.evaluate("document.getElementById('confirm').open") == "true")
        _ = try browser.evaluate("document.querySelector('#confirm button[value=no]').click()")
        #expect(served.admin.isReady())
        _ = try browser.evaluate(fail)
        _ = try browser.evaluate("document.querySelector('#confirm button[value=yes]').click()")
        #expect(wait(upToMs: 10_000) { !served.admin.isReady() })
        let state = try browser.evaluate("document.getElementById('state').textContent", becomes: { $0 == "DRAINING" })
        #expect(state == "DRAINING")
    }

    /// 400 and 1280 pixels, light and dark: nothing is wider than the window; every control has a name.
    private func everyPageFits(_ browser: Browser) throws {
        for (width, dark) in [(400, false), (400, true), (1280, true)] {
            try browser.resize(width, 800)
            try browser.prefers(dark: dark)
            for page in ConsoleInBrowserTests.pages {
                try show(browser, page)
                let wide = try browser.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth", becomes: { $0 == "0" })
                #expect(wide == "0", "\(page) at \(width)")
            }
        }
        let nameless = """
            [...document.querySelectorAll('button, a, input, select, textarea')].filter((one) => !one.textContent.trim()
              && !one.getAttribute('aria-label') && !(one.labels && one.labels.length)).map((one) => one.outerHTML).join()
            """
        for page in ConsoleInBrowserTests.pages {
            try show(browser, page)
            #expect(try browser.evaluate(nameless) == "", "\(page)")
        }
    }

    /// Bars, dots, percent signs and markup in the names of a configuration: they are text, and what they name is found.
    @Test
    func namesWithEverythingInThem() throws {
        let good = "outbound|80||reviews.default.svc.cluster.local"
        let broken = "50%-canary.retry<img src=x onerror=alert(1)>"
        let stage = try Stage(good: good, broken: broken)
        defer { stage.stop() }
        let browser = try Browser()
        // Typed by hand: no escape, and a page all the same.
        try browser.open("http://127.0.0.1:\(stage.served.admin.port)/#overview/cluster:50%-canary")
        #expect(try browser.evaluate("document.getElementById('scope')?.value ?? ''", becomes: { $0 == "cluster:50%-canary" }) == "cluster:50%-canary")
        func tile(_ name: String) -> String { "[...document.querySelectorAll('.tile')].find((one) => one.textContent.startsWith('\(name)'))?.textContent ?? ''" }
        let titles = "[...document.querySelectorAll('h2')].map((one) => one.textContent).join()"
        let requests = { (text: String) in (Double(text.dropFirst("Requests".count).prefix { $0 != "/" }) ?? 0) > 1 }

        for key in ["cluster:\(good)", "host:\(good)|127.0.0.1:\(stage.upstream.port)"] {
            _ = try browser.evaluate("location.hash = '#overview/' + encodeURIComponent('\(key)')")
            #expect(try browser.evaluate("document.getElementById('scope').value", becomes: { $0 == key }) == key)
            let rate = try browser.evaluate(tile("Requests"), becomes: requests)
            #expect(requests(rate), "\(key): \(rate)")
            #expect(try browser.evaluate(titles).contains("Hosts of \(good)"), "\(key)")
        }
        // Hosts have no latency, and none is left of what was shown before.
        #expect(try browser.evaluate(tile("Latency")) == "")
        #expect(try browser.evaluate("[...document.querySelectorAll('.plot')].find((one) => one.textContent.includes('p99')).querySelector('.value').textContent") == "")
        // A listener has the latency of its connection manager.
        _ = try browser.evaluate("[...document.querySelectorAll('[data-key^=\"listener:\"]')].find((one) => one.textContent === 'edge').click()")
        #expect(try browser.evaluate(tile("Latency p99"), becomes: { $0.hasSuffix("ms") }, upToMs: 30_000).hasSuffix("ms"))
        #expect(try browser.evaluate("document.querySelector('.plot-source:not([hidden])')?.textContent") == "Measured by the connection manager ingress.")

        try show(browser, "wrong")
        let said = try browser.evaluate("document.querySelector('.cards')?.innerText ?? ''", becomes: { $0.contains("503 rate") }, upToMs: 30_000)
        #expect(said.contains("cluster \(broken): "), "\(said)")
        _ = try browser.evaluate("[...document.querySelectorAll('.cards a')].find((one) => one.textContent === 'Show its traffic').click()")
        #expect(try browser.evaluate("document.getElementById('scope')?.value ?? ''", becomes: { $0 == "cluster:\(broken)" }) == "cluster:\(broken)")
        #expect(try browser.evaluate(titles).contains("Hosts of \(broken)"))
        for page in ConsoleInBrowserTests.pages {
            try show(browser, page)
            #expect(try browser.evaluate("document.querySelectorAll('main img, main script').length") == "0", "\(page)")
        }
        #expect(browser.complaints == [])
    }

    /// An admin that is slow, or gone, is asked one thing at a time and said to be gone; a hidden tab asks nothing.
    @Test
    func oneRoundAtATime() throws {
        let stage = try Stage()
        defer { stage.stop() }
        let browser = try Browser()
        try browser.open("http://127.0.0.1:\(stage.served.admin.port)/")
        _ = try browser.evaluate("document.getElementById('state')?.textContent ?? ''", becomes: { $0 == "LIVE" })
        // Every answer takes a second from here on: how many are waited for at once, at most?
        _ = try browser.evaluate(
            """
            (() => {
              const real = window.fetch;
              window.asked = 0; window.waiting = 0; window.most = 0;
              window.fetch = async (...all) => {
                window.asked += 1; window.waiting += 1; window.most = Math.max(window.most, window.waiting);
                await new Promise((done) => setTimeout(done, 1000));
                try { return await real(...all); } finally { window.waiting -= 1; }
              };
            })()
            """)
        let asked = try browser.evaluate("window.asked", becomes: { (Int($0) ?? 0) >= 6 }, upToMs: 30_000)
        #expect((Int(asked) ?? 0) >= 6)
        #expect(try browser.evaluate("window.most") == "1")
        // Paused: what is under way ends, nothing new begins.
        _ = try browser.evaluate("document.getElementById('pause').click()")
        _ = try browser.evaluate("window.waiting", becomes: { $0 == "0" })
        let before = try browser.evaluate("new Promise((done) => setTimeout(() => done(window.asked), 2500))")
        #expect(try browser.evaluate("new Promise((done) => setTimeout(() => done(window.asked), 2500))") == before)
        _ = try browser.evaluate("document.getElementById('pause').click()")
        #expect(try browser.evaluate("window.asked", becomes: { $0 != before }) != before)
        // So it is with a hidden tab.
        let hide = { (hidden: Bool) in
            "(() => { Object.defineProperty(document, 'hidden', { configurable: true, get: () => \(hidden) }); document.dispatchEvent(new Event('visibilitychange')); })()"
        }
        _ = try browser.evaluate(hide(true))
        _ = try browser.evaluate("window.waiting", becomes: { $0 == "0" })
        let hidden = try browser.evaluate("new Promise((done) => setTimeout(() => done(window.asked), 2500))")
        #expect(try browser.evaluate("new Promise((done) => setTimeout(() => done(window.asked), 2500))") == hidden)
        _ = try browser.evaluate(hide(false))
        #expect(try browser.evaluate("window.asked", becomes: { $0 != hidden }) != hidden)
        stage.served.process.kill()
        let said = try browser.evaluate("document.getElementById('state').textContent", becomes: { $0 == "NO ANSWER" }, upToMs: 30_000)
        #expect(said == "NO ANSWER")
    }

    /// Where commands need a token, the page asks for it and gives it.
    @Test
    func commandsWithAToken() throws {
        let directory = TemporaryDirectory()
        let token = directory.write("sesame\n", to: "token")
        let admin = Admin(port: Ports.free())
        let file = directory.write(Bootstrap(admin: admin.port, clusters: [Bootstrap.cluster("c", ports: [1])]).yaml, to: "martlet.yaml")
        let process = try Binary.martlet().start(["-c", file, "--concurrency", "1", "--admin-token-file", token])
        defer { process.kill() }
        try #require(process.becomesReady(admin: admin.port), "\(process.output)")
        let browser = try Browser()
        try browser.open("http://127.0.0.1:\(admin.port)/#commands")
        let asks = try browser.evaluate("document.querySelector('input[type=password]')?.closest('form').hidden", becomes: { $0 == "false" })
        #expect(asks == "false")
        _ = try browser.evaluate(
            "(() => { const box = document.querySelector('input[type=password]'); box.value = 'sesame'; box.dispatchEvent(new Event('change')); })()")
        let levels = try browser.evaluate("document.querySelector('.levels').textContent", becomes: { $0.contains("admin: ") })
        #expect(levels.contains("admin: "))
        _ = try browser.evaluate("[...document.querySelectorAll('main button')].find((one) => one.textContent === 'Fail').click()")
        _ = try browser.evaluate("document.querySelector('#confirm button[value=yes]').click()")
        #expect(wait(upToMs: 10_000) { !admin.isReady() })
    }
}
